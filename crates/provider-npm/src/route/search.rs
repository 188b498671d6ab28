//! `/-/v1/search`: the one path whose query selects the content.

use artifact_core::{Class, Origin, Owner, Reject, Shape, Target, Variant};
use url::form_urlencoded::{Serializer, parse};

use super::{JSON, canonical};

const PATH: &str = "-/v1/search";
const MAX_TEXT: usize = 256;

/// Allowed parameters in the order in which they are cached and asked for.
const PARAMETERS: [&str; 6] = ["from", "maintenance", "popularity", "quality", "size", "text"];

/// The search of a raw query. Unknown parameters are dropped, of equal ones the first counts.
pub(super) fn target(query: Option<&str>) -> Result<Target, Reject> {
    let query = canonical_query(query.unwrap_or_default())?;
    let reference = if query.is_empty() { PATH.to_owned() } else { format!("{PATH}?{query}") };
    Ok(Target {
        path: canonical(PATH)?,
        source: Variant::named(query),
        class: Class::Mutable,
        shape: Shape::File,
        origin: Origin::Upstream(reference),
        package: None,
        owner: Owner::First,
        content_type: Some(JSON),
        accept: Some(JSON),
        html_allowed: false,
    })
}

fn canonical_query(query: &str) -> Result<String, Reject> {
    let mut canonical = Serializer::new(String::new());
    for parameter in PARAMETERS {
        let Some((_, value)) = parse(query.as_bytes()).find(|(name, _)| name == parameter) else {
            continue;
        };
        check(parameter, &value)?;
        canonical.append_pair(parameter, &value);
    }
    Ok(canonical.finish())
}

fn check(parameter: &str, value: &str) -> Result<(), Reject> {
    let is_valid = match parameter {
        "text" => value.len() <= MAX_TEXT,
        "from" | "size" => value.len() <= 6 && value.bytes().all(|byte| byte.is_ascii_digit()),
        _ => value.len() <= 8 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'),
    };
    if is_valid {
        return Ok(());
    }
    Err(Reject::bad_request(format!("the search parameter \"{parameter}\" is not valid")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_has_one_spelling() {
        let first = target(Some("text=left%20pad&size=20&from=0&utm=x")).unwrap();
        let second = target(Some("from=0&size=20&text=left+pad&text=other")).unwrap();
        assert_eq!(first, second);
        assert_eq!(
            first.origin,
            Origin::Upstream("-/v1/search?from=0&size=20&text=left+pad".to_owned())
        );
        assert_eq!(target(None).unwrap().origin, Origin::Upstream("-/v1/search".to_owned()));
    }

    #[test]
    fn a_search_is_bounded() {
        for bad in ["size=-1", "from=1e9", "size=1234567", "quality=x"] {
            assert!(target(Some(bad)).is_err(), "{bad}");
        }
        assert!(target(Some("text=&size=")).is_ok());
        assert!(target(Some(&format!("text={}", "a".repeat(257)))).is_err());
    }
}
