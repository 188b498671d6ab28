//! Moments in time as Go reads them: one that it cannot read makes Helm refuse the whole index.

/// Whether `text` is a moment in RFC 3339, also one in the year 1, which Go writes for "never".
pub(super) fn is_rfc3339(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let (time, has_zone) = match time.strip_suffix('Z') {
        Some(time) => (time, true),
        None => offset(time),
    };
    let (clock, has_fraction) = match time.split_once('.') {
        Some((clock, fraction)) => (clock, are_digits(fraction) && !fraction.is_empty()),
        None => (time, true),
    };
    has_zone && has_fraction && is_date(date) && is_clock(clock)
}

/// The time before an offset such as `+02:00`, and whether that is one.
fn offset(time: &str) -> (&str, bool) {
    let Some(at) = time.rfind(['+', '-']) else { return (time, false) };
    let (time, offset) = time.split_at(at);
    let parts = offset.get(1..).and_then(|offset| numbers::<2>(offset, ':', [2, 2]));
    (time, parts.is_some_and(|[hours, minutes]| hours < 24 && minutes < 60))
}

fn is_date(date: &str) -> bool {
    let Some([year, month, day]) = numbers::<3>(date, '-', [4, 2, 2]) else { return false };
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    };
    (1..=days).contains(&day)
}

fn is_clock(clock: &str) -> bool {
    numbers::<3>(clock, ':', [2, 2, 2])
        .is_some_and(|[hour, minute, second]| hour < 24 && minute < 60 && second < 60)
}

/// Numbers of these many digits, joined by `separator`.
fn numbers<const N: usize>(text: &str, separator: char, lengths: [usize; N]) -> Option<[u32; N]> {
    let mut parts = text.split(separator);
    let mut found = [0; N];
    for (slot, length) in found.iter_mut().zip(lengths) {
        let part = parts.next().filter(|part| part.len() == length && are_digits(part))?;
        *slot = part.parse().ok()?;
    }
    parts.next().is_none().then_some(found)
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_recognised_as_go_does() {
        for text in [
            "2023-05-21T19:24:43Z",
            "2023-05-21T19:24:43.123456789Z",
            "2024-02-29T00:00:00+02:00",
            "0001-01-01T00:00:00Z",
            "2023-12-31T23:59:59.5-11:30",
            "2000-02-29T00:00:00Z",
        ] {
            assert!(is_rfc3339(text), "{text}");
        }
        for text in [
            "",
            "2023-05-21",
            "2023-05-21 19:24:43Z",
            "2023-05-21T19:24:43",
            "2023-5-21T19:24:43Z",
            "2023-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z",
            "2023-13-01T00:00:00Z",
            "2023-00-01T00:00:00Z",
            "2023-01-32T00:00:00Z",
            "2023-01-00T00:00:00Z",
            "2023-05-21T24:00:00Z",
            "2023-05-21T19:60:43Z",
            "2023-05-21T19:24:60Z",
            "2023-05-21T19:24:43.Z",
            "2023-05-21T19:24:43.xZ",
            "2023-05-21T19:24:43+2:00",
            "2023-05-21T19:24:43+24:00",
            "2023-05-21T19:24:43+02:00Z",
            "2023-05-21t19:24:43z",
            "+023-05-21T19:24:43Z",
            "1684697083",
        ] {
            assert!(!is_rfc3339(text), "{text}");
        }
    }
}
