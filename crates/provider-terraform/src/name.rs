//! What the addresses of providers and modules are made of, and the canonical paths of
//! everything that belongs to them.

use artifact_core::RepoPath;
use semver::Version;

/// A provider: `namespace/type`, in lower case.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ProviderName {
    namespace: String,
    kind: String,
}

impl ProviderName {
    /// Reads the two parts in any case: the clients compare without it.
    pub(crate) fn parse(namespace: &str, kind: &str) -> Option<Self> {
        let (namespace, kind) = (namespace.to_ascii_lowercase(), kind.to_ascii_lowercase());
        (is_label(&namespace) && is_label(&kind)).then_some(Self { namespace, kind })
    }

    /// The provider that the document at `path` is about.
    pub(crate) fn of_path(path: &RepoPath) -> Option<Self> {
        let mut segments = path.segments().skip(2);
        Self::parse(segments.next()?, segments.next()?)
    }

    /// `namespace/type`.
    pub(crate) fn full(&self) -> String {
        format!("{}/{}", self.namespace, self.kind)
    }

    /// The type alone, which file names begin with.
    pub(crate) fn kind(&self) -> &str {
        &self.kind
    }

    pub(crate) fn versions_path(&self) -> String {
        format!("v1/providers/{}/{}/versions", self.namespace, self.kind)
    }

    pub(crate) fn release(&self, version: &str) -> Option<Release> {
        Version::parse(version).ok()?;
        Some(Release { provider: self.clone(), version: version.to_owned() })
    }
}

/// One version of a provider.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Release {
    pub(crate) provider: ProviderName,
    pub(crate) version: String,
}

impl Release {
    /// The release that the document at `path` is about.
    pub(crate) fn of_path(path: &RepoPath) -> Option<Self> {
        ProviderName::of_path(path)?.release(path.segments().nth(4)?)
    }

    /// The document that lists its packages for all platforms.
    pub(crate) fn archives_path(&self) -> String {
        self.path("archives")
    }

    pub(crate) fn package(&self, platform: Platform) -> Package {
        Package { release: self.clone(), platform }
    }

    /// The platform whose package is called `filename`. Versions may contain every separator but
    /// the underscore, so the name is read from its end.
    pub(crate) fn platform_of(&self, filename: &str) -> Option<Platform> {
        let stem = filename.strip_prefix("terraform-provider-")?.strip_suffix(".zip")?;
        let (stem, arch) = stem.rsplit_once('_')?;
        let (stem, os) = stem.rsplit_once('_')?;
        let (kind, version) = stem.rsplit_once('_')?;
        let is_ours = kind == self.provider.kind && version == self.version;
        Platform::parse(os, arch).filter(|_| is_ours)
    }

    fn path(&self, rest: &str) -> String {
        let ProviderName { namespace, kind } = &self.provider;
        format!("v1/providers/{namespace}/{kind}/{}/{rest}", self.version)
    }
}

/// The package of one platform of a release.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Package {
    pub(crate) release: Release,
    pub(crate) platform: Platform,
}

impl Package {
    /// The package that the document at `path` is about: the platform is in its last two segments,
    /// or followed by what tells files of the package apart.
    pub(crate) fn of_path(path: &RepoPath) -> Option<Self> {
        let mut segments = path.segments().skip(6);
        let platform = Platform::parse(segments.next()?, segments.next()?)?;
        Some(Release::of_path(path)?.package(platform))
    }

    /// The document that says where the package is.
    pub(crate) fn download_path(&self) -> String {
        self.path("download")
    }

    pub(crate) fn zip_path(&self, filename: &str) -> String {
        format!("{}/{filename}", self.path("package"))
    }

    /// The checksums that a package with this digest was published with.
    pub(crate) fn sums_path(&self, shasum: &str, filename: &str) -> String {
        format!("{}/{shasum}/{filename}", self.path("sums"))
    }

    /// The signature of the checksums that a package with this digest was published with.
    pub(crate) fn signature_path(&self, shasum: &str, filename: &str) -> String {
        format!("{}/{shasum}/{filename}", self.path("signature"))
    }

    /// What publishers call the zip.
    pub(crate) fn usual_zip(&self) -> String {
        let Platform { os, arch } = &self.platform;
        let kind = self.release.provider.kind();
        format!("terraform-provider-{kind}_{}_{os}_{arch}.zip", self.release.version)
    }

    /// Whether a policy admits both what describes the zip and the zip itself.
    pub(crate) fn is_admitted(&self, filename: &str, admits: &dyn Fn(&str) -> bool) -> bool {
        admits(&self.download_path()) && admits(&self.zip_path(filename))
    }

    fn path(&self, what: &str) -> String {
        let Platform { os, arch } = &self.platform;
        self.release.path(&format!("{what}/{os}/{arch}"))
    }
}

/// What a package runs on.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Platform {
    pub(crate) os: String,
    pub(crate) arch: String,
}

impl Platform {
    pub(crate) fn parse(os: &str, arch: &str) -> Option<Self> {
        let is_word = |text: &str| {
            (1..=32).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        (is_word(os) && is_word(arch)).then(|| Self { os: os.to_owned(), arch: arch.to_owned() })
    }

    /// The platform that is assumed of a version which lists none.
    pub(crate) fn usual() -> Self {
        Self { os: "linux".to_owned(), arch: "amd64".to_owned() }
    }
}

/// A module: `namespace/name/system`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ModuleName {
    namespace: String,
    name: String,
    system: String,
}

impl ModuleName {
    pub(crate) fn parse(namespace: &str, name: &str, system: &str) -> Option<Self> {
        let is_valid = is_module_part(namespace) && is_module_part(name) && is_module_part(system);
        is_valid.then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            system: system.to_owned(),
        })
    }

    /// The module that the document at `path` is about.
    pub(crate) fn of_path(path: &RepoPath) -> Option<Self> {
        let mut segments = path.segments().skip(2);
        Self::parse(segments.next()?, segments.next()?, segments.next()?)
    }

    /// `namespace/name/system`.
    pub(crate) fn full(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.name, self.system)
    }

    pub(crate) fn versions_path(&self) -> String {
        format!("v1/modules/{}/versions", self.full())
    }

    pub(crate) fn release(&self, version: &str) -> Option<ModuleRelease> {
        is_module_version(version)
            .then(|| ModuleRelease { module: self.clone(), version: version.to_owned() })
    }
}

/// One version of a module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct ModuleRelease {
    pub(crate) module: ModuleName,
    version: String,
}

impl ModuleRelease {
    /// The release that the document at `path` is about.
    pub(crate) fn of_path(path: &RepoPath) -> Option<Self> {
        ModuleName::of_path(path)?.release(path.segments().nth(5)?)
    }

    /// The document that says where the module is.
    pub(crate) fn download_path(&self) -> String {
        format!("v1/modules/{}/{}/download", self.module.full(), self.version)
    }

    pub(crate) fn archive_path(&self, filename: &str) -> String {
        format!("v1/modules/{}/{}/archive/{filename}", self.module.full(), self.version)
    }
}

/// Whether `text` can be one segment of a path of ours.
pub(crate) fn is_file_name(text: &str) -> bool {
    !text.is_empty() && !text.contains('/') && RepoPath::from_decoded(text).is_ok()
}

/// Letters, digits and single dashes between them.
fn is_label(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

fn is_module_part(text: &str) -> bool {
    let is_edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && is_edge(text.bytes().next())
        && is_edge(text.bytes().next_back())
}

fn is_module_version(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(kind: &str, version: &str) -> Release {
        ProviderName::parse("acme", kind).unwrap().release(version).unwrap()
    }

    #[test]
    fn a_provider_is_two_labels_in_any_case() {
        let name = ProviderName::parse("DataDog", "datadog").unwrap();
        assert_eq!(name.full(), "datadog/datadog");
        for bad in ["", "-", "a_b", "a.b", "a--b", "-a", "a-", "\u{e4}", "a b", &"a".repeat(64)] {
            assert_eq!(ProviderName::parse("acme", bad), None, "{bad}");
            assert_eq!(ProviderName::parse(bad, "demo"), None, "{bad}");
        }
    }

    #[test]
    fn versions_follow_the_strict_grammar() {
        let name = ProviderName::parse("acme", "demo").unwrap();
        for good in ["1.2.3", "0.0.0-rc.1+build.5", "10.20.30-a-b"] {
            assert!(name.release(good).is_some(), "{good}");
        }
        for bad in ["", "v1.2.3", "1.2", "1.2.3.4", "01.2.3", "1.2.3-", "1.2.x", "../1.0.0"] {
            assert!(name.release(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_platform_of_a_file_is_read_from_its_end() {
        let table = [
            ("demo", "1.2.3", "terraform-provider-demo_1.2.3_linux_amd64.zip", true),
            (
                "my-demo",
                "1.2.3-rc.1+x",
                "terraform-provider-my-demo_1.2.3-rc.1+x_linux_amd64.zip",
                true,
            ),
            ("demo", "1.2.3", "terraform-provider-other_1.2.3_linux_amd64.zip", false),
            ("demo", "1.2.3", "terraform-provider-demo_1.2.4_linux_amd64.zip", false),
            ("demo", "1.2.3", "terraform-provider-demo_1.2.3_linux.zip", false),
            ("demo", "1.2.3", "terraform-provider-demo_1.2.3_manifest.json", false),
            ("demo", "1.2.3", "terraform-provider-demo_1.2.3_li/nux_amd64.zip", false),
        ];
        for (kind, version, filename, found) in table {
            let platform = release(kind, version).platform_of(filename);
            assert_eq!(platform, found.then(Platform::usual), "{filename}");
        }
    }

    #[test]
    fn module_names_keep_their_case() {
        let name = ModuleName::parse("Acme-1", "net_work", "aws").unwrap();
        assert_eq!(name.full(), "Acme-1/net_work/aws");
        for bad in ["", "-a", "a-", "_", "a.b", "a/b", "a b"] {
            assert_eq!(ModuleName::parse(bad, "n", "s"), None, "{bad}");
        }
    }
}
