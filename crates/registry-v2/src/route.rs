//! Which resource a path names. Read from its end: an image may be called `manifests` or `blobs/uploads`.

use crate::{ImageName, InvalidImageName};

/// A path that names nothing of the API.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum UnknownRoute {
    /// It does not end as any resource does.
    #[error("nothing of the registry's API is under this path")]
    Resource,
    /// What stands before the resource is no name.
    #[error(transparent)]
    Name(#[from] InvalidImageName),
}

/// What a path names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route<'p> {
    /// The list of all images.
    Catalog,
    /// Something of an image.
    Image(ImageName, Resource<'p>),
}

/// What a path names of an image. The texts have yet to be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Resource<'p> {
    /// A blob; its digest.
    Blob(&'p str),
    /// A manifest; its tag or digest.
    Manifest(&'p str),
    /// Where uploads begin.
    Uploads,
    /// An upload; its id.
    Upload(&'p str),
    /// The list of tags.
    Tags,
    /// What refers to a manifest; the digest of that.
    Referrers(&'p str),
}

impl<'p> Route<'p> {
    /// Reads a decoded path behind `/v2/`.
    pub fn parse(path: &'p str) -> Result<Self, UnknownRoute> {
        if path == "_catalog" {
            return Ok(Self::Catalog);
        }
        let (name, resource) = Resource::split(path).ok_or(UnknownRoute::Resource)?;
        Ok(Self::Image(name.parse()?, resource))
    }
}

impl<'p> Resource<'p> {
    /// What stands before the resource in `path`, unread, and the resource.
    pub fn split(path: &'p str) -> Option<(&'p str, Self)> {
        if let Some(name) = path.strip_suffix('/').unwrap_or(path).strip_suffix("/blobs/uploads") {
            return Some((name, Self::Uploads));
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            return Some((name, Self::Tags));
        }
        let (before, last) = path.rsplit_once('/').filter(|(_, last)| !last.is_empty())?;
        let (name, kind) = before.rsplit_once('/')?;
        match kind {
            "manifests" => Some((name, Self::Manifest(last))),
            "blobs" => Some((name, Self::Blob(last))),
            "referrers" => Some((name, Self::Referrers(last))),
            "uploads" => Some((name.strip_suffix("/blobs")?, Self::Upload(last))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_is_read_from_its_end() {
        for (path, name, resource) in [
            ("a/manifests/latest", "a", Resource::Manifest("latest")),
            ("manifests/manifests/latest", "manifests", Resource::Manifest("latest")),
            ("a/b/blobs/sha256:ab", "a/b", Resource::Blob("sha256:ab")),
            ("a/blobs/uploads/", "a", Resource::Uploads),
            ("a/blobs/uploads", "a", Resource::Uploads),
            ("blobs/uploads/blobs/uploads/", "blobs/uploads", Resource::Uploads),
            ("a/blobs/uploads/id", "a", Resource::Upload("id")),
            ("a/blobs/uploads/manifests/v1", "a/blobs/uploads", Resource::Manifest("v1")),
            ("a/blobs/uploads/tags/list", "a/blobs/uploads", Resource::Tags),
            ("a/blobs/uploads/blobs/d", "a/blobs/uploads", Resource::Blob("d")),
            ("tags/tags/list", "tags", Resource::Tags),
            ("tags/list/tags/list", "tags/list", Resource::Tags),
            ("a/manifests/list", "a", Resource::Manifest("list")),
            ("a/manifests/tags", "a", Resource::Manifest("tags")),
            ("referrers/referrers/d", "referrers", Resource::Referrers("d")),
            ("a/manifests/referrers", "a", Resource::Manifest("referrers")),
        ] {
            let expected = Route::Image(name.parse().unwrap(), resource);
            assert_eq!(Route::parse(path), Ok(expected), "{path}");
        }
        assert_eq!(Route::parse("_catalog"), Ok(Route::Catalog));
    }

    #[test]
    fn other_paths_name_nothing() {
        for path in [
            "",
            "/",
            "a",
            "a/b",
            "manifests/latest",
            "a/manifests",
            "a/manifests/",
            "a/manifests/latest/",
            "a/blobs/d/",
            "a/tags/list/",
            "a/tags/other",
            "a/uploads/id",
            "a/_catalog",
            "blobs/uploads/",
            "tags/list",
        ] {
            assert_eq!(Route::parse(path), Err(UnknownRoute::Resource), "{path}");
        }
        for path in ["A/manifests/latest", "/manifests/latest", "a//tags/list", "_x/blobs/d"] {
            assert!(matches!(Route::parse(path), Err(UnknownRoute::Name(_))), "{path}");
        }
    }

    proptest! {
        #[test]
        fn every_name_keeps_its_resources(
            name in "(a|manifests|blobs|uploads|tags|list|referrers)(/(a|manifests|blobs|uploads|tags|list|referrers)){0,4}",
        ) {
            let image: ImageName = name.parse().unwrap();
            for (tail, resource) in [
                ("manifests/latest", Resource::Manifest("latest")),
                ("blobs/sha256:0", Resource::Blob("sha256:0")),
                ("blobs/uploads/", Resource::Uploads),
                ("blobs/uploads/0", Resource::Upload("0")),
                ("tags/list", Resource::Tags),
                ("referrers/sha256:0", Resource::Referrers("sha256:0")),
            ] {
                let path = format!("{name}/{tail}");
                prop_assert_eq!(Route::parse(&path), Ok(Route::Image(image.clone(), resource)));
            }
        }
    }
}
