//! How far an upload got, as a text that any replica reads: the state of the port.
//!
//! `1.{check}.{JSON}`, where the check is the beginning of the JSON's SHA-256. It is trusted
//! after that comparison, and only then: what continues a hasher must be exactly what it wrote.

use std::collections::BTreeMap;

use artifact_core::Algorithm;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ResumableHasher;
use crate::StoreError;

const VERSION: &str = "1";
/// What the port allows.
const LONGEST: usize = 64 * 1024;

/// How far an upload got.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Progress {
    pub(crate) size: u64,
    pub(crate) digests: BTreeMap<Algorithm, String>,
    pub(crate) place: Place,
}

/// Where the bytes are.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Place {
    File,
    Memory,
    Objects(Objects),
}

/// The objects that hold the bytes: first parts, then the rest.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Objects {
    /// Absent while everything fits into the tail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) multipart: Option<Multipart>,
    /// The name of the object that holds what is too short for a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tail: Option<String>,
}

/// An upload in parts.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Multipart {
    /// What the server calls it.
    pub(crate) id: String,
    /// The name of the object that remembers it.
    pub(crate) marker: String,
    /// The tags of its parts, in order, in their short form.
    pub(crate) parts: Vec<String>,
}

impl Progress {
    /// The progress that `state` tells of; `None` for the empty one.
    pub(crate) fn read(state: &str) -> Result<Option<Self>, StoreError> {
        let unusable = |problem| StoreError::StagingState { problem };
        if state.is_empty() {
            return Ok(None);
        }
        if state.len() > LONGEST {
            return Err(unusable("it is too long"));
        }
        let (version, rest) = state.split_once('.').ok_or_else(|| unusable("it is none"))?;
        if version != VERSION {
            return Err(unusable("its version is unknown"));
        }
        let (check, json) = rest.split_once('.').ok_or_else(|| unusable("it is cut off"))?;
        if check != check_of(json) {
            return Err(unusable("it is damaged"));
        }
        let progress = serde_json::from_str(json).map_err(|_| unusable("it is not understood"))?;
        Ok(Some(progress))
    }

    /// The text for the next replica.
    pub(crate) fn written(&self) -> Result<String, StoreError> {
        let unusable = |_| StoreError::StagingState { problem: "it cannot be written down" };
        let json = serde_json::to_string(self).map_err(unusable)?;
        let text = format!("{VERSION}.{}.{json}", check_of(&json));
        if text.len() > LONGEST { Err(StoreError::StagingTooLarge) } else { Ok(text) }
    }

    /// The hasher that goes on from here.
    pub(crate) fn hasher(&self) -> Result<ResumableHasher, StoreError> {
        ResumableHasher::resumed(&self.digests)
    }
}

/// Where the writer of a store that keeps its bytes at `place` begins: at `state`, or anew with `algorithms`.
pub(crate) fn begin(
    state: &str,
    place: &Place,
    algorithms: &[Algorithm],
) -> Result<(u64, ResumableHasher), StoreError> {
    match Progress::read(state)? {
        None => Ok((0, ResumableHasher::new(algorithms))),
        Some(progress) => Ok((progress.at(place)?, progress.hasher()?)),
    }
}

/// How many bytes `state` tells of in a store that keeps them at `place`.
pub(crate) fn size_at(state: &str, place: &Place) -> Result<u64, StoreError> {
    Progress::read(state)?.map_or(Ok(0), |progress| progress.at(place))
}

impl Progress {
    fn at(&self, place: &Place) -> Result<u64, StoreError> {
        if self.place == *place {
            return Ok(self.size);
        }
        Err(StoreError::StagingState { problem: "it is of another kind of store" })
    }
}

fn check_of(json: &str) -> String {
    let digest = Sha256::digest(json);
    let beginning = digest.first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress() -> Progress {
        let mut hasher = ResumableHasher::new(&[Algorithm::Sha512]);
        hasher.update(b"bytes");
        let multipart =
            Multipart { id: "id".into(), marker: "m".into(), parts: vec!["a".into(), "b".into()] };
        let objects = Objects { multipart: Some(multipart), tail: Some("t".into()) };
        Progress { size: 5, digests: hasher.saved(), place: Place::Objects(objects) }
    }

    #[test]
    fn a_text_leads_back_to_the_progress() {
        let text = progress().written().unwrap();
        let read = Progress::read(&text).unwrap().unwrap();
        assert_eq!(read, progress());
        assert!(read.hasher().is_ok());
        assert_eq!(Progress::read("").unwrap(), None);
    }

    #[test]
    fn no_letter_of_a_text_can_be_changed_or_lost() {
        let text = progress().written().unwrap();
        for position in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[position] ^= 1;
            let changed = String::from_utf8(changed).unwrap();
            assert!(Progress::read(&changed).is_err(), "{position}");
            if position > 0 {
                assert!(Progress::read(&text[..position]).is_err(), "{position}");
            }
        }
    }

    #[test]
    fn a_text_with_a_right_check_is_still_read_strictly() {
        let sealed = |json: &str| format!("1.{}.{json}", check_of(json));
        let digests = r#"{"sha256":""}"#;
        let good = format!(r#"{{"size":1,"digests":{digests},"place":"file"}}"#);
        assert!(Progress::read(&sealed(&good)).is_ok());
        let table = [
            format!(r#"{{"size":1,"digests":{digests},"place":"file","more":1}}"#),
            format!(r#"{{"size":-1,"digests":{digests},"place":"file"}}"#),
            format!(r#"{{"size":1,"digests":{digests},"place":"elsewhere"}}"#),
            format!(r#"{{"size":1,"digests":{digests},"place":{{"objects":{{"more":1}}}}}}"#),
            format!(r#"{{"size":1,"digests":{digests}}}"#),
            r#"{"size":1,"digests":{"crc32":""},"place":"file"}"#.to_owned(),
            "{}".to_owned(),
            String::new(),
        ];
        for json in table {
            assert!(Progress::read(&sealed(&json)).is_err(), "{json}");
        }
        assert!(Progress::read(&format!("2.{}.{good}", check_of(&good))).is_err());
    }

    #[test]
    fn a_state_is_of_one_kind_of_store() {
        let of_a_file = Progress { place: Place::File, ..progress() }.written().unwrap();
        assert_eq!(size_at(&of_a_file, &Place::File).unwrap(), 5);
        assert!(size_at(&of_a_file, &Place::Memory).is_err());
        assert!(begin(&of_a_file, &Place::Memory, &[]).is_err());
        assert_eq!(size_at("", &Place::Memory).unwrap(), 0);
    }

    #[test]
    fn a_text_that_is_too_long_is_neither_written_nor_read() {
        let parts = vec!["x".repeat(100); 1000];
        let multipart = Multipart { id: String::new(), marker: String::new(), parts };
        let objects = Objects { multipart: Some(multipart), tail: None };
        let long = Progress { place: Place::Objects(objects), ..progress() };
        assert!(matches!(long.written(), Err(StoreError::StagingTooLarge)));
        assert!(Progress::read(&"x".repeat(LONGEST + 1)).is_err());
    }
}
