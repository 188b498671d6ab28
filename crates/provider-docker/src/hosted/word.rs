//! What happened, in the words of the protocol.
//!
//! Links have no scheme and no host, so that they are right behind every proxy: clients resolve them against what they
//! asked.

use artifact_core::ports::RelatedRow;
use artifact_core::{
    CatalogRequest, Digest, ListRequest, Outcome, Publication, RelationRequest, UploadEvent,
    UploadReference, Worded,
};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LINK, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use registry_v2::{
    API_VERSION, ErrorCode, ErrorEntry, ReferrersIndex, catalog, durable_range, envelope,
    next_link, tag_list,
};

use super::describe::CONTENT_DIGEST;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const JSON: &str = "application/json";

pub(crate) fn word(outcome: &Outcome<'_>, mount: &str) -> Worded {
    let place = Place { mount };
    match *outcome {
        Outcome::Upload(upload, size, event) => place.upload(upload, size, event),
        Outcome::FileStored { name, digest } => place.blob(name, digest),
        Outcome::Published { name, publication, aliases } => {
            place.manifest(name, publication, aliases)
        }
        Outcome::Root => Answer::new(StatusCode::OK).with_body(JSON, Bytes::from_static(b"{}")),
        Outcome::Catalog { request, names, has_more } => place.catalog(request, names, has_more),
        Outcome::Removed => Answer::new(StatusCode::ACCEPTED).without_body(),
        Outcome::List { request, entries, has_more } => place.tags(request, entries, has_more),
        Outcome::Related { request, rows, has_more } => place.referrers(request, rows, has_more),
    }
}

/// Where the client sees the repository.
struct Place<'a> {
    mount: &'a str,
}

impl Place<'_> {
    /// The name of an image as the client writes it.
    fn shown(&self, image: &str) -> String {
        match self.mount.split_once("/v2/") {
            Some((_, repository)) => format!("{repository}/{image}"),
            None => image.to_owned(),
        }
    }

    fn path(&self, image: &str, below: &str) -> String {
        format!("{}/{image}/{below}", self.mount)
    }

    fn upload(&self, upload: &UploadReference, size: u64, event: UploadEvent) -> Worded {
        let id = upload.id.to_string();
        let status = match event {
            UploadEvent::Begun | UploadEvent::Continued => StatusCode::ACCEPTED,
            UploadEvent::Asked | UploadEvent::Cancelled => StatusCode::NO_CONTENT,
            UploadEvent::OutOfRange => StatusCode::RANGE_NOT_SATISFIABLE,
        };
        let mut answer = Answer::new(status);
        answer.insert(UPLOAD_ID, &id);
        if event == UploadEvent::Cancelled {
            return answer.without_body();
        }
        // Without a query: not every client keeps one when it adds the digest.
        answer.insert(LOCATION, &self.path(&upload.name, &format!("blobs/uploads/{id}")));
        answer.insert(RANGE, &durable_range(size));
        if event != UploadEvent::OutOfRange {
            return answer.without_body();
        }
        let message = format!("the bytes do not continue the upload, which has {size} so far");
        let code = ErrorCode::BlobUploadInvalid.name();
        let entry = ErrorEntry { code, message: &message, detail: None };
        answer.with_body(JSON, envelope(&[entry]))
    }

    fn blob(&self, image: &str, digest: &Digest) -> Worded {
        let digest = digest.to_string();
        let mut answer = Answer::new(StatusCode::CREATED);
        answer.insert(LOCATION, &self.path(image, &format!("blobs/{digest}")));
        answer.insert(CONTENT_DIGEST, &digest);
        answer.without_body()
    }

    fn manifest(&self, image: &str, publication: &Publication, aliases: &[String]) -> Worded {
        let digest = publication.digest.to_string();
        let mut answer = Answer::new(StatusCode::CREATED);
        answer.insert(LOCATION, &self.path(image, &format!("manifests/{digest}")));
        answer.insert(CONTENT_DIGEST, &digest);
        if let Some(subject) = &publication.subject {
            answer.insert(SUBJECT, &subject.digest.to_string());
        }
        for alias in aliases {
            answer.append(TAG, alias);
        }
        answer.without_body()
    }

    fn tags(&self, request: &ListRequest, entries: &[String], has_more: bool) -> Worded {
        let mut answer = Answer::new(StatusCode::OK);
        if let Some(last) = entries.last().filter(|_| has_more) {
            let (path, limit) = (self.path(&request.name, "tags/list"), request.limit.to_string());
            answer.insert(LINK, &next_link(&path, &[("last", last), ("n", &limit)]));
        }
        let tags = entries.iter().map(String::as_str);
        answer.with_body(JSON, tag_list(&self.shown(&request.name), tags))
    }

    fn catalog(&self, request: &CatalogRequest, names: &[String], has_more: bool) -> Worded {
        let mut answer = Answer::new(StatusCode::OK);
        if let Some(last) = names.last().filter(|_| has_more) {
            let (path, limit) = (format!("{}/_catalog", self.mount), request.limit.to_string());
            answer.insert(LINK, &next_link(&path, &[("last", last), ("n", &limit)]));
        }
        answer.with_body(JSON, catalog(names.iter().map(String::as_str)))
    }

    fn referrers(&self, request: &RelationRequest, rows: &[RelatedRow], has_more: bool) -> Worded {
        let filter = request.filter.as_deref();
        let mut index = ReferrersIndex::new();
        let seen = rows.iter().take_while(|row| index.push(&row.descriptor, filter)).count();
        let mut answer = Answer::new(StatusCode::OK);
        let is_cut = has_more || seen < rows.len();
        let last = seen.checked_sub(1).and_then(|index| rows.get(index)?.path.file_name());
        if let Some(last) = last.filter(|_| is_cut) {
            let path = self.path(&request.name, &format!("referrers/{}", request.digest));
            let filter = filter.map(|filter| ("artifactType", filter));
            let parameters: Vec<_> = filter.into_iter().chain([("last", last)]).collect();
            answer.insert(LINK, &next_link(&path, &parameters));
        }
        if filter.is_some() {
            answer.insert(FILTERS, "artifactType");
        }
        answer.with_body(ReferrersIndex::MEDIA_TYPE, index.into_body())
    }
}

/// An answer that is being written.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
}

impl Answer {
    fn new(status: StatusCode) -> Self {
        Self { status, headers: HeaderMap::from_iter([API_VERSION]) }
    }

    /// Names, digests and tags are visible ASCII, and so is what is made of them.
    fn insert(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
    }

    fn append(&mut self, name: HeaderName, value: &str) {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(name, value);
        }
    }

    fn without_body(self) -> Worded {
        Worded { status: self.status, headers: self.headers, body: Bytes::new() }
    }

    fn with_body(mut self, content_type: &'static str, body: Bytes) -> Worded {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        Worded { status: self.status, headers: self.headers, body }
    }
}
