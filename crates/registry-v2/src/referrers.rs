//! What refers to a manifest.

use std::collections::{BTreeMap, HashSet};

use artifact_core::Digest;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{ErrorCode, Manifest, ManifestType, Refusal};

/// How a manifest is listed among those that refer to another one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Referrer<'a> {
    media_type: &'static str,
    size: u64,
    digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl<'a> Referrer<'a> {
    /// How `manifest` is listed, whose bytes have `digest` and `size`.
    pub fn new(manifest: &'a Manifest, digest: &Digest, size: u64) -> Self {
        Self {
            media_type: manifest.manifest_type.name(),
            size,
            digest: digest.to_string(),
            artifact_type: manifest.artifact_type.as_deref(),
            annotations: &manifest.annotations,
        }
    }

    /// The descriptor as JSON.
    pub fn to_json(&self) -> String {
        // Texts and numbers can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// An index of what refers to a manifest, as it is answered: a page of bounded size.
#[derive(Debug)]
pub struct ReferrersIndex {
    manifests: String,
}

impl ReferrersIndex {
    /// The media type, by which some clients recognise the whole feature: they compare it to the letter.
    pub const MEDIA_TYPE: &'static str = ManifestType::OciIndex.name();
    /// Where a page ends, in bytes. Clients read 4 MiB.
    pub const PAGE_SIZE: usize = 3 << 20;

    /// An index of nothing.
    pub const fn new() -> Self {
        Self { manifests: String::new() }
    }

    /// Lists another `descriptor`, if it is of the type that is asked for. `false` if the page is full: the
    /// descriptor belongs on the next one. The first one always finds room.
    pub fn push(&mut self, descriptor: &str, artifact_type: Option<&str>) -> bool {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Typed {
            artifact_type: Option<String>,
        }
        // What is no descriptor would spoil the whole answer, and nobody could use it.
        let Ok(typed) = serde_json::from_str::<Typed>(descriptor) else { return true };
        if artifact_type.is_some() && typed.artifact_type.as_deref() != artifact_type {
            return true;
        }
        let is_first = self.manifests.is_empty();
        if !is_first && self.manifests.len() + descriptor.len() >= Self::PAGE_SIZE {
            return false;
        }
        if !is_first {
            self.manifests.push(',');
        }
        self.manifests.push_str(descriptor);
        true
    }

    /// The body of the answer.
    pub fn into_body(self) -> Bytes {
        index_of(&self.manifests)
    }
}

/// An index of all of `descriptors`, however many.
pub fn referrers_index<'d>(descriptors: impl IntoIterator<Item = &'d str>) -> Bytes {
    index_of(&descriptors.into_iter().collect::<Vec<_>>().join(","))
}

fn index_of(manifests: &str) -> Bytes {
    let media_type = ReferrersIndex::MEDIA_TYPE;
    format!(r#"{{"schemaVersion":2,"mediaType":"{media_type}","manifests":[{manifests}]}}"#).into()
}

impl Default for ReferrersIndex {
    fn default() -> Self {
        Self::new()
    }
}

/// The descriptors of several indexes of other registries, each with its digest: of those with one digest the
/// first. In a body, one index may stand behind another.
pub fn merged_referrers<'b>(
    bodies: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Vec<(String, &'b str)>, Refusal> {
    #[derive(Deserialize)]
    struct Index<'b> {
        #[serde(borrow)]
        manifests: Option<Vec<&'b RawValue>>,
    }
    #[derive(Deserialize)]
    struct Digested {
        digest: String,
    }
    let unreadable = |error: serde_json::Error| {
        Refusal::new(ErrorCode::Unknown, format!("not an index of manifests: {error}"))
    };
    let mut seen = HashSet::new();
    let mut merged = Vec::new();
    for body in bodies {
        let indexes: Vec<Index<'b>> = serde_json::Deserializer::from_slice(body)
            .into_iter()
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        if indexes.is_empty() {
            return Err(Refusal::new(ErrorCode::Unknown, "not an index of manifests: no text"));
        }
        for descriptor in indexes.into_iter().flat_map(|index| index.manifests.unwrap_or_default())
        {
            let text = descriptor.get();
            let digested: Digested = serde_json::from_str(text).map_err(unreadable)?;
            if seen.insert(digested.digest.clone()) {
                merged.push((digested.digest, text));
            }
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = concat!(
        r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","#,
        r#""manifests":[]}"#
    );

    fn descriptor(digest: &str, artifact_type: &str) -> String {
        format!(r#"{{"digest":"{digest}","artifactType":"{artifact_type}"}}"#)
    }

    #[test]
    fn an_index_of_nothing_is_an_index() {
        assert_eq!(ReferrersIndex::new().into_body(), EMPTY);
        assert_eq!(referrers_index([]), EMPTY);
    }

    #[test]
    fn only_what_is_of_the_type_is_listed() {
        let mut index = ReferrersIndex::new();
        for (digest, artifact_type) in [("1", "a"), ("2", "b"), ("3", "a")] {
            assert!(index.push(&descriptor(digest, artifact_type), Some("a")));
        }
        assert!(index.push(r#"{"digest":"4"}"#, Some("a")));
        assert!(index.push("not a descriptor", None));
        let body = String::from_utf8(index.into_body().to_vec()).unwrap();
        let expected = format!("[{},{}]", descriptor("1", "a"), descriptor("3", "a"));
        assert_eq!(body, EMPTY.replace("[]", &expected));
    }

    #[test]
    fn a_page_ends_before_clients_stop_reading_and_is_never_empty() {
        let large = descriptor(&"0".repeat(ReferrersIndex::PAGE_SIZE), "a");
        let mut index = ReferrersIndex::new();
        assert!(index.push(&large, None));
        assert!(!index.push(&descriptor("1", "a"), None));
        let mut index = ReferrersIndex::new();
        let small = descriptor(&"0".repeat(1 << 20), "a");
        let listed = (0..10).take_while(|_| index.push(&small, None)).count();
        assert_eq!(listed, 2);
        assert!(index.into_body().len() < 4 << 20);
    }

    #[test]
    fn indexes_of_other_registries_are_united_by_digest() {
        let first = r#"{"manifests":[{"digest":"1","x": 1},{"digest":"2"}]}"#;
        let second = r#"{"schemaVersion":2,"manifests":[{"digest":"2","y":2},{"digest":"3"}]}"#;
        let merged = merged_referrers([first, second, r#"{"manifests":null}"#].map(str::as_bytes));
        let expected = [
            ("1".to_owned(), r#"{"digest":"1","x": 1}"#),
            ("2".to_owned(), r#"{"digest":"2"}"#),
            ("3".to_owned(), r#"{"digest":"3"}"#),
        ];
        assert_eq!(merged.unwrap(), expected);
        let pages = [first, "\n", second].concat();
        assert_eq!(merged_referrers([pages.as_bytes()]).unwrap(), expected);
        for body in [
            "",
            "[]",
            r#"{"manifests":[1]}"#,
            r#"{"manifests":[{"size":1}]}"#,
            r#"{"manifests":[]}{"#,
        ] {
            assert!(merged_referrers([body.as_bytes()]).is_err(), "{body}");
        }
    }
}
