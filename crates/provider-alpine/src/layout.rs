//! Where things are in a repository: `{repository}/{architecture}/{file}`.

use artifact_core::RepoPath;

/// The file name of an index.
pub(crate) const INDEX: &str = "APKINDEX.tar.gz";
/// How the file names of packages end.
pub(crate) const PACKAGE: &str = ".apk";
/// The architecture of packages that run everywhere.
pub(crate) const ANY: &str = "noarch";

/// The directory of an index.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Directory<'a> {
    /// The whole of it, with a slash at its end unless it is the root.
    whole: &'a str,
    /// Its parent, in the same form.
    parent: &'a str,
    /// Its own name, which is the architecture that clients ask for. Empty at the root.
    pub(crate) architecture: &'a str,
}

impl<'a> Directory<'a> {
    /// The directory of the file at `path`.
    pub(crate) fn of(path: &'a RepoPath) -> Self {
        let path = path.as_str();
        let (whole, _) = path.split_at(path.rfind('/').map_or(0, |slash| slash + 1));
        let inner = whole.trim_end_matches('/');
        let (parent, architecture) = inner.split_at(inner.rfind('/').map_or(0, |slash| slash + 1));
        Self { whole, parent, architecture }
    }

    /// The path of a file in this directory.
    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}{name}", self.whole)
    }

    /// The path of a file in the directory of another architecture beside this one.
    pub(crate) fn beside(&self, architecture: &str, name: &str) -> String {
        format!("{}{architecture}/{name}", self.parent)
    }
}

/// The path of the index that lists the package at `path`. None lists those for every architecture.
pub(crate) fn index_of(path: &RepoPath) -> Option<String> {
    let directory = Directory::of(path);
    (directory.architecture != ANY).then(|| directory.file(INDEX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_named_after_the_architecture() {
        for (path, architecture, file, beside) in [
            (
                "v3.22/main/x86_64/APKINDEX.tar.gz",
                "x86_64",
                "v3.22/main/x86_64/f",
                "v3.22/main/a/f",
            ),
            ("x86_64/APKINDEX.tar.gz", "x86_64", "x86_64/f", "a/f"),
            ("APKINDEX.tar.gz", "", "f", "a/f"),
        ] {
            let path = RepoPath::from_decoded(path).unwrap();
            let directory = Directory::of(&path);
            assert_eq!(directory.architecture, architecture);
            assert_eq!(directory.file("f"), file);
            assert_eq!(directory.beside("a", "f"), beside);
        }
    }

    #[test]
    fn a_package_is_listed_by_the_index_beside_it() {
        let index_of = |path| index_of(&RepoPath::from_decoded(path).unwrap());
        assert_eq!(index_of("v1/main/x86/a-1.apk").as_deref(), Some("v1/main/x86/APKINDEX.tar.gz"));
        assert_eq!(index_of("a-1.apk").as_deref(), Some("APKINDEX.tar.gz"));
        assert_eq!(index_of("v1/main/noarch/a-1.apk"), None);
    }
}
