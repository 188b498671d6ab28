//! What a manifest says, and where it will be.

use artifact_core::ports::{Absence, Afterwards};
use artifact_core::{
    Algorithm, Digest, Digests, NamedFile, Publication, Reject, Subject, Submission,
};
use bytes::Bytes;
use registry_v2::{Descriptor, ErrorCode, Manifest, Referrer};

use crate::request::{invalid, refused};
use crate::rows;

pub(super) fn read(
    submission: &Submission,
    body: &Bytes,
    digests: &Digests,
) -> Result<Publication, Reject> {
    let image = submission.name.as_str();
    let digest = digest(submission, digests)?;
    let manifest = Manifest::read(submission.content_type.as_deref(), body).map_err(refused)?;
    let mut needs = Vec::with_capacity(manifest.blobs.len() + manifest.children.len());
    for blob in &manifest.blobs {
        needs.push(need(image, blob, Place::Blob)?);
    }
    for child in &manifest.children {
        needs.push(need(image, child, Place::ManifestOrBlob)?);
    }
    let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
    let aliases = submission.aliases.iter().map(|alias| {
        let tag = alias.parse().map_err(|error| invalid(ErrorCode::TagInvalid, format!("{error}")));
        rows::tag(image, &tag?)
    });
    Ok(Publication {
        path: rows::manifest(image, &digest)?,
        aliases: aliases.collect::<Result<_, _>>()?,
        content_type: manifest.manifest_type.name().to_owned(),
        needs,
        subject: subject(image, &manifest, &digest, size)?,
        digest,
    })
}

/// The digest that clients will ask for: the one that they name, else SHA-256.
fn digest(submission: &Submission, digests: &Digests) -> Result<Digest, Reject> {
    let algorithm = submission.digest.as_ref().map_or(Algorithm::Sha256, Digest::algorithm);
    let actual = digests.get(algorithm).ok_or_else(|| {
        invalid(ErrorCode::DigestInvalid, "the digest of the manifest cannot be computed")
    })?;
    match &submission.digest {
        Some(expected) if expected != actual => Err(invalid(
            ErrorCode::DigestInvalid,
            format!("the digest of the manifest is {actual}, not the one of the request"),
        )),
        _ => Ok(actual.clone()),
    }
}

/// What a descriptor may lead to.
#[derive(Clone, Copy)]
enum Place {
    Blob,
    ManifestOrBlob,
}

/// A blob goes with the last manifest that names it; one that clients fetch from elsewhere need not be here, and stays
/// as long as others do if somebody has pushed it. A child of an index is a manifest of its own, which people
/// also pull by itself; caches of builds list blobs there, which then stay as well.
fn need(image: &str, descriptor: &Descriptor, place: Place) -> Result<NamedFile, Reject> {
    let blob = rows::blob(image, &descriptor.digest)?;
    let (any_of, afterwards) = match place {
        Place::Blob => (vec![blob], Afterwards::GivenUp),
        Place::ManifestOrBlob => {
            (vec![rows::manifest(image, &descriptor.digest)?, blob], Afterwards::Kept)
        }
    };
    let absence = match place {
        Place::Blob if descriptor.is_elsewhere() => Absence::Accepted,
        Place::Blob | Place::ManifestOrBlob => Absence::Refused,
    };
    let (size, digest) = (descriptor.size, descriptor.digest.clone());
    Ok(NamedFile { any_of, size, digest, absence, afterwards })
}

fn subject(
    image: &str,
    manifest: &Manifest,
    digest: &Digest,
    size: u64,
) -> Result<Option<Subject>, Reject> {
    let Some(subject) = &manifest.subject else { return Ok(None) };
    Ok(Some(Subject {
        digest: subject.digest.clone(),
        path: rows::manifest(image, &subject.digest)?,
        descriptor: Referrer::new(manifest, digest, size).to_json(),
    }))
}
