//! The two servers.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use artifact_core::Secret;
use cas_store::{S3Settings, S3Store};
use http::Response;
use http::request::Parts;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use testkit::services::S3Server;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;

pub(crate) const BUCKET: &str = "artifacts";
pub(crate) const ACCESS_KEY: &str = "test-access-key";
pub(crate) const SECRET_KEY: &str = "test-secret-key";

/// What a script does with a request.
pub(crate) enum Reaction {
    /// Leaves it to the server.
    Pass,
    /// Answers instead of it.
    Answer(Response<s3s::Body>),
    /// Never answers.
    Hang,
}

/// An answer with `body`.
pub(crate) fn answer(status: u16, body: &str) -> Reaction {
    let body = s3s::Body::from(body.to_owned());
    Reaction::Answer(Response::builder().status(status).body(body).unwrap())
}

/// A refusal as S3 words it.
pub(crate) fn refusal(status: u16, code: &str) -> Reaction {
    answer(status, &format!("<Error><Code>{code}</Code><Message>scripted</Message></Error>"))
}

type Script = dyn Fn(&Parts) -> Reaction + Send + Sync;

/// A server in this process, until the test ends.
pub(crate) struct Scripted {
    pub(crate) endpoint: String,
    requests: Arc<Mutex<Vec<String>>>,
    count: watch::Receiver<usize>,
}

impl Scripted {
    /// Serves the directories below `root` as buckets, after asking `script`, and makes a bucket.
    pub(crate) async fn start(
        root: &Path,
        script: impl Fn(&Parts) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = listener.local_addr().unwrap().to_string();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (counter, count) = watch::channel(0);
        let desk = Desk {
            service: service(root),
            script: Arc::new(script),
            requests: Arc::clone(&requests),
            counter: Arc::new(counter),
        };
        tokio::spawn(accept(listener, desk));
        Self { endpoint, requests, count }
    }

    /// All requests until now, as in `GET /bucket/key?query`.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests contain all `words`.
    pub(crate) fn count_of(&self, words: &[&str]) -> usize {
        let is_meant = |request: &&String| words.iter().all(|word| request.contains(word));
        self.requests().iter().filter(is_meant).count()
    }

    /// Waits for a request that contains all `words`.
    pub(crate) async fn request_with(&self, words: &[&str]) {
        let mut count = self.count.clone();
        let arrived = count.wait_for(|_| self.count_of(words) > 0);
        let arrived = timeout(Duration::from_secs(30), arrived).await;
        assert!(arrived.is_ok(), "no request with {words:?} in {:?}", self.requests());
    }
}

#[derive(Clone)]
struct Desk {
    service: S3Service,
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<String>>>,
    counter: Arc<watch::Sender<usize>>,
}

impl Desk {
    async fn serve(self, request: Request<Incoming>) -> Result<Response<s3s::Body>, Infallible> {
        let (parts, body) = request.into_parts();
        self.requests.lock().unwrap().push(format!("{} {}", parts.method, parts.uri));
        self.counter.send_modify(|count| *count += 1);
        match (self.script)(&parts) {
            Reaction::Pass => {
                let request = Request::from_parts(parts, body);
                Ok(Service::call(&self.service, request).await.unwrap())
            }
            Reaction::Answer(answer) => Ok(answer),
            Reaction::Hang => std::future::pending().await,
        }
    }
}

fn service(root: &Path) -> S3Service {
    std::fs::create_dir_all(root.join(BUCKET)).unwrap();
    let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root).unwrap());
    builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
    builder.build()
}

async fn accept(listener: TcpListener, desk: Desk) {
    while let Ok((stream, _)) = listener.accept().await {
        let desk = desk.clone();
        tokio::spawn(async move {
            let server = auto::Builder::new(TokioExecutor::new());
            let service = service_fn(move |request| desk.clone().serve(request));
            // A client that goes away is no fault of the test.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// What a client of the server in this process has to know.
pub(crate) fn settings(endpoint: &str) -> S3Settings {
    S3Settings::new(endpoint, BUCKET, ACCESS_KEY, Secret::new(SECRET_KEY))
}

/// A store on a server in this process whose files are below `root`.
pub(crate) async fn store_in_process(root: &Path) -> S3Store {
    let server = Scripted::start(root, |_| Reaction::Pass).await;
    S3Store::new(&settings(&server.endpoint)).unwrap()
}

/// What a client of a real server has to know, and an empty bucket there.
pub(crate) async fn settings_of(server: &S3Server) -> S3Settings {
    let bucket = server.create_bucket().await;
    let secret_key = Secret::new(server.secret_key());
    S3Settings::new(&server.endpoint(), &bucket, server.access_key(), secret_key)
}
