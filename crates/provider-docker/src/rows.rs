//! Under which paths an image's files are kept: `{image}/_blobs/{digest}`, `{image}/_manifests/{digest}` and
//! `{image}/_tags/{tag}`. No component of an image's name begins with an underscore, so nothing collides.

use artifact_core::{Digest, Reject, RepoPath};
use registry_v2::{ErrorCode, Reference, Tag, parse_digest};

/// What a row holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Kept {
    /// A blob.
    Blob(Digest),
    /// A manifest by its digest.
    Manifest(Digest),
    /// A manifest by its tag.
    Tag,
}

pub(crate) fn blob(image: &str, digest: &Digest) -> Result<RepoPath, Reject> {
    path(&format!("{image}/_blobs/{digest}"))
}

pub(crate) fn manifest(image: &str, digest: &Digest) -> Result<RepoPath, Reject> {
    path(&format!("{}{digest}", manifests(image)))
}

pub(crate) fn tag(image: &str, tag: &Tag) -> Result<RepoPath, Reject> {
    path(&format!("{}{tag}", tags(image)))
}

pub(crate) fn manifest_by(image: &str, reference: &Reference) -> Result<RepoPath, Reject> {
    match reference {
        Reference::Tag(name) => tag(image, name),
        Reference::Digest(digest) => manifest(image, digest),
    }
}

/// How the paths of all manifests of an image begin.
pub(crate) fn manifests(image: &str) -> String {
    format!("{image}/_manifests/")
}

/// How the paths of all tags of an image begin.
pub(crate) fn tags(image: &str) -> String {
    format!("{image}/_tags/")
}

/// How the paths of all rows of an image begin, and of no other image.
pub(crate) fn all(image: &str) -> String {
    format!("{image}/_")
}

/// The path of a document of an image that is not one of its files.
pub(crate) fn document(image: &str, name: &str) -> Result<RepoPath, Reject> {
    path(&format!("{image}/_{name}"))
}

/// What the row under `path` holds; `None` for what is no file of an image.
pub(crate) fn kept(path: &RepoPath) -> Option<Kept> {
    let mut segments = path.segments().rev();
    let (last, kind) = (segments.next()?, segments.next()?);
    match kind {
        "_blobs" => parse_digest(last).ok().map(Kept::Blob),
        "_manifests" => parse_digest(last).ok().map(Kept::Manifest),
        "_tags" => Some(Kept::Tag),
        _ => None,
    }
}

fn path(text: &str) -> Result<RepoPath, Reject> {
    RepoPath::from_decoded(text).map_err(|error| {
        Reject::bad_request(error.to_string()).with_code(ErrorCode::NameInvalid.name())
    })
}

#[cfg(test)]
mod tests {
    use registry_v2::ImageName;

    use super::*;

    #[test]
    fn a_path_tells_what_is_kept_there() {
        let digest = parse_digest(&format!("sha512:{}", "0a".repeat(64))).unwrap();
        let latest: Tag = "latest".parse().unwrap();
        let kept_at = |path: Result<RepoPath, Reject>| kept(&path.unwrap());
        assert_eq!(kept_at(blob("a/b", &digest)), Some(Kept::Blob(digest.clone())));
        assert_eq!(kept_at(manifest("a", &digest)), Some(Kept::Manifest(digest.clone())));
        assert_eq!(kept_at(tag("a", &latest)), Some(Kept::Tag));
        assert_eq!(kept_at(document("a", "list")), None);
        assert_eq!(kept(&RepoPath::root()), None);
    }

    #[test]
    fn the_longest_names_have_paths() {
        let digest = parse_digest(&format!("sha512:{}", "0a".repeat(64))).unwrap();
        let components = vec!["abc"; ImageName::MAX_COMPONENTS].join("/");
        for image in ["a".repeat(ImageName::MAX_LENGTH), components] {
            assert!(image.parse::<ImageName>().is_ok(), "{image}");
            assert!(blob(&image, &digest).is_ok(), "{image}");
            assert!(document(&image, &format!("referrers/{digest}")).is_ok(), "{image}");
        }
    }

    #[test]
    fn the_rows_of_an_image_are_no_other_images() {
        let latest: Tag = "latest".parse().unwrap();
        for other in ["ab", "a/b", "b/a"] {
            let path = tag(other, &latest).unwrap();
            assert!(!path.as_str().starts_with(&all("a")), "{other}");
        }
    }
}
