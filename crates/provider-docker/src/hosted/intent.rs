//! What a request asks for.

use artifact_core::{
    Algorithm, Beginning, Continuation, Digest, ErrorKind, Intent, ListRequest, PackageRequest,
    PartRange, Reading, Reject, RelationRequest, RemovalRequest, Shape, Source, Submission, Target,
    UploadReference,
};
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, Method};
use registry_v2::{
    Claim, ErrorCode, ImageName, InvalidReference, Manifest, Page, Reference, Resource, Tag,
    all_of, first_of, parse_digest,
};

use crate::remote::{REFERRERS, TAGS};
use crate::request::{bad_digest, existing, invalid, refused, resource_of, unsupported};
use crate::rows;

/// The most tags that one request gives to a manifest.
const MOST_TAGS: usize = 100;
/// The most tags that are merged with those of other repositories.
const MOST_MERGED: usize = 100_000;
/// The most tags on a page.
const MOST_LISTED: usize = 1000;

pub(crate) fn intent(request: &PackageRequest<'_>) -> Result<Intent, Reject> {
    let (name, resource) = resource_of(request)?;
    let asked = Asked { name: &name, request };
    match resource {
        Resource::Blob(digest) => asked.blob(digest),
        Resource::Manifest(reference) => asked.manifest(reference),
        Resource::Uploads => asked.uploads(),
        Resource::Upload(id) => asked.upload(id),
        Resource::Tags => asked.tags(),
        Resource::Referrers(digest) => asked.referrers(digest),
    }
}

/// The request whose answer is a document of an image that is hosted here: everything at once.
pub(super) fn document(target: &Target) -> Option<Intent> {
    let Shape::Document { kind, .. } = &target.shape else { return None };
    let (name, document) = target.path.as_str().split_once("/_")?;
    match *kind {
        TAGS => Some(Intent::List(ListRequest {
            name: name.to_owned(),
            prefix: rows::tags(name),
            witness: rows::manifests(name),
            after: None,
            limit: MOST_MERGED,
        })),
        REFERRERS => {
            let digest = parse_digest(document.strip_prefix("referrers/")?).ok()?;
            let subject = rows::manifest(name, &digest).ok()?;
            let name = name.to_owned();
            Some(Intent::Relate(RelationRequest {
                name,
                subject,
                digest,
                filter: None,
                after: None,
            }))
        }
        _ => None,
    }
}

/// A request for something of an image.
struct Asked<'a> {
    name: &'a ImageName,
    request: &'a PackageRequest<'a>,
}

impl Asked<'_> {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn parameter(&self, name: &str) -> Option<String> {
        first_of(self.request.query, name).map(Into::into)
    }

    /// Whoever sees a blob by HEAD leaves it out of its push, so the answer is a promise.
    fn blob(&self, digest: &str) -> Result<Intent, Reject> {
        let path = rows::blob(self.name(), &parse_digest(digest).map_err(|_| bad_digest())?)?;
        match *self.request.method {
            Method::GET => Ok(Intent::Read(Reading { path, promises: false })),
            Method::HEAD => Ok(Intent::Read(Reading { path, promises: true })),
            Method::DELETE => Ok(Intent::Remove(RemovalRequest { path, aliases: None })),
            _ => Err(unsupported("a blob is written by an upload")),
        }
    }

    fn manifest(&self, reference: &str) -> Result<Intent, Reject> {
        match *self.request.method {
            Method::GET | Method::HEAD => {
                let path = rows::manifest_by(self.name(), &existing(reference)?)?;
                Ok(Intent::Read(Reading { path, promises: false }))
            }
            Method::PUT => self.submission(reference).map(Intent::Publish),
            Method::DELETE => self.removal(&existing(reference)?).map(Intent::Remove),
            _ => Err(unsupported("a manifest is written with PUT")),
        }
    }

    fn submission(&self, reference: &str) -> Result<Submission, Reject> {
        let reference = reference.parse().map_err(|error| match error {
            InvalidReference::Digest => bad_digest(),
            InvalidReference::Tag(error) => invalid(ErrorCode::TagInvalid, error.to_string()),
        })?;
        let (digest, own) = match reference {
            Reference::Digest(digest) => (Some(digest), None),
            Reference::Tag(tag) => (None, Some(tag.to_string())),
        };
        let mut aliases = Vec::from_iter(own);
        for list in all_of(self.request.query, "tag") {
            for tag in list.split(',').filter(|tag| !tag.is_empty()) {
                let tag: Tag = tag
                    .parse()
                    .map_err(|error| invalid(ErrorCode::TagInvalid, format!("{error}")))?;
                if !aliases.iter().any(|known| known == tag.as_str()) {
                    aliases.push(tag.to_string());
                }
                if aliases.len() > MOST_TAGS {
                    let text = "a manifest is given at most 100 tags at once";
                    return Err(Reject::new(ErrorKind::TooLarge, text)
                        .with_code(ErrorCode::TagInvalid.name()));
                }
            }
        }
        Ok(Submission {
            name: self.name().to_owned(),
            digest,
            aliases,
            content_type: content_type(self.request.headers)?,
            limit: Manifest::MAX_SIZE,
        })
    }

    /// With a manifest go the tags that lead to it.
    fn removal(&self, reference: &Reference) -> Result<RemovalRequest, Reject> {
        let aliases = match reference {
            Reference::Tag(_) => None,
            Reference::Digest(_) => Some(rows::tags(self.name())),
        };
        Ok(RemovalRequest { path: rows::manifest_by(self.name(), reference)?, aliases })
    }

    fn uploads(&self) -> Result<Intent, Reject> {
        if *self.request.method != Method::POST {
            return Err(unsupported("an upload is begun with POST"));
        }
        let whole = self.digest()?;
        let announced = match self.parameter("digest-algorithm").as_deref() {
            None => None,
            Some("sha256") => Some(Algorithm::Sha256),
            Some("sha512") => Some(Algorithm::Sha512),
            Some(_) => return Err(bad_digest()),
        };
        let algorithm = whole.as_ref().map(Digest::algorithm).or(announced);
        Ok(Intent::Begin(Beginning {
            name: self.name().to_owned(),
            whole,
            algorithm: algorithm.unwrap_or(Algorithm::Sha256),
            source: self.source(),
        }))
    }

    /// Where a blob is to be mounted from. What cannot be is no error: clients then upload the blob, and fail
    /// only on a refusal.
    fn source(&self) -> Option<Source> {
        let digest = parse_digest(&self.parameter("mount")?).ok()?;
        let Some(from) = self.parameter("from") else { return Some(Source { digest, from: None }) };
        let from: ImageName = from.parse().ok()?;
        Some(Source { digest, from: Some(from.to_string()) })
    }

    fn digest(&self) -> Result<Option<Digest>, Reject> {
        let text = self.parameter("digest");
        text.map(|text| parse_digest(&text).map_err(|_| bad_digest())).transpose()
    }

    fn upload(&self, id: &str) -> Result<Intent, Reject> {
        let id = id.parse().map_err(|_| {
            Reject::not_found("there is no such upload")
                .with_code(ErrorCode::BlobUploadUnknown.name())
        })?;
        let upload = UploadReference { name: self.name().to_owned(), id };
        match *self.request.method {
            Method::GET | Method::HEAD => Ok(Intent::Ask(upload)),
            Method::DELETE => Ok(Intent::Cancel(upload)),
            Method::PATCH => {
                let range = range(self.request.headers)?;
                Ok(Intent::Continue(Continuation { upload, range, closing: None }))
            }
            Method::PUT => {
                let closing = self.digest()?.ok_or_else(|| {
                    invalid(ErrorCode::DigestInvalid, "the digest of the whole blob is missing")
                })?;
                let range = range(self.request.headers)?;
                Ok(Intent::Continue(Continuation { upload, range, closing: Some(closing) }))
            }
            _ => Err(unsupported("an upload is continued with PATCH and ended with PUT")),
        }
    }

    fn tags(&self) -> Result<Intent, Reject> {
        self.require_read("tags are written with their manifests")?;
        let page = Page::read(self.request.query, MOST_LISTED).map_err(refused)?;
        Ok(Intent::List(ListRequest {
            name: self.name().to_owned(),
            prefix: rows::tags(self.name()),
            witness: rows::all(self.name()),
            after: page.after,
            limit: page.limit,
        }))
    }

    fn referrers(&self, digest: &str) -> Result<Intent, Reject> {
        self.require_read("referrers are written as manifests with a subject")?;
        let digest = parse_digest(digest).map_err(|_| bad_digest())?;
        let after = match self.parameter("last") {
            Some(last) => {
                let last = parse_digest(&last).map_err(|_| bad_digest())?;
                Some(rows::manifest(self.name(), &last)?.as_str().to_owned())
            }
            None => None,
        };
        Ok(Intent::Relate(RelationRequest {
            name: self.name().to_owned(),
            subject: rows::manifest(self.name(), &digest)?,
            digest,
            filter: self.parameter("artifactType"),
            after,
        }))
    }

    fn require_read(&self, message: &'static str) -> Result<(), Reject> {
        match *self.request.method {
            Method::GET | Method::HEAD => Ok(()),
            _ => Err(unsupported(message)),
        }
    }
}

/// The media type, without parameters.
fn content_type(headers: &HeaderMap) -> Result<Option<String>, Reject> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(None) };
    let text = value
        .to_str()
        .map_err(|_| invalid(ErrorCode::ManifestInvalid, "the content type is not readable"))?;
    let essence = text.split(';').next().unwrap_or_default().trim();
    Ok((!essence.is_empty()).then(|| essence.to_owned()))
}

/// Where the bytes of a request belong. What is no place becomes one that no upload can have, so that the
/// client is told where to go on.
fn range(headers: &HeaderMap) -> Result<Option<PartRange>, Reject> {
    let ranges = headers.get_all(CONTENT_RANGE).iter();
    let ranges = ranges.map(|value| value.to_str().unwrap_or_default());
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let claim = Claim::read(ranges, length)
        .map_err(|code| invalid(code, "content-range and content-length disagree"))?;
    Ok(match claim {
        Claim::Behind => None,
        Claim::At(range) => Some(PartRange { first: range.first(), length: range.length() }),
        Claim::Nowhere => Some(PartRange { first: u64::MAX, length: 0 }),
    })
}
