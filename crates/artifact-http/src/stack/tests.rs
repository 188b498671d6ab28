//! The layers around a scripted dispatch.

use std::io::Write;
use std::sync::Mutex;

use artifact_core::{Error, ErrorBody, ErrorKind, Problem, RepositoryId, RepositoryKind, Secret};
use artifact_engine::CacheResult;
use artifact_engine::Mount;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};

use super::*;
use crate::body::Body;
use crate::call::{Answer, Call, Failure, Serve, Verdict};
use crate::origin::Peer;
use crate::repositories::{Privacy, RepositoryLabels};
use crate::service::run;

type Served = Result<Answer, Failure>;

/// Answers every request in the same way.
struct Script(Box<dyn Fn() -> BoxFuture<'static, Served> + Send + Sync>);

impl<B: Send> Serve<B> for Script {
    type Error = Failure;

    async fn serve(&self, _: &mut Call<'_, B>) -> Served {
        (self.0)().await
    }
}

/// Knows one remote repository of a made-up type.
struct OneRemote;

impl Repositories for OneRemote {
    fn identify(&self, mount: Mount, name: &str) -> Option<RepositoryId> {
        (mount == Mount::Package(RepositoryKind::Remote) && name == "known")
            .then_some(RepositoryId(7))
    }

    fn privacy(&self, name: &str) -> Privacy {
        if name == "secret" { Privacy::Private } else { Privacy::Public }
    }

    fn registry_headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    fn labels(&self, id: RepositoryId) -> Option<RepositoryLabels> {
        (id == RepositoryId(7)).then(|| RepositoryLabels {
            repository: "known".to_owned(),
            package_type: "madeup".to_owned(),
        })
    }

    fn error_body(&self, mount: Mount, name: &str, problem: &Problem<'_>) -> Option<ErrorBody> {
        self.identify(mount, name)?;
        let body = format!("own form of {}: {}", problem.status, problem.message);
        Some(ErrorBody { content_type: "text/x-madeup", body: body.into() })
    }
}

struct Fixture {
    stack: Arc<Stack<Script>>,
    capacity: Arc<Capacity>,
}

impl Fixture {
    fn new(script: impl Fn() -> Served + Send + Sync + 'static) -> Self {
        Self::with(Authentication::open(), script)
    }

    fn with(
        authentication: Authentication,
        script: impl Fn() -> Served + Send + Sync + 'static,
    ) -> Self {
        let capacity = Arc::new(Capacity::new(1));
        let shared = Shared {
            origins: Arc::default(),
            repositories: Arc::new(OneRemote),
            capacity: Arc::clone(&capacity),
            authentication,
            access_log: None,
        };
        let script = Script(Box::new(move || {
            let served = script();
            Box::pin(async move { served })
        }));
        Self { stack: Arc::new(stack(&shared, script)), capacity }
    }

    fn failing(kind: ErrorKind) -> Self {
        Self::new(move || Err(Error::new(kind, "it went wrong").into()))
    }

    async fn ask(&self, request: http::request::Builder) -> Response<Body> {
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        run(Arc::clone(&self.stack), Arc::default(), request, Peer::unknown()).await
    }

    async fn get(&self, path: &str) -> Response<Body> {
        self.ask(Request::get(path)).await
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a script returns what a handler returns")]
fn hello() -> Served {
    Ok(Answer {
        response: Response::new(Body::full("hello")),
        repository: Some(RepositoryId(7)),
        verdict: Verdict::Served(CacheResult::Hit),
        blob: None,
    })
}

async fn text(response: Response<Body>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(body.to_vec()).unwrap()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

const FILE: &str = "/api/v1/remote/known/file";

#[tokio::test]
async fn every_answer_carries_the_request_id_and_forbids_sniffing() {
    for fixture in [Fixture::new(hello), Fixture::failing(ErrorKind::Upstream)] {
        let response = fixture.ask(Request::get(FILE).header("x-request-id", "mine-1")).await;
        assert_eq!(header(response.headers(), "x-request-id"), "mine-1");
        assert_eq!(header(response.headers(), "x-content-type-options"), "nosniff");
        let response = fixture.get(FILE).await;
        assert_eq!(header(response.headers(), "x-request-id").len(), 36);
    }
}

#[tokio::test]
async fn a_panic_is_a_500_and_gives_its_permit_back() {
    let fixture = Fixture::new(|| panic!("secret detail"));
    for _ in 0..2 {
        let response = fixture.get(FILE).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(text(response).await, "own form of 500: internal error");
    }
    assert_eq!(fixture.capacity.in_flight(), 0);
}

#[tokio::test]
async fn the_permit_travels_with_the_body() {
    let fixture = Fixture::new(hello);
    let first = fixture.get(FILE).await;
    assert_eq!(fixture.capacity.in_flight(), 1);
    let refused = fixture.get(FILE).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(header(refused.headers(), "retry-after"), "1");
    assert_eq!(fixture.get("/healthz").await.status(), StatusCode::OK, "probes are never shed");
    drop(refused);
    assert_eq!(text(first).await, "hello");
    assert_eq!(fixture.capacity.in_flight(), 0);
    assert_eq!(fixture.get(FILE).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn errors_take_the_form_that_the_client_prints() {
    let fixture = Fixture::failing(ErrorKind::Denied);
    let own = fixture.get(FILE).await;
    assert_eq!(own.status(), StatusCode::FORBIDDEN);
    assert_eq!(header(own.headers(), "content-type"), "text/x-madeup");
    assert_eq!(header(own.headers(), "cache-control"), "no-store");
    assert_eq!(text(own).await, "own form of 403: it went wrong");

    let asked = Request::get("/api/v1/remote/unknown/file").header("x-request-id", "r1");
    assert_eq!(text(fixture.ask(asked).await).await, "it went wrong (req r1)\n");

    for path in [FILE, "/api/v2/stats"] {
        let request = Request::get(path)
            .header("accept", "text/html, application/problem+json")
            .header("x-request-id", "r1");
        let response = fixture.ask(request).await;
        assert_eq!(header(response.headers(), "content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&text(response).await).unwrap();
        let expected = serde_json::json!({
            "type": "/docs/errors#forbidden", "title": "forbidden", "status": 403,
            "detail": "it went wrong", "instance": path, "request_id": "r1",
        });
        assert_eq!(problem, expected);
    }
}

#[tokio::test]
async fn head_gets_the_head_of_an_error_without_its_body() {
    let fixture = Fixture::failing(ErrorKind::NotFound);
    let response = fixture.ask(Request::head(FILE)).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(response.headers(), "content-length"), "30");
    assert_eq!(text(response).await, "");
}

#[tokio::test]
async fn errors_carry_the_headers_that_their_status_needs() {
    let get = |kind| async move { Fixture::failing(kind).get(FILE).await.headers().clone() };
    let missing = get(ErrorKind::NotFound).await;
    assert_eq!(header(&missing, "cache-control"), "max-age=30");
    let range = get(ErrorKind::RangeNotSatisfiable { size: 42 }).await;
    assert_eq!(header(&range, "content-range"), "bytes */42");
    let refused = get(ErrorKind::MethodNotAllowed).await;
    assert_eq!(header(&refused, "allow"), "GET, HEAD");
    assert_eq!(header(&get(ErrorKind::CircuitOpen).await, "retry-after"), "30");
    let anonymous = get(ErrorKind::Unauthorized).await;
    assert_eq!(anonymous.get_all("www-authenticate").iter().count(), 2);
}

#[tokio::test]
async fn a_known_moment_to_come_back_is_rounded_up() {
    let fixture = Fixture::new(|| {
        let error = Error::new(ErrorKind::UpstreamRateLimited, "slow down");
        Err(error.with_retry_after(std::time::Duration::from_millis(2001)).into())
    });
    assert_eq!(header(fixture.get(FILE).await.headers(), "retry-after"), "3");
}

#[tokio::test]
async fn a_remembered_absence_says_that_upstream_was_not_asked() {
    let fixture = Fixture::new(|| Err(Error::new(ErrorKind::NotFound, "no").remembered().into()));
    let answer = fixture.get(FILE).await;
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(answer.headers(), "cache-status"), "artifactapi; hit; detail=negative");
    let asked = Fixture::failing(ErrorKind::NotFound).get(FILE).await;
    assert_eq!(header(asked.headers(), "cache-status"), "");
}

#[tokio::test]
async fn a_guarded_action_without_a_token_never_reaches_its_handler() {
    let guard = Authentication::with_token(&Secret::new("s3cret"));
    let fixture = Fixture::with(guard, hello);
    assert_eq!(fixture.get(FILE).await.status(), StatusCode::OK);
    let refused = fixture.get("/api/v2/stats").await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let allowed = Request::get("/api/v2/stats").header("authorization", "Bearer s3cret");
    assert_eq!(fixture.ask(allowed).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn what_is_private_is_kept_from_strangers_and_from_shared_caches() {
    let immutable = || {
        let mut answer = hello()?;
        let caching = http::HeaderValue::from_static("public, max-age=60, immutable");
        answer.response.headers_mut().insert("cache-control", caching);
        Ok(answer)
    };
    let fixture = Fixture::with(Authentication::with_token(&Secret::new("s3cret")), immutable);
    let path = "/api/v1/remote/secret/file";
    let refused = fixture.get(path).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers().get_all("www-authenticate").iter().count(), 2);
    let allowed = fixture.ask(Request::get(path).header("authorization", "Bearer s3cret")).await;
    assert_eq!(header(allowed.headers(), "cache-control"), "private, max-age=60, immutable");
    assert_eq!(text(allowed).await, "hello");
    let public = fixture.get(FILE).await;
    assert_eq!(header(public.headers(), "cache-control"), "public, max-age=60, immutable");
    assert_eq!(text(public).await, "hello");
    let open = Fixture::new(immutable);
    assert_eq!(open.get(path).await.status(), StatusCode::OK, "an open server hides nothing");
}

/// Collects what a subscriber writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn access(&self) -> Vec<serde_json::Value> {
        let written = self.0.lock().unwrap().clone();
        let lines = String::from_utf8(written).unwrap();
        lines
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["target"] == "artifactapi::access")
            .map(|mut line| line["fields"].take())
            .collect()
    }
}

#[tokio::test]
async fn the_access_line_is_written_when_the_body_ends_and_says_how() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
    let _installed = tracing::subscriber::set_default(subscriber);

    let fixture = Fixture::new(hello);
    let response = fixture.get("/api/v1/remote/known/file?token=hunter2").await;
    assert!(lines.access().is_empty(), "the body is still on its way");
    text(response).await;
    let [complete] = &lines.access()[..] else { panic!("one line") };
    assert_eq!(complete["path"], FILE);
    assert_eq!(complete["repository"], "known");
    assert_eq!(complete["cache"], "hit");
    assert_eq!(complete["bytes"], 5);
    assert_eq!(complete["complete"], true);
    assert!(!complete.to_string().contains("hunter2"));

    drop(fixture.get(FILE).await);
    let aborted = lines.access().pop().unwrap();
    assert_eq!(aborted["bytes"], 0);
    assert_eq!(aborted["complete"], false);
}

#[test]
fn requests_are_counted_under_bounded_labels() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let fixture = Fixture::new(hello);
            text(fixture.get(FILE).await).await;
            text(fixture.get(FILE).await).await;
            let denied = Fixture::failing(ErrorKind::Denied);
            denied.get(FILE).await;
            denied.get("/api/v1/remote/made-up-name/x").await;
        });
    });
    let text = handle.render();
    let expected = [
        "artifactapi_http_requests_total{repository=\"known\",package_type=\"madeup\",method=\"GET\",code=\"200\"} 2",
        "artifactapi_http_requests_total{repository=\"known\",package_type=\"madeup\",method=\"GET\",code=\"403\"} 1",
        "artifactapi_cache_requests_total{repository=\"known\",package_type=\"madeup\",result=\"hit\"} 2",
        "artifactapi_cache_requests_total{repository=\"known\",package_type=\"madeup\",result=\"denied\"} 1",
        "artifactapi_http_response_bytes_total{repository=\"known\",package_type=\"madeup\"} 10",
        "artifactapi_http_requests_in_flight 0",
    ];
    for line in expected {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("artifactapi_http_request_duration_seconds"));
    assert!(!text.contains("made-up-name"), "a name that somebody made up is no label");
}
