//! Images that are pulled through.

mod documents;
mod excerpt;
mod hub;
mod referrers;

use artifact_core::{
    Class, Digest, DocumentKind, ErrorKind, Origin, Owner, PackageRequest, Reject, Remote,
    RepoPath, Route, Shape, Target, Variant,
};
use http::Method;
use registry_v2::{ErrorCode, Reference, Resource, Tag, parse_digest};

pub(crate) use self::documents::{inspect, rewrite};
pub(crate) use self::excerpt::excerpt;
pub(crate) use self::hub::is_host;
use self::referrers::referrers;
pub(crate) use self::referrers::{REFERRERS, substitute};
use crate::request::{bad_digest, existing, resource_of, unsupported};
use crate::{hosted, rows};

/// The list of an image's tags.
pub(crate) const TAGS: DocumentKind = DocumentKind("tags");
/// The one rendition of either, out of which pages are cut.
const WHOLE: Variant = Variant::new("whole");

/// All types of manifests, always, whatever the client accepts: upstreams convert or refuse a type that is not
/// named, and what is kept would depend on who came first.
const MANIFESTS: &str = "application/vnd.oci.image.index.v1+json, \
                         application/vnd.oci.image.manifest.v1+json, \
                         application/vnd.docker.distribution.manifest.list.v2+json, \
                         application/vnd.docker.distribution.manifest.v2+json";
const INDEX: &str = registry_v2::ReferrersIndex::MEDIA_TYPE;
const BLOB: &str = "application/octet-stream";

/// Tags that are asked for at once: what strict registries allow.
const TAGS_PER_PAGE: &str = "n=1000";

pub(crate) fn classify(request: &PackageRequest<'_>) -> Result<Route, Reject> {
    if *request.method != Method::GET && *request.method != Method::HEAD {
        return Err(unsupported("images are pushed to local repositories"));
    }
    let (name, resource) = resource_of(request)?;
    let image = hub::upstream_name(&name, request.remote);
    let target = match resource {
        Resource::Manifest(text) => manifest(&image, text, request.remote)?,
        Resource::Blob(digest) => blob(&image, digest)?,
        Resource::Tags => {
            // A page that cannot be cut is refused before anybody is asked for the list.
            hosted::intent(request)?;
            tags(&image, None)?
        }
        Resource::Referrers(digest) => {
            hosted::intent(request)?;
            referrers(&image, digest)?
        }
        Resource::Uploads | Resource::Upload(_) => {
            return Err(unsupported("images are pushed to local repositories"));
        }
    };
    Ok(Route::Serve(target))
}

fn manifest(image: &str, text: &str, remote: Option<&Remote>) -> Result<Target, Reject> {
    let reference = existing(text)?;
    let class = match &reference {
        Reference::Tag(tag) => {
            refuse_banned(tag, remote)?;
            Class::Mutable
        }
        Reference::Digest(_) => Class::Immutable,
    };
    let path = rows::manifest_by(image, &reference)?;
    let at = format!("v2/{image}/manifests/{reference}");
    let target = match reference {
        Reference::Tag(_) => {
            let owner = Owner::FirstUnlessNamed { name: Box::new(tags(image, None)?) };
            Target { owner, ..file(image, path, class, at) }
        }
        Reference::Digest(digest) => addressed(image, path, at, digest),
    };
    Ok(Target { accept: Some(MANIFESTS), ..target })
}

/// Only by tag: whoever knows a digest has it from somewhere else.
fn refuse_banned(tag: &Tag, remote: Option<&Remote>) -> Result<(), Reject> {
    if !is_banned(tag, remote) {
        return Ok(());
    }
    let text = format!("the tag \"{tag}\" may not be pulled, it is among the remote's ban_tags");
    Err(Reject::new(ErrorKind::Denied, text).with_code(ErrorCode::Denied.name()))
}

fn is_banned(tag: &Tag, remote: Option<&Remote>) -> bool {
    remote.is_some_and(|remote| {
        remote.ban_tags_enabled && remote.ban_tags.iter().any(|banned| banned == tag.as_str())
    })
}

fn blob(image: &str, text: &str) -> Result<Target, Reject> {
    let digest = parse_digest(text).map_err(|_| bad_digest())?;
    let path = rows::blob(image, &digest)?;
    let target = addressed(image, path, format!("v2/{image}/blobs/{digest}"), digest);
    Ok(Target { content_type: Some(BLOB), ..target })
}

/// A page of the list of tags: the first, or the one behind a tag.
fn tags(image: &str, after: Option<&Tag>) -> Result<Target, Reject> {
    let path = rows::document(image, "list")?;
    let query = match after {
        Some(tag) => format!("last={tag}&{TAGS_PER_PAGE}"),
        None => TAGS_PER_PAGE.to_owned(),
    };
    let reference = format!("v2/{image}/tags/list?{query}");
    let source = after.map_or(Variant::SOURCE, |tag| Variant::named(format!("last={tag}")));
    let shape = Shape::Document { kind: TAGS, variant: WHOLE };
    Ok(Target { source, shape, ..file(image, path, Class::Mutable, reference) })
}

/// What is named by its digest never changes, and is whatever has that digest, a page of text as well.
fn addressed(image: &str, path: RepoPath, reference: String, digest: Digest) -> Target {
    let target = file(image, path, Class::Immutable, String::new());
    Target { origin: Origin::Addressed { reference, digest }, html_allowed: true, ..target }
}

fn file(image: &str, path: RepoPath, class: Class, reference: String) -> Target {
    Target {
        path,
        source: Variant::SOURCE,
        class,
        shape: Shape::File,
        origin: Origin::Upstream(reference),
        package: Some(image.to_owned()),
        owner: Owner::First,
        content_type: None,
        accept: None,
        html_allowed: false,
    }
}
