//! The names that npm clients put into paths: packages, and versions or tags.

use std::fmt;

/// The name of a package: `name` or `@scope/name`, case-sensitive, URL-safe as it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PackageName<'a>(&'a str);

impl<'a> PackageName<'a> {
    const MAX_LENGTH: usize = 214;

    /// Reads a decoded name. Capitals pass, because old packages have them.
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        if name.len() > Self::MAX_LENGTH {
            return None;
        }
        let is_valid = match name.strip_prefix('@').map(|scoped| scoped.split_once('/')) {
            Some(Some((scope, bare))) => is_part(scope) && is_part(bare),
            Some(None) => false,
            None => is_part(name),
        };
        is_valid.then_some(Self(name))
    }

    /// The whole name.
    pub(crate) fn as_str(self) -> &'a str {
        self.0
    }

    /// The scope with its `@`, if there is one.
    pub(crate) fn scope(self) -> Option<&'a str> {
        self.0.split_once('/').map(|(scope, _)| scope)
    }

    /// The name without its scope.
    pub(crate) fn bare(self) -> &'a str {
        self.0.split_once('/').map_or(self.0, |(_, bare)| bare)
    }

    /// The name as one path segment, which private registries insist on.
    pub(crate) fn to_segment(self) -> String {
        self.0.replace('/', "%2f")
    }

    /// The canonical path of the tarball called `file`.
    pub(crate) fn tarball_path(self, file: &str) -> String {
        format!("{self}/-/{file}")
    }

    /// The standard file name of a version: the only one that pnpm leaves out of lock files.
    pub(crate) fn standard_file(self, version: &str) -> String {
        format!("{}-{version}.tgz", self.bare())
    }
}

impl fmt::Display for PackageName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A scope without its `@`, or a name without its scope. A leading dash is refused because
/// `-` opens the registry's own paths.
fn is_part(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with(['.', '_', '-'])
        && !matches!(part, "node_modules" | "favicon.ico")
        && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!'()*".contains(&byte))
}

/// Whether `label` can be a version or a tag: short, and plain enough for a path and a key.
pub(crate) fn is_label(label: &str) -> bool {
    (1..=128).contains(&label.len())
        && !label.starts_with(['.', '_', '-'])
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+^".contains(&byte))
}

/// Whether `file` can be the file name of a tarball: one plain path segment ending in `.tgz`.
pub(crate) fn is_tarball_file(file: &str) -> bool {
    let Some(stem) = file.strip_suffix(".tgz") else { return false };
    !stem.is_empty()
        && file.len() <= 255
        && !file.starts_with(['.', '-'])
        && stem.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!'()*+^".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_the_registry_rules() {
        for good in ["npm", "left-pad", "JSONStream", "@s/n", "@Scope/a.b_c~", "1", "a!b'(c)*"] {
            assert!(PackageName::parse(good).is_some(), "{good}");
        }
        let long = "a".repeat(215);
        for bad in [
            "",
            ".a",
            "_a",
            "-",
            "-a",
            "@s",
            "@/n",
            "@s/",
            "@s/.n",
            "@_s/n",
            "@s/n/m",
            "a/b",
            "a b",
            "ä",
            "a%2fb",
            "a@1",
            "favicon.ico",
            "node_modules",
            &long,
        ] {
            assert!(PackageName::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_scope_never_enters_the_standard_file_name() {
        let scoped = PackageName::parse("@s/n").unwrap();
        assert_eq!(scoped.tarball_path(&scoped.standard_file("1.0.0")), "@s/n/-/n-1.0.0.tgz");
        assert_eq!(scoped.to_segment(), "@s%2fn");
        assert_eq!((scoped.scope(), scoped.bare()), (Some("@s"), "n"));
    }

    #[test]
    fn labels_and_files_are_plain() {
        for good in ["1.0.0", "1.0.0-beta.1+x86", "latest", "next-13"] {
            assert!(is_label(good), "{good}");
        }
        for bad in ["", "-rev", ".", "..", "a/b", "a b", "1.0.0?", "ä", &"1".repeat(129)] {
            assert!(!is_label(bad), "{bad}");
        }
        assert!(is_tarball_file("n-1.0.0+b.tgz"));
        for bad in ["", ".tgz", "n.zip", "a/b.tgz", "..tgz", "%2e.tgz", "n 1.tgz"] {
            assert!(!is_tarball_file(bad), "{bad}");
        }
    }
}
