//! `Retry-After` and the pause that follows from it.

use std::time::Duration;

use artifact_core::Timestamp;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(15 * 60);
const UNNAMED: Duration = Duration::from_secs(30);

/// How long the whole remote is left alone after this answer; nothing for ordinary answers.
pub(crate) fn cool_down(
    status: StatusCode,
    headers: &HeaderMap,
    now: Timestamp,
) -> Option<Duration> {
    let named = headers.get(RETRY_AFTER).and_then(|value| parse(value.to_str().ok()?, now));
    let pause = match status {
        StatusCode::TOO_MANY_REQUESTS => named.unwrap_or(UNNAMED),
        StatusCode::SERVICE_UNAVAILABLE => named?,
        _ => return None,
    };
    Some(pause.clamp(SHORTEST, LONGEST))
}

/// Seconds, or an HTTP date; a date in the past is zero.
fn parse(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    Timestamp::from_http_date(value).map(|date| date.since(now))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_request_to_wait_is_a_cool_down() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = Timestamp::from_seconds(784_111_777);
        for (status, header, seconds) in [
            (429, None, Some(30)),
            (429, Some("7"), Some(7)),
            (429, Some(" 7 "), Some(7)),
            (429, Some("0"), Some(1)),
            (429, Some("86400"), Some(900)),
            (429, Some("99999999999999999999999"), Some(900)),
            (429, Some("-5"), Some(30)),
            (429, Some("soon"), Some(30)),
            (429, Some(""), Some(30)),
            (429, Some("Sun, 06 Nov 1994 08:50:37 GMT"), Some(60)),
            (429, Some("Sun, 06 Nov 1994 08:00:00 GMT"), Some(1)),
            (503, None, None),
            (503, Some("soon"), None),
            (503, Some("120"), Some(120)),
            (500, Some("120"), None),
            (200, Some("120"), None),
            (302, Some("120"), None),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(value) = header {
                headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            }
            let pause = cool_down(StatusCode::from_u16(status).unwrap(), &headers, now);
            assert_eq!(pause, seconds.map(Duration::from_secs), "{status} {header:?}");
        }
    }
}
