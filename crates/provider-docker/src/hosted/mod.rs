//! Images that are pushed here.

mod describe;
mod intent;
mod publication;
mod word;

use artifact_core::{
    CatalogRequest, Described, Digest, Digests, Fault, Intent, Outcome, PackageRequest,
    Publication, Publishing, Reject, RepoPath, Submission, Target, Worded,
};
use bytes::Bytes;
use http::HeaderMap;
use registry_v2::{ErrorCode, Page};

pub(crate) use self::intent::intent;
pub(crate) use self::word::word;
use crate::request::refused;
use crate::{DockerProvider, rows};

/// The most names on a page of the catalog. Each costs a look or two.
const MOST_NAMES: usize = 100;

impl Publishing for DockerProvider {
    fn intent(&self, request: &PackageRequest<'_>) -> Result<Intent, Reject> {
        intent(request)
    }

    /// A blob alone is no image: it may be of a push that has not ended, or never will.
    fn witness(&self, name: &str) -> String {
        rows::manifests(name)
    }

    /// Names come from requests that [`Publishing::intent`] has read; under the root, which stands for any other,
    /// nothing is ever kept.
    fn file_path(&self, name: &str, digest: &Digest) -> RepoPath {
        rows::blob(name, digest).unwrap_or_else(|_| RepoPath::root())
    }

    fn read(
        &self,
        submission: &Submission,
        body: &Bytes,
        digests: &Digests,
    ) -> Result<Publication, Reject> {
        publication::read(submission, body, digests)
    }

    fn document(&self, target: &Target) -> Option<Intent> {
        intent::document(target)
    }

    fn word(&self, outcome: &Outcome<'_>, mount: &str) -> Worded {
        word(outcome, mount)
    }

    fn catalog(&self, query: Option<&str>) -> Result<CatalogRequest, Reject> {
        let page = Page::read(query, MOST_NAMES).map_err(refused)?;
        Ok(CatalogRequest { after: page.after, limit: page.limit })
    }

    fn code(&self, fault: Fault) -> &'static str {
        let code = match fault {
            Fault::Digest => ErrorCode::DigestInvalid,
            Fault::Size => ErrorCode::SizeInvalid,
            Fault::MissingFiles => ErrorCode::ManifestBlobUnknown,
            Fault::TooLarge => ErrorCode::ManifestInvalid,
            Fault::Needed => ErrorCode::Denied,
            Fault::UnknownUpload => ErrorCode::BlobUploadUnknown,
            Fault::UnknownName => ErrorCode::NameUnknown,
        };
        code.name()
    }

    fn describe(&self, file: &Described<'_>) -> HeaderMap {
        describe::describe(file)
    }
}
