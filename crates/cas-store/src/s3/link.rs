//! Sending one request of rusoto's over our own client: address, sign, send, wait, judge.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::BytesMut;
use futures_util::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED};
use http::{Method, Request};
use rusoto_core::credential::AwsCredentials;
use rusoto_core::request::{DispatchSignedRequestFuture, HttpResponse};
use rusoto_core::signature::SignedRequest;
use rusoto_core::{ByteStream, DispatchSignedRequest, HttpDispatchError, Region, RusotoError};

use super::answer::{LARGEST_DOCUMENT, LARGEST_REFUSAL, Refusal, check_document};
use super::body::{Progress, Received, sent};
use super::failure::S3Failure;
use super::settings::{Addressing, Endpoint, S3Settings, S3Timeouts};
use super::tls::{HttpClient, RequestBody, client};
use crate::StoreError;
use crate::blocking::lock;

/// What rusoto may see of an answer. It unwraps what it makes of most headers, so it gets those
/// that are used here and no others.
const PASSED_ON: [http::HeaderName; 4] = [CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED];

/// The way to one server.
pub(super) struct Link {
    client: HttpClient,
    credentials: AwsCredentials,
    endpoint: Endpoint,
    region: Region,
    /// What the path of every request begins with, and the host it becomes in the other style.
    bucket: String,
    addressing: Addressing,
    timeouts: S3Timeouts,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Errand {
    /// The bytes of an object.
    Read,
    /// Anything that is answered with a document or nothing.
    Ask,
    /// The same, where the server has to put an object together first.
    Assemble,
}

/// Why a request failed. rusoto passes on a text only, so the reason takes this way round it.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict(Arc<Mutex<Option<S3Failure>>>);

impl Verdict {
    pub(super) fn note(&self, failure: S3Failure) {
        *lock(&self.0) = Some(failure);
    }

    /// What was noted; `problem` if nothing was.
    fn reason(&self, problem: &str) -> S3Failure {
        let noted = lock(&self.0).take();
        noted.unwrap_or_else(|| S3Failure::Unreadable { problem: problem.to_owned() })
    }

    /// What `error` means.
    pub(super) fn on<E>(&self, error: &RusotoError<E>) -> S3Failure {
        self.reason(match error {
            RusotoError::ParseError(problem) | RusotoError::Validation(problem) => problem,
            _ => "unexpected",
        })
    }
}

/// One request on its way, as the dispatcher that rusoto knows.
#[derive(Debug)]
pub(super) struct Dispatch {
    pub(super) link: Arc<Link>,
    pub(super) errand: Errand,
    pub(super) verdict: Verdict,
}

impl DispatchSignedRequest for Dispatch {
    fn dispatch(&self, request: SignedRequest, _: Option<Duration>) -> DispatchSignedRequestFuture {
        let (link, errand) = (Arc::clone(&self.link), self.errand);
        let verdict = self.verdict.clone();
        Box::pin(async move {
            link.send(request, errand, &verdict).await.map_err(|failure| {
                let text = failure.to_string();
                verdict.note(failure);
                HttpDispatchError::new(text)
            })
        })
    }
}

impl Link {
    pub(super) fn new(settings: &S3Settings) -> Result<Self, StoreError> {
        let endpoint = Endpoint::parse(&settings.endpoint, settings.security)?;
        let (access_key, secret_key) = (&settings.access_key, settings.secret_key.expose());
        Ok(Self {
            client: client(endpoint.security, settings.timeouts)?,
            credentials: AwsCredentials::new(access_key, secret_key, None, None),
            region: Region::Custom {
                name: settings.region.clone(),
                endpoint: endpoint.to_string(),
            },
            endpoint,
            bucket: settings.bucket.clone(),
            addressing: settings.addressing,
            timeouts: settings.timeouts,
        })
    }

    pub(super) fn region(&self) -> Region {
        self.region.clone()
    }

    pub(super) fn bucket(&self) -> &str {
        &self.bucket
    }

    /// What operators recognise the store by.
    pub(super) fn place(&self) -> String {
        format!("bucket {} at {}", self.bucket, self.endpoint)
    }

    async fn send(
        &self,
        mut request: SignedRequest,
        errand: Errand,
        verdict: &Verdict,
    ) -> Result<HttpResponse, S3Failure> {
        self.sign(&mut request);
        let progress = Progress::starting_now();
        let request = into_http(request, progress.clone())?;
        let has_body = *request.method() != Method::HEAD;
        let patience = match errand {
            Errand::Read | Errand::Ask => self.timeouts.first_byte,
            Errand::Assemble => self.timeouts.part,
        };
        let response = tokio::select! {
            answer = self.client.request(request) => answer.map_err(connection_failure)?,
            () = progress.stalled(patience) => return Err(S3Failure::TimedOut { after: patience }),
            () = tokio::time::sleep(self.timeouts.part) => {
                return Err(S3Failure::TimedOut { after: self.timeouts.part });
            }
        };
        let (head, body) = response.into_parts();
        let body = Received::new(body, patience, verdict.clone());
        if !head.status.is_success() {
            return Err(refusal(&head, body, has_body).await);
        }
        let body = match errand {
            Errand::Read => ByteStream::new(body),
            Errand::Ask | Errand::Assemble => ByteStream::from(document(body, verdict).await?),
        };
        let (status, headers) = foreign_head(&head)?;
        Ok(HttpResponse { status, headers, body })
    }

    /// Puts the bucket where it belongs, then signs: the signature covers both host and path.
    fn sign(&self, request: &mut SignedRequest) {
        let rest = request.path.strip_prefix('/').and_then(|path| path.strip_prefix(&self.bucket));
        if let (Addressing::VirtualHost, Some(rest)) = (self.addressing, rest) {
            let path = if rest.is_empty() { "/" } else { rest };
            request.path = path.to_owned();
            request.hostname = Some(format!("{}.{}", self.bucket, self.endpoint.authority));
        }
        request.sign(&self.credentials);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("place", &self.place()).finish_non_exhaustive()
    }
}

fn into_http(
    mut request: SignedRequest,
    progress: Progress,
) -> Result<Request<RequestBody>, S3Failure> {
    let payload = request.payload.take();
    let mut uri =
        format!("{}://{}{}", request.scheme(), request.hostname(), request.canonical_path());
    if !request.canonical_query_string().is_empty() {
        uri = format!("{uri}?{}", request.canonical_query_string());
    }
    let mut builder = Request::builder().method(request.method()).uri(uri);
    for (name, values) in request.headers() {
        for value in values {
            builder = builder.header(name.as_str(), value.as_slice());
        }
    }
    builder
        .body(sent(payload, progress))
        .map_err(|error| S3Failure::Unreadable { problem: error.to_string() })
}

fn connection_failure(error: hyper_util::client::legacy::Error) -> S3Failure {
    let is_connect = error.is_connect();
    let source = Box::new(error);
    if is_connect { S3Failure::Unreachable { source } } else { S3Failure::Broken { source } }
}

/// What an answer that is no success means.
async fn refusal(head: &http::response::Parts, mut body: Received, has_body: bool) -> S3Failure {
    let mut beginning = BytesMut::new();
    while let Some(Ok(piece)) = body.next().await {
        beginning.extend_from_slice(&piece);
        if beginning.len() > LARGEST_REFUSAL {
            break;
        }
    }
    let region = head.headers.get("x-amz-bucket-region");
    let region = region.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = head.status.as_u16();
    Refusal { status, body: &beginning, is_explained: has_body, region }.meaning()
}

/// A whole document, or nothing.
async fn document(mut body: Received, verdict: &Verdict) -> Result<Vec<u8>, S3Failure> {
    let mut document = Vec::new();
    while let Some(piece) = body.next().await {
        document.extend_from_slice(&piece.map_err(|error| verdict.reason(&error.to_string()))?);
        if document.len() > LARGEST_DOCUMENT {
            return Err(S3Failure::Unreadable { problem: "it is far too long".to_owned() });
        }
    }
    check_document(&document)?;
    Ok(document)
}

/// Status and headers in the types of the HTTP library that rusoto was written against, which are
/// never named here.
fn foreign_head<S, H>(head: &http::response::Parts) -> Result<(S, H), S3Failure>
where
    S: TryFrom<u16>,
    H: for<'a> TryFrom<&'a HashMap<String, String>>,
{
    let unreadable = || S3Failure::Unreadable { problem: "its head".to_owned() };
    let passed_on = PASSED_ON.iter().filter_map(|name| {
        let value = String::from_utf8_lossy(head.headers.get(name)?.as_bytes()).into_owned();
        Some((name.as_str().to_owned(), value))
    });
    let passed_on: HashMap<_, _> = passed_on.collect();
    let is_number = |text: &String| text.parse::<i64>().is_ok();
    if !passed_on.get(CONTENT_LENGTH.as_str()).is_none_or(is_number) {
        return Err(unreadable());
    }
    let status = S::try_from(head.status.as_u16()).map_err(|_| unreadable())?;
    let headers = H::try_from(&passed_on).map_err(|_| unreadable())?;
    Ok((status, headers))
}

#[cfg(test)]
mod tests {
    use artifact_core::Secret;
    use http::StatusCode;
    use s3s::auth::SimpleAuth;
    use s3s::host::SingleDomain;
    use s3s::service::{S3Service, S3ServiceBuilder};

    use super::*;

    const HOST: &str = "s3.example.com:9000";

    fn link(addressing: Addressing) -> Link {
        let settings = S3Settings::new(HOST, "artifacts", "access", Secret::new("secret"));
        Link::new(&S3Settings { addressing, ..settings }).unwrap()
    }

    fn signed(link: &Link, method: &str, path: &str) -> Request<RequestBody> {
        let mut request = SignedRequest::new(method, "s3", &link.region, path);
        link.sign(&mut request);
        into_http(request, Progress::starting_now()).unwrap()
    }

    /// A server that knows itself as `HOST` and judges signatures.
    fn server(root: &std::path::Path) -> S3Service {
        std::fs::create_dir_all(root.join("artifacts/blobs")).unwrap();
        std::fs::write(root.join("artifacts/blobs/epoch"), "42").unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
        builder.set_auth(SimpleAuth::from_single("access", "secret"));
        builder.set_host(SingleDomain::new(HOST).unwrap());
        builder.build()
    }

    #[tokio::test]
    async fn a_bucket_is_named_in_the_path_or_in_the_host_and_signed_for_there() {
        let root = tempfile::tempdir().unwrap();
        let server = server(root.path());
        let table = [
            (Addressing::Path, "/artifacts", "http://s3.example.com:9000/artifacts"),
            (
                Addressing::Path,
                "/artifacts/blobs/epoch",
                "http://s3.example.com:9000/artifacts/blobs/epoch",
            ),
            (Addressing::VirtualHost, "/artifacts", "http://artifacts.s3.example.com:9000/"),
            (
                Addressing::VirtualHost,
                "/artifacts/blobs/epoch",
                "http://artifacts.s3.example.com:9000/blobs/epoch",
            ),
        ];
        for (addressing, path, expected) in table {
            let request = signed(&link(addressing), "HEAD", path);
            assert_eq!(request.uri(), expected);
            let authority = request.uri().authority().unwrap().as_str();
            assert_eq!(request.headers()["host"], authority);
            let answer = server.call(request.map(s3s::Body::http_body_unsync)).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK, "{expected}");
        }
    }

    #[tokio::test]
    async fn a_link_and_its_settings_keep_the_secret() {
        let link = link(Addressing::Path);
        assert!(!format!("{link:?}").contains("secret"), "{link:?}");
    }
}
