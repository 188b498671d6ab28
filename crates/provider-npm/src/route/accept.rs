//! Which form of a packument a client prefers.

use artifact_core::Variant;
use http::HeaderMap;
use http::header::ACCEPT;

use super::package::{ABBREVIATED, ABBREVIATED_TYPE, FULL};

/// Abbreviated when its type is named and no other JSON is preferred, otherwise full.
/// Installing clients ask for either, so both forms are hot.
pub(super) fn packument_form(headers: &HeaderMap) -> Variant {
    let mut abbreviated = None;
    let mut json = None;
    let mut wildcard = None;
    for range in headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for (media_type, quality) in range.split(',').filter_map(media_range) {
            let slot = match media_type.to_ascii_lowercase().as_str() {
                ABBREVIATED_TYPE => &mut abbreviated,
                super::JSON => &mut json,
                "application/*" | "*/*" => &mut wildcard,
                _ => continue,
            };
            *slot = (*slot).max(Some(quality));
        }
    }
    // A named type speaks for itself, whatever a wildcard beside it says (RFC 9110, 12.5.1).
    let full = json.or(wildcard).unwrap_or(0);
    match abbreviated {
        Some(quality) if quality > 0 && quality >= full => ABBREVIATED,
        _ => FULL,
    }
}

/// A media range and its quality in thousandths; `None` when the quality cannot be read.
fn media_range(range: &str) -> Option<(&str, u16)> {
    let mut parts = range.split(';').map(str::trim);
    let media_type = parts.next()?;
    let quality = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
    Some((media_type, quality.map_or(Some(1000), thousandths)?))
}

fn thousandths(quality: &str) -> Option<u16> {
    let (whole, fraction) = quality.split_once('.').unwrap_or((quality, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(fraction),
        "1" if fraction == 0 => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_the_form_they_prefer() {
        let table = [
            (None, FULL),
            (Some("*/*"), FULL),
            (Some("application/json"), FULL),
            (Some("application/json; q=1.0, */*"), FULL),
            (
                Some("application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8, */*"),
                ABBREVIATED,
            ),
            (Some("application/vnd.npm.install-v1+json"), ABBREVIATED),
            (Some("Application/Vnd.NPM.install-v1+json;q=1,*/*;q=0.1"), ABBREVIATED),
            (Some("application/vnd.npm.install-v1+json;q=0.5, application/json"), FULL),
            (Some("application/vnd.npm.install-v1+json;q=0.5, */*"), FULL),
            (Some("application/vnd.npm.install-v1+json;q=0"), FULL),
            (Some("application/vnd.npm.install-v1+json;q=nonsense"), FULL),
            (Some("text/html"), FULL),
            (Some(";;,,q=,"), FULL),
        ];
        for (accept, expected) in table {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(packument_form(&headers), expected, "{accept:?}");
        }
    }

    #[test]
    fn several_accept_lines_count_as_one() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "application/json;q=0.2".parse().unwrap());
        headers.append(ACCEPT, "application/vnd.npm.install-v1+json;q=0.3".parse().unwrap());
        assert_eq!(packument_form(&headers), ABBREVIATED);
    }
}
