//! Manifests: what they name, and when they may not be published.
//!
//! Invariant: a manifest is only read. Its bytes are its identity, so nothing here writes one.

mod confusion;
mod descriptor;
mod manifest_type;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

pub use self::descriptor::Descriptor;
pub use self::manifest_type::ManifestType;

use crate::{ErrorCode, Refusal};

/// What a manifest says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Manifest {
    /// Its media type.
    pub manifest_type: ManifestType,
    /// What kind of artifact it is, if it says so.
    pub artifact_type: Option<String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The manifest that it says something of, which need not exist.
    pub subject: Option<Descriptor>,
    /// The blobs that it names, each once: at first those that have to be here, then those that clients fetch
    /// [from elsewhere](Descriptor::is_elsewhere).
    pub blobs: Vec<Descriptor>,
    /// The manifests of which it is the index, each once. Caches of builds list blobs here.
    pub children: Vec<Descriptor>,
}

/// A manifest of any type, as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    blobs: Option<Vec<Descriptor>>,
    fs_layers: Option<IgnoredAny>,
    subject: Option<Descriptor>,
    annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// The largest manifest in bytes: what clients read.
    pub const MAX_SIZE: u64 = 4 << 20;
    /// The most files and manifests that one may name.
    pub const MAX_DESCRIPTORS: usize = 10_000;

    /// Reads a manifest that is sent as `content_type`, which has no parameters.
    pub fn read(content_type: Option<&str>, body: &[u8]) -> Result<Self, Refusal> {
        if u64::try_from(body.len()).unwrap_or(u64::MAX) > Self::MAX_SIZE {
            return Err(too_large());
        }
        let text = std::str::from_utf8(body).map_err(|_| invalid("it is not valid UTF-8"))?;
        confusion::check(text)?;
        let document: Document = serde_json::from_str(text).map_err(|error| invalid(&error))?;
        let manifest_type = document.manifest_type(content_type)?;
        document.check_form(manifest_type)?;
        document.into_manifest(manifest_type)
    }
}

impl Document {
    /// The type that the header and the document agree on.
    fn manifest_type(&self, content_type: Option<&str>) -> Result<ManifestType, Refusal> {
        let written = self.media_type.as_deref().filter(|media_type| !media_type.is_empty());
        if let (Some(sent), Some(written)) = (content_type, written)
            && !sent.eq_ignore_ascii_case(written)
        {
            return Err(invalid("its mediaType differs from the content type of the request"));
        }
        let name = written.or(content_type).ok_or_else(|| {
            invalid("neither its mediaType nor the content type of the request says what it is")
        })?;
        ManifestType::parse(name)
            .ok_or_else(|| invalid(&format!("the type {name:.128} is not supported")))
    }

    /// Refuses what different clients would read differently.
    fn check_form(&self, manifest_type: ManifestType) -> Result<(), Refusal> {
        let is_version_known = match self.schema_version {
            Some(version) => version == 2,
            None => manifest_type == ManifestType::OciArtifact,
        };
        if !is_version_known {
            return Err(invalid("its schemaVersion is not 2"));
        }
        if self.fs_layers.is_some() {
            return Err(invalid("it has fsLayers, as manifests of schema 1 have"));
        }
        let has_files = self.config.is_some() || self.layers.is_some();
        match manifest_type {
            ManifestType::OciManifest | ManifestType::DockerManifest => {
                if self.config.is_none() || self.manifests.is_some() {
                    return Err(invalid("an image has a config and no manifests"));
                }
            }
            ManifestType::OciIndex | ManifestType::DockerManifestList => {
                if has_files {
                    return Err(invalid("an index has neither a config nor layers"));
                }
            }
            ManifestType::OciArtifact => {
                if has_files || self.manifests.is_some() {
                    return Err(invalid("an artifact has blobs, neither layers nor manifests"));
                }
            }
        }
        Ok(())
    }

    fn into_manifest(self, manifest_type: ManifestType) -> Result<Manifest, Refusal> {
        let config_type = self.config.as_ref().map(|config| config.media_type.clone());
        let artifact_type = [self.artifact_type, config_type].into_iter().flatten();
        let artifact_type = artifact_type.into_iter().find(|name| !name.is_empty());
        // Only the field of the type counts: what is called `blobs` in an image is an extension of somebody's.
        let files = match manifest_type {
            ManifestType::OciArtifact => self.blobs,
            _ => self.layers,
        };
        let files = self.config.into_iter().chain(files.into_iter().flatten());
        let (mut blobs, children) = (files.collect::<Vec<_>>(), self.manifests.unwrap_or_default());
        // What has to be here once has to be here.
        blobs.sort_by_key(Descriptor::is_elsewhere);
        if blobs.len() + children.len() > Manifest::MAX_DESCRIPTORS {
            return Err(invalid("it names more than 10000 files"));
        }
        for descriptor in &blobs {
            descriptor.check_urls()?;
        }
        Ok(Manifest {
            manifest_type,
            artifact_type,
            annotations: self.annotations.unwrap_or_default(),
            subject: self.subject,
            blobs: descriptor::each_once(blobs)?,
            children: descriptor::each_once(children)?,
        })
    }
}

fn invalid(reason: &(impl std::fmt::Display + ?Sized)) -> Refusal {
    Refusal::new(ErrorCode::ManifestInvalid, format!("the manifest cannot be published: {reason}"))
}

fn too_large() -> Refusal {
    Refusal {
        status: http::StatusCode::PAYLOAD_TOO_LARGE,
        ..Refusal::new(ErrorCode::ManifestInvalid, "the manifest is larger than 4 MiB")
    }
}
