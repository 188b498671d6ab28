//! What the client writes on the wire and reads from it, against a scripted server.

#![expect(clippy::unwrap_used, reason = "a panic is the verdict of a test")]

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use admin_client::{AdminClient, SecretString};
use admin_types::{
    AdminApi, Condition, Kind, ListQuery, ObjectQuery, Outcome, Problem, Selection, SnippetApi,
    StatsQuery, TokenApi, TokenQuery, Write,
};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// A server that answers everything the same and remembers what it was asked.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn start(
        status: u16,
        headers: &'static [(&'static str, &'static str)],
        body: String,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, body) = (Arc::clone(&log), body.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    let (log, body) = (Arc::clone(&log), body.clone());
                    async move {
                        let line = describe(request).await;
                        log.lock().unwrap().push(line);
                        let mut response = Response::new(Full::new(Bytes::from(body)));
                        *response.status_mut() = StatusCode::from_u16(status).unwrap();
                        for (name, value) in headers {
                            response.headers_mut().insert(*name, value.parse().unwrap());
                        }
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { address, seen }
    }

    fn client(&self) -> AdminClient {
        AdminClient::new(&self.address, Some(&SecretString::from("token"))).unwrap()
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

/// Method, target, the headers that matter and the body in one line.
async fn describe(request: Request<Incoming>) -> String {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let mut line = format!("{} {}", head.method, head.uri);
    for name in ["authorization", "content-type", "if-match", "if-none-match"] {
        if let Some(value) = head.headers.get(name) {
            line = format!("{line} {name}={}", value.to_str().unwrap());
        }
    }
    format!("{line} {}", String::from_utf8_lossy(&body)).trim_end().to_owned()
}

fn local() -> String {
    json!({
        "name": "files", "package_type": "generic", "description": "", "allow_overwrite": false,
        "managed_by": "", "url": "http://host/api/v1/local/files", "objects": 0, "stored_bytes": 0,
        "created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:05Z",
        "status": {"state": "ok", "since": null, "last_error": null}, "field_of_tomorrow": 1,
    })
    .to_string()
}

#[tokio::test]
async fn a_write_carries_its_condition_and_its_media_type() {
    let server = Server::start(200, &[("etag", "\"1-2\"")], local()).await;
    let client = server.client();
    let document = json!({"name": "files"});
    client.write(Kind::Local, Write::create(document.clone()).rehearsed()).await.unwrap();
    let replace = Write::replace("files", document.clone());
    client.write(Kind::Local, replace.on(Condition::IfNoneMatchAny)).await.unwrap();
    let merge = Write::merge("files", document).on(Condition::IfMatch("\"1-1\"".into()));
    let written = client.write(Kind::Local, merge).await.unwrap();
    assert_eq!(written.outcome, Outcome::Replaced);
    assert_eq!(written.repository.etag, "\"1-2\"");
    assert_eq!(written.repository.value.kind(), Kind::Local);
    let json = "authorization=Bearer token content-type=application/json";
    let merge = "authorization=Bearer token content-type=application/merge-patch+json";
    assert_eq!(
        server.seen(),
        [
            format!("POST /api/v2/locals?dry_run=true {json} {{\"name\":\"files\"}}"),
            format!("PUT /api/v2/locals/files {json} if-none-match=* {{\"name\":\"files\"}}"),
            format!("PATCH /api/v2/locals/files {merge} if-match=\"1-1\" {{\"name\":\"files\"}}"),
        ]
    );
}

#[tokio::test]
async fn every_other_call_asks_for_its_resource() {
    let evicted = json!({"objects": 1, "bytes": 2, "dry_run": true}).to_string();
    let server = Server::start(200, &[], evicted).await;
    let client = server.client();
    let selection = Selection::Prefix("a b/".into());
    let evicted = client.evict(Kind::Remote, "npm", selection, true).await.unwrap();
    assert_eq!((evicted.objects, evicted.bytes, evicted.dry_run), (1, 2, true));
    client.delete(Kind::Remote, "npm", Condition::IfMatch("\"1\"".into()), false).await.unwrap();
    // The scripted body fits none of these; what was asked for is all that matters here.
    assert!(client.list(Kind::Virtual, ListQuery::default()).await.is_err());
    assert!(client.objects(Kind::Local, "files", ObjectQuery::default()).await.is_err());
    assert!(client.stats(StatsQuery::default()).await.is_err());
    assert!(client.health().await.is_err());
    assert!(client.snippets("npm", Some("pnpm"), "").await.is_err());
    assert!(client.tokens(TokenQuery::default()).await.is_err());
    assert!(client.create_token(json!({"name": "ci"})).await.is_err());
    client.revoke_token("a/b").await.unwrap();
    let seen = server.seen();
    let targets: Vec<_> =
        seen.iter().map(|line| line.replace(" authorization=Bearer token", "")).collect();
    assert_eq!(
        targets,
        [
            "DELETE /api/v2/remotes/npm/objects?prefix=a%20b%2F&dry_run=true",
            "DELETE /api/v2/remotes/npm if-match=\"1\"",
            "GET /api/v2/virtuals?limit=50&sort=name",
            "GET /api/v2/locals/files/objects?limit=100",
            "GET /api/v2/stats?window=86400s",
            "GET /api/v2/health",
            "GET /api/v2/repositories/npm/snippets?client=pnpm",
            "GET /api/v2/tokens?limit=100",
            "POST /api/v2/tokens content-type=application/json {\"name\":\"ci\"}",
            "DELETE /api/v2/tokens/a%2Fb",
        ]
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let server = Server::start(307, &[("location", "/elsewhere")], String::new()).await;
    let problem = server.client().health().await.unwrap_err();
    assert_eq!(problem.status, 307);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_no_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let client = AdminClient::new(&address, None).unwrap();
    let problem = client.health().await.unwrap_err();
    assert_eq!(problem.status, Problem::NO_ANSWER);
    assert!(problem.detail.starts_with(&address), "{problem}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let client = AdminClient::new(&address, None).unwrap().with_deadline(Duration::from_millis(50));
    let problem = client.health().await.unwrap_err();
    assert_eq!(problem.status, Problem::NO_ANSWER);
    assert!(problem.detail.contains("no answer within"), "{problem}");
    drop(listener);
}
