//! Which part of a representation a request wants: conditions and ranges (RFC 9110,
//! sections 13 and 14). Pure.

use artifact_core::ports::ByteRange;
use artifact_core::{Error, ErrorKind, Result, Timestamp};
use http::HeaderMap;
use http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};

/// Ranges of one request that are sent as parts.
const SEVERAL: usize = 256;

/// What to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Selection {
    /// 200 with everything.
    Whole,
    /// 206 with this part.
    Part(ByteRange),
    /// 304.
    NotModified,
}

/// The validators of a representation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Validators<'a> {
    /// The strong entity tag with its quotes; absent while the bytes are still on their way.
    pub(crate) etag: Option<&'a str>,
    /// When the bytes last changed.
    pub(crate) modified: Option<Timestamp>,
    /// The size, if known. Without it ranges are ignored.
    pub(crate) size: Option<u64>,
}

/// Evaluates conditions, then the range. Fails with 412 or 416.
pub(crate) fn select(headers: &HeaderMap, validators: Validators<'_>) -> Result<Selection> {
    check_preconditions(headers, validators)?;
    if is_not_modified(headers, validators) {
        return Ok(Selection::NotModified);
    }
    let (Some(range), Some(size)) = (text(headers, &RANGE), validators.size) else {
        return Ok(Selection::Whole);
    };
    if !if_range_holds(headers, validators) {
        return Ok(Selection::Whole);
    }
    match parse_range(range, size) {
        RangeRequest::One(range) => Ok(Selection::Part(range)),
        // Several ranges may be answered with everything (RFC 9110, section 14.2); see [`select_several`].
        RangeRequest::Ignored => Ok(Selection::Whole),
        RangeRequest::Unsatisfiable => Err(outside(size)),
    }
}

/// The ranges of a request for several that [`select`] answers with everything: those that lie within the
/// file, in the order of the request. `None` sends everything: there is one range at most, some are not well-formed, or
/// they are so many, or overlap so much, that everything is less work. Fails with 416 if all lie outside.
pub(crate) fn select_several(
    headers: &HeaderMap,
    validators: Validators<'_>,
) -> Result<Option<Vec<ByteRange>>> {
    let (Some(value), Some(size)) = (text(headers, &RANGE), validators.size) else {
        return Ok(None);
    };
    let Some(specifications) = value.trim().strip_prefix("bytes=") else { return Ok(None) };
    if !specifications.contains(',') || !if_range_holds(headers, validators) {
        return Ok(None);
    }
    let mut ranges = Vec::new();
    for specification in specifications.split(',') {
        match parse_specification(specification, size) {
            RangeRequest::One(range) => ranges.push(range),
            RangeRequest::Unsatisfiable => {}
            RangeRequest::Ignored => return Ok(None),
        }
    }
    if ranges.is_empty() {
        return Err(outside(size));
    }
    let total = ranges.iter().fold(0_u64, |sum, range| sum.saturating_add(range.length()));
    Ok((ranges.len() <= SEVERAL && total <= size).then_some(ranges))
}

fn outside(size: u64) -> Error {
    Error::new(ErrorKind::RangeNotSatisfiable { size }, "the requested range lies outside the file")
}

fn check_preconditions(headers: &HeaderMap, validators: Validators<'_>) -> Result<()> {
    let failed = match text(headers, &IF_MATCH) {
        Some(list) => validators.etag.is_some_and(|etag| !matches_strongly(list, etag)),
        None => match (date(headers, &IF_UNMODIFIED_SINCE), validators.modified) {
            (Some(limit), Some(modified)) => modified.as_seconds() > limit.as_seconds(),
            _ => false,
        },
    };
    if failed {
        return Err(Error::new(ErrorKind::PreconditionFailed, "the file is not the one expected"));
    }
    Ok(())
}

fn is_not_modified(headers: &HeaderMap, validators: Validators<'_>) -> bool {
    if let Some(list) = text(headers, &IF_NONE_MATCH) {
        return validators.etag.is_some_and(|etag| matches_weakly(list, etag));
    }
    match (date(headers, &IF_MODIFIED_SINCE), validators.modified) {
        (Some(since), Some(modified)) => modified.as_seconds() <= since.as_seconds(),
        _ => false,
    }
}

fn if_range_holds(headers: &HeaderMap, validators: Validators<'_>) -> bool {
    let Some(condition) = text(headers, &IF_RANGE) else { return true };
    if condition.starts_with('"') {
        return validators.etag == Some(condition);
    }
    let unchanged = |limit: Timestamp| {
        validators.modified.is_some_and(|modified| modified.as_seconds() == limit.as_seconds())
    };
    Timestamp::from_http_date(condition).is_some_and(unchanged)
}

/// Whether `list` (an `If-Match` value) names `etag`.
pub(crate) fn matches_strongly(list: &str, etag: &str) -> bool {
    list.trim() == "*" || entity_tags(list).any(|tag| tag == etag)
}

fn matches_weakly(list: &str, etag: &str) -> bool {
    list.trim() == "*" || entity_tags(list).any(|tag| tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Our tags hold no comma, so a plain split cannot cut one of ours.
fn entity_tags(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum RangeRequest {
    One(ByteRange),
    Ignored,
    Unsatisfiable,
}

fn parse_range(value: &str, size: u64) -> RangeRequest {
    match value.trim().strip_prefix("bytes=") {
        Some(several) if several.contains(',') => RangeRequest::Ignored,
        Some(one) => parse_specification(one, size),
        None => RangeRequest::Ignored,
    }
}

fn parse_specification(specification: &str, size: u64) -> RangeRequest {
    let Some((first, last)) = specification.trim().split_once('-') else {
        return RangeRequest::Ignored;
    };
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let range = match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(length) => ByteRange { start: size.saturating_sub(length), end: size },
            None => return RangeRequest::Ignored,
        },
        (first, "") => match number(first) {
            Some(start) => ByteRange { start, end: size },
            None => return RangeRequest::Ignored,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), Some(last)) if start <= last => {
                ByteRange { start, end: last.saturating_add(1).min(size) }
            }
            // No byte is in it. Clients that test for ranges expect to be told so.
            (Some(_), Some(_)) => return RangeRequest::Unsatisfiable,
            _ => return RangeRequest::Ignored,
        },
    };
    if range.start >= range.end { RangeRequest::Unsatisfiable } else { RangeRequest::One(range) }
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<Timestamp> {
    Timestamp::from_http_date(text(headers, name)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ETAG: &str = "\"sha256:aa\"";
    const MODIFIED: Timestamp = Timestamp::from_seconds(1_000_000);

    fn selected(pairs: &[(HeaderName, &str)]) -> Result<Selection, ErrorKind> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(name, value.parse().unwrap());
        }
        let validators = Validators { etag: Some(ETAG), modified: Some(MODIFIED), size: Some(100) };
        select(&headers, validators).map_err(|error| error.kind())
    }

    fn part(start: u64, end: u64) -> Selection {
        Selection::Part(ByteRange { start, end })
    }

    #[test]
    fn ranges_select_parts() {
        let outside = Err(ErrorKind::RangeNotSatisfiable { size: 100 });
        for (value, expected) in [
            ("bytes=0-9", Ok(part(0, 10))),
            ("bytes=90-", Ok(part(90, 100))),
            ("bytes=-10", Ok(part(90, 100))),
            ("bytes=-1000", Ok(part(0, 100))),
            ("bytes=50-1000", Ok(part(50, 100))),
            ("bytes=100-", outside),
            ("bytes=-0", outside),
            ("bytes=0-1,5-6", Ok(Selection::Whole)),
            ("bytes=9-1", outside),
            ("bytes=x-", Ok(Selection::Whole)),
            ("pages=1-2", Ok(Selection::Whole)),
        ] {
            assert_eq!(selected(&[(RANGE, value)]), expected, "{value}");
        }
    }

    #[test]
    fn several_ranges_are_parts_unless_everything_is_less() {
        let several = |value: &str| {
            let headers = HeaderMap::from_iter([(RANGE, value.parse().unwrap())]);
            let validators = Validators { etag: Some(ETAG), modified: None, size: Some(100) };
            select_several(&headers, validators).map_err(|error| error.kind())
        };
        let range = |start, end| ByteRange { start, end };
        let outside = Err(ErrorKind::RangeNotSatisfiable { size: 100 });
        let many = format!("bytes={}", vec!["0-0"; SEVERAL + 1].join(","));
        for (value, expected) in [
            ("bytes=0-9, 20-29", Ok(Some(vec![range(0, 10), range(20, 30)]))),
            ("bytes=90-,0-0", Ok(Some(vec![range(90, 100), range(0, 1)]))),
            ("bytes=0-0,200-", Ok(Some(vec![range(0, 1)]))),
            ("bytes=200-,300-400", outside),
            ("bytes=0-9", Ok(None)),
            ("bytes=0-9,x", Ok(None)),
            ("bytes=0-99,50-60", Ok(None)),
            (many.as_str(), Ok(None)),
        ] {
            assert_eq!(several(value), expected, "{value}");
        }
    }

    #[test]
    fn conditions_come_before_the_range() {
        let late = MODIFIED.plus(std::time::Duration::from_secs(60)).to_http_date();
        let early = Timestamp::from_seconds(999_000).to_http_date();
        for (pairs, expected) in [
            (vec![(IF_NONE_MATCH, ETAG)], Ok(Selection::NotModified)),
            (vec![(IF_NONE_MATCH, "\"x\", W/\"sha256:aa\"")], Ok(Selection::NotModified)),
            (vec![(IF_NONE_MATCH, "*"), (RANGE, "bytes=0-1")], Ok(Selection::NotModified)),
            (vec![(IF_NONE_MATCH, "\"x\""), (IF_MODIFIED_SINCE, &late)], Ok(Selection::Whole)),
            (vec![(IF_MODIFIED_SINCE, &late)], Ok(Selection::NotModified)),
            (vec![(IF_MODIFIED_SINCE, &early)], Ok(Selection::Whole)),
            (vec![(IF_MATCH, "\"x\"")], Err(ErrorKind::PreconditionFailed)),
            (vec![(IF_MATCH, ETAG)], Ok(Selection::Whole)),
            (vec![(IF_UNMODIFIED_SINCE, &early)], Err(ErrorKind::PreconditionFailed)),
            (vec![(IF_RANGE, "\"x\""), (RANGE, "bytes=0-1")], Ok(Selection::Whole)),
            (vec![(IF_RANGE, ETAG), (RANGE, "bytes=0-1")], Ok(part(0, 2))),
            (vec![(IF_RANGE, &early), (RANGE, "bytes=0-1")], Ok(Selection::Whole)),
        ] {
            assert_eq!(selected(&pairs), expected, "{pairs:?}");
        }
    }

    #[test]
    fn without_a_size_a_range_is_ignored() {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, "bytes=0-1".parse().unwrap());
        let validators = Validators { etag: None, modified: None, size: None };
        assert_eq!(select(&headers, validators).unwrap(), Selection::Whole);
    }
}
