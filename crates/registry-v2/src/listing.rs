//! Lists of tags and of images.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::to_json;
use crate::{ErrorCode, Refusal};

/// The list of an image's tags, in the order in which they are given.
pub fn tag_list<'a>(name: &str, tags: impl IntoIterator<Item = &'a str>) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        name: &'a str,
        tags: Vec<&'a str>,
    }
    to_json(&Body { name, tags: tags.into_iter().collect() })
}

/// The list of images, in the order in which they are given.
pub fn catalog<'a>(names: impl IntoIterator<Item = &'a str>) -> Bytes {
    #[derive(Serialize)]
    struct Body<'a> {
        repositories: Vec<&'a str>,
    }
    to_json(&Body { repositories: names.into_iter().collect() })
}

/// A list of tags that another registry sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TagList(Vec<String>);

impl TagList {
    /// Reads a list. Some registries say `null` where there is no tag.
    pub fn read(body: &[u8]) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Body {
            tags: Option<Vec<String>>,
        }
        let body: Body = serde_json::from_slice(body).map_err(|error| {
            Refusal::new(ErrorCode::Unknown, format!("not a list of tags: {error}"))
        })?;
        Ok(Self(body.tags.unwrap_or_default()))
    }

    /// The tags in the order of the list.
    pub fn tags(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_nothing_is_empty_and_never_null() {
        assert_eq!(tag_list("r/a", []), r#"{"name":"r/a","tags":[]}"#);
        assert_eq!(catalog([]), r#"{"repositories":[]}"#);
    }

    #[test]
    fn entries_stay_in_order() {
        assert_eq!(tag_list("r/a", ["B", "a"]), r#"{"name":"r/a","tags":["B","a"]}"#);
        assert_eq!(catalog(["r/b", "r/a"]), r#"{"repositories":["r/b","r/a"]}"#);
    }

    #[test]
    fn lists_of_other_registries_are_read() {
        let read = |text: &str| {
            TagList::read(text.as_bytes())
                .map(|list| list.tags().map(str::to_owned).collect::<Vec<_>>())
        };
        assert_eq!(read(r#"{"name":"a","tags":["b","a"],"x":1}"#).unwrap(), ["b", "a"]);
        assert!(read(r#"{"name":"a","tags":null}"#).unwrap().is_empty());
        assert!(read(r#"{"name":"a"}"#).unwrap().is_empty());
        for text in ["", "[]", "<html>", r#"{"tags":[1]}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
