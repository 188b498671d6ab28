//! Media types of manifests.

/// A media type of manifests that can be published.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ManifestType {
    /// An image of OCI.
    OciManifest,
    /// An index of OCI.
    OciIndex,
    /// An image of Docker.
    DockerManifest,
    /// An index of Docker.
    DockerManifestList,
    /// An artifact by a draft of OCI that was withdrawn, and that older clients still write.
    OciArtifact,
}

impl ManifestType {
    /// Every type.
    pub const ALL: [Self; 5] = [
        Self::OciManifest,
        Self::OciIndex,
        Self::DockerManifest,
        Self::DockerManifestList,
        Self::OciArtifact,
    ];

    /// The name of the type.
    pub const fn name(self) -> &'static str {
        match self {
            Self::OciManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::OciIndex => "application/vnd.oci.image.index.v1+json",
            Self::DockerManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::DockerManifestList => "application/vnd.docker.distribution.manifest.list.v2+json",
            Self::OciArtifact => "application/vnd.oci.artifact.manifest.v1+json",
        }
    }

    /// The type of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

/// Types of layers that are not to be distributed.
const NONDISTRIBUTABLE: [&str; 4] = [
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

/// Whether layers of this type are not to be distributed.
pub(super) fn is_nondistributable(media_type: &str) -> bool {
    NONDISTRIBUTABLE.contains(&media_type)
}
