//! The names of modules and releases, as a forge writes them into paths.

/// Longer ones would not fit into a file name with its ending.
const MAX_LENGTH: usize = 200;
const ENDING: &str = ".tar.gz";

/// A module: `{owner}-{name}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ModuleSlug<'a>(&'a str);

impl<'a> ModuleSlug<'a> {
    /// Reads `{owner}-{name}` or `{owner}/{name}`, which people write too.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (owner, name) = text.split_once(['-', '/'])?;
        let is_slug = text.len() <= MAX_LENGTH && is_owner(owner) && is_name(name);
        is_slug.then_some(Self(text))
    }

    /// The name by which it is owned in a virtual repository: one for every spelling.
    pub(crate) fn package(self) -> String {
        self.0.replace('/', "-").to_ascii_lowercase()
    }

    /// The canonical path of its document.
    pub(crate) fn path(self) -> String {
        format!("v3/modules/{}", self.0.replace('/', "-"))
    }
}

/// A release: `{owner}-{name}-{version}`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct ReleaseSlug<'a> {
    text: &'a str,
    module: ModuleSlug<'a>,
}

impl<'a> ReleaseSlug<'a> {
    /// Reads a release; `None` for what cannot be one.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (owner, rest) = text.split_once('-')?;
        let (name, version) = rest.split_once('-')?;
        let module = text.get(..owner.len() + 1 + name.len())?;
        let is_slug = text.len() <= MAX_LENGTH && is_version(version);
        let module = ModuleSlug::parse(module).filter(|_| is_slug)?;
        Some(Self { text, module })
    }

    /// The release whose file is called `name`.
    pub(crate) fn of_file(name: &'a str) -> Option<Self> {
        Self::parse(name.strip_suffix(ENDING)?)
    }

    /// What it is a release of.
    pub(crate) fn module(self) -> ModuleSlug<'a> {
        self.module
    }

    /// The canonical path of its document.
    pub(crate) fn path(self) -> String {
        format!("v3/releases/{}", self.text)
    }

    /// The canonical path of its file.
    pub(crate) fn file_path(self) -> String {
        format!("v3/files/{}{ENDING}", self.text)
    }
}

fn is_owner(owner: &str) -> bool {
    !owner.is_empty() && owner.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Looser than semantic versioning, so that old forges are served too.
fn is_version(version: &str) -> bool {
    version.starts_with(|first: char| first.is_ascii_digit())
        && !version.contains("..")
        && version
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'+' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_names_its_module_and_its_file() {
        for (text, module) in [
            ("puppetlabs-stdlib-9.6.0", "puppetlabs-stdlib"),
            ("acme-my_mod-1.0.0-rc1", "acme-my_mod"),
            ("a1-B-0.0.1-rc.1-x+b", "a1-b"),
        ] {
            let release = ReleaseSlug::parse(text).unwrap();
            assert_eq!(release.module().package(), module);
            let path = release.file_path();
            assert_eq!(path, format!("v3/files/{text}.tar.gz"));
            assert_eq!(
                ReleaseSlug::of_file(path.strip_prefix("v3/files/").unwrap()),
                Some(release)
            );
        }
    }

    #[test]
    fn what_is_no_slug_is_refused() {
        for text in [
            "",
            "-",
            "a",
            "a-",
            "-a",
            "a-1b",
            "a_b-c",
            "a-b-c",
            "a-b-",
            "a-b-v1",
            "a-b-1/..",
            "a-b-1..2",
            "ä-b-1.0.0",
            "a-b-1.0.0 ",
            "a-b-1%2f",
        ] {
            assert_eq!(ReleaseSlug::parse(text), None, "{text}");
        }
        assert_eq!(ReleaseSlug::parse(&format!("a-b-1.{}", "0".repeat(200))), None);
        assert!(ReleaseSlug::of_file("a-b-1.0.0.zip").is_none());
        for text in ["a", "a-b-c", "a/b/c", "a-", "/b", "a-1"] {
            assert_eq!(ModuleSlug::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_spelling_of_a_module_is_one_package() {
        for text in ["Acme-my_mod", "acme/my_mod", "acme-my_mod"] {
            assert_eq!(ModuleSlug::parse(text).unwrap().package(), "acme-my_mod");
        }
        assert_eq!(ModuleSlug::parse("acme/my_mod").unwrap().path(), "v3/modules/acme-my_mod");
    }
}
