//! What refers to a manifest of another registry: its own answer, else the index under the tag where clients keep one for
//! registries that cannot say, else nothing. A client that is told of an absence takes ours for such a registry.

use artifact_core::{Class, DocumentKind, Owner, Reject, Shape, Substitute, Target, Variant};
use registry_v2::{fallback_tag, parse_digest, referrers_index};

use super::{INDEX, WHOLE, file};
use crate::request::bad_digest;
use crate::rows;

/// The kind of the document.
pub(crate) const REFERRERS: DocumentKind = DocumentKind("referrers");
/// The source of what stands under the tag.
const BY_TAG: Variant = Variant::new("tag");

pub(super) fn referrers(image: &str, text: &str) -> Result<Target, Reject> {
    let digest = parse_digest(text).map_err(|_| bad_digest())?;
    let path = rows::document(image, &format!("referrers/{digest}"))?;
    let reference = format!("v2/{image}/referrers/{digest}");
    let shape = Shape::Document { kind: REFERRERS, variant: WHOLE };
    let target = file(image, path, Class::Mutable, reference);
    Ok(Target { shape, accept: Some(INDEX), owner: Owner::Everyone, ..target })
}

pub(crate) fn substitute(absent: &Target) -> Option<Substitute> {
    let (image, digest) = absent.path.as_str().split_once("/_referrers/")?;
    if absent.source == BY_TAG {
        return Some(Substitute::Body(referrers_index([])));
    }
    let tag = fallback_tag(&parse_digest(digest).ok()?);
    let reference = format!("v2/{image}/manifests/{tag}");
    let by_tag = file(image, absent.path.clone(), Class::Mutable, reference);
    let (source, shape) = (BY_TAG, absent.shape.clone());
    Some(Substitute::Document(Box::new(Target { source, shape, accept: Some(INDEX), ..by_tag })))
}
