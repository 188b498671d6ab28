//! Descriptors: how a manifest names a file or another manifest.

use std::collections::HashMap;

use artifact_core::Digest;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::manifest_type::is_nondistributable;
use crate::{ErrorCode, Refusal, parse_digest};

/// How a manifest names a file or another manifest.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type; empty where none is given.
    #[serde(default, deserialize_with = "text_or_null")]
    pub media_type: String,
    /// Its digest.
    #[serde(deserialize_with = "digest")]
    pub digest: Digest,
    /// Its size in bytes, which fits into a signed number.
    #[serde(deserialize_with = "size")]
    pub size: u64,
    /// Where else it may be had.
    #[serde(default, deserialize_with = "texts_or_null")]
    pub urls: Vec<String>,
}

impl Descriptor {
    /// Whether clients fetch it from elsewhere: it is not to be distributed and says where it is.
    pub fn is_elsewhere(&self) -> bool {
        !self.urls.is_empty() && is_nondistributable(&self.media_type)
    }

    /// Refuses to send clients anywhere but to web servers.
    pub(super) fn check_urls(&self) -> Result<(), Refusal> {
        let is_usable = |text: &String| {
            Url::parse(text).is_ok_and(|url| {
                matches!(url.scheme(), "http" | "https") && url.fragment().is_none()
            })
        };
        if !self.is_elsewhere() || self.urls.iter().all(is_usable) {
            return Ok(());
        }
        Err(Refusal::new(
            ErrorCode::ManifestInvalid,
            format!("a URL of the layer {} is not http or https, or has a fragment", self.digest),
        ))
    }
}

/// The descriptors without repetitions, in order. One digest cannot have two sizes.
pub(super) fn each_once(
    descriptors: impl IntoIterator<Item = Descriptor>,
) -> Result<Vec<Descriptor>, Refusal> {
    let mut sizes = HashMap::new();
    let mut unique = Vec::new();
    for descriptor in descriptors {
        match sizes.get(&descriptor.digest) {
            None => {
                sizes.insert(descriptor.digest.clone(), descriptor.size);
                unique.push(descriptor);
            }
            Some(size) if *size == descriptor.size => {}
            Some(_) => {
                let text = format!("the manifest gives two sizes of {}", descriptor.digest);
                return Err(Refusal::new(ErrorCode::SizeInvalid, text));
            }
        }
    }
    Ok(unique)
}

fn text_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn texts_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_digest(&text).map_err(|_| {
        serde::de::Error::custom(format_args!("{text:.160} is not a digest that is supported"))
    })
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = i64::deserialize(deserializer)?;
    u64::try_from(size).map_err(|_| serde::de::Error::custom("a size is negative"))
}
