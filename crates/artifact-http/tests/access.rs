//! Tokens, tickets and private repositories through the whole service.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a panic is the verdict of a test"
)]

use std::sync::Arc;
use std::time::Duration;

use artifact_core::ports::{AccessLogRecord, RepositoryStore};
use artifact_core::{Clock, ErrorKind, Provider, Secret, SystemClock, Timestamp};
use artifact_engine::admin::{Access, Admin, ServerInfo};
use artifact_engine::{AccessLogSettings, Engine, EngineParts, Settings};
use artifact_http::{Authentication, HttpService};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use cas_store::{FileSpool, MemoryStore, Quota};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{MemoryMetaStore, ScriptedUpstream};
use tower::Service;
use ttl_cache::MemoryTtlCache;

const ADMINISTRATOR: &str = "Bearer s3cret";

/// A server with a public and a private local repository, in each of which there is a file, and a host that stands for
/// the private one.
struct World {
    service: HttpService,
    engine: Arc<Engine>,
    meta: Arc<MemoryMetaStore>,
    _directory: TempDir,
}

impl World {
    async fn new(authentication: Authentication) -> Self {
        let directory = TempDir::new().unwrap();
        let meta = Arc::new(MemoryMetaStore::default());
        let generic: Arc<dyn Provider> = Arc::new(provider_generic::GenericProvider::new());
        let parts = EngineParts {
            meta: Arc::clone(&meta) as _,
            blobs: Arc::new(MemoryStore::default()),
            staging: Arc::new(MemoryStore::default()),
            spool: Arc::new(FileSpool::open(directory.path(), Quota::default()).unwrap()),
            ttl: Arc::new(MemoryTtlCache::default()),
            upstream: Arc::new(ScriptedUpstream::new()),
            peers: None,
            providers: [generic].into_iter().collect(),
            signer: None,
            clock: Arc::new(SystemClock),
        };
        let spill_directory = directory.path().join("access-log-spill");
        let access_log = Some(AccessLogSettings { days: 1, spill_directory });
        let settings = Settings { access_log, ..Settings::default() };
        let engine = Engine::start(parts, settings).await.unwrap();
        let started_at = SystemClock.now();
        let info = ServerInfo { version: "1.2.3".into(), started_at, access: Access::Token };
        let admin = Arc::new(Admin::new(Arc::clone(&engine), info));
        let service = HttpService::builder(Arc::clone(&engine), admin)
            .authentication(authentication)
            .registry_hosts("secret.example=secret".parse().unwrap())
            .build();
        let mut world = Self { service, engine, meta, _directory: directory };
        for (name, private) in [("open", false), ("secret", true)] {
            let document = json!({"name": name, "package_type": "generic", "private": private});
            world.manage("POST /api/v2/locals", &document).await;
            let stored = world.ask(&format!("PUT /api/v1/local/{name}/f"), ADMINISTRATOR).await;
            assert_eq!(stored.status(), StatusCode::CREATED);
        }
        world
    }

    async fn closed() -> Self {
        let authentication = Authentication::with_token(&Secret::new("s3cret"));
        Self::new(authentication.with_ticket_secret(&Secret::new("shared"))).await
    }

    async fn send(&mut self, request: &str, authorization: &str, body: String) -> Response<Bytes> {
        let (method, target) = request.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(target).header("host", "a.example");
        if !authorization.is_empty() {
            request = request.header("authorization", authorization);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap();
        let (head, body) = self.service.call(request).await.unwrap().into_parts();
        Response::from_parts(head, body.collect().await.unwrap().to_bytes())
    }

    async fn ask(&mut self, request: &str, authorization: &str) -> Response<Bytes> {
        self.send(request, authorization, "content".to_owned()).await
    }

    async fn status(&mut self, request: &str, authorization: &str) -> u16 {
        self.ask(request, authorization).await.status().as_u16()
    }

    async fn manage(&mut self, request: &str, document: &Value) -> Value {
        let answer = self.send(request, ADMINISTRATOR, document.to_string()).await;
        assert!(answer.status().is_success(), "{answer:?}");
        serde_json::from_slice(answer.body()).unwrap_or_default()
    }

    /// A new token: its id, and what is sent to present it.
    async fn token(&mut self, name: &str, scopes: &[&str]) -> (String, String) {
        let document = json!({"name": name, "scopes": scopes});
        let created = self.manage("POST /api/v2/tokens", &document).await;
        let text = |field: &str| created[field].as_str().unwrap().to_owned();
        (text("id"), format!("Bearer {}", text("secret")))
    }

    /// The ticket that is issued for `request`, as a credential.
    async fn ticket(&mut self, request: &str, authorization: &str) -> String {
        let answer = self.send(request, authorization, String::new()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{answer:?}");
        format!("Bearer {}", issued(&answer)["token"].as_str().unwrap())
    }

    async fn log(self) -> Vec<AccessLogRecord> {
        self.engine.shutdown(Duration::from_secs(5)).await;
        self.meta.access_log()
    }
}

fn issued(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// The secret of a Bearer credential as the password of Basic.
fn basic(bearer: &str) -> String {
    let secret = bearer.strip_prefix("Bearer ").unwrap();
    format!("Basic {}", STANDARD.encode(format!("anybody:{secret}")))
}

#[tokio::test]
async fn a_token_reads_and_writes_where_its_scopes_say() {
    let mut world = World::closed().await;
    let (_, reader) = world.token("reader", &["read:sec*"]).await;
    let (_, writer) = world.token("writer", &["write:open"]).await;
    let (_, admin) = world.token("other-admin", &["admin"]).await;
    for (request, anonymous, reading, writing) in [
        ("GET /api/v1/local/open/f", 200, 200, 200),
        ("GET /api/v1/local/secret/f", 401, 200, 403),
        ("HEAD /api/v1/local/secret/f", 401, 200, 403),
        ("GET /api/v1/local/secret/absent", 401, 404, 403),
        ("PUT /api/v1/local/open/g", 401, 403, 201),
        ("PUT /api/v1/local/secret/g", 401, 403, 403),
        ("GET /api/v2/locals/secret/objects", 401, 200, 403),
        ("GET /api/v2/repositories/secret/snippets", 401, 200, 403),
        ("DELETE /api/v2/locals/open/objects?path=g", 401, 403, 200),
        ("GET /api/v2/locals/open", 401, 403, 403),
        ("GET /api/v2/tokens", 401, 403, 403),
    ] {
        assert_eq!(world.status(request, "").await, anonymous, "{request}");
        assert_eq!(world.status(request, &reader).await, reading, "{request}");
        assert_eq!(world.status(request, &basic(&writer)).await, writing, "{request}");
    }
    assert_eq!(world.status("GET /api/v2/tokens", &admin).await, 200);
    assert_eq!(world.status("DELETE /api/v2/locals/open", &admin).await, 204);
}

#[tokio::test]
async fn what_some_may_read_is_not_for_caches_that_all_share() {
    let mut world = World::closed().await;
    let caching = |answer: Response<Bytes>| {
        answer.headers()["cache-control"].to_str().unwrap().starts_with("private")
    };
    assert!(caching(world.ask("GET /api/v1/local/secret/f", ADMINISTRATOR).await));
    assert!(!caching(world.ask("GET /api/v1/local/open/f", ADMINISTRATOR).await));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_is_worth_nothing_five_seconds_later() {
    let mut world = World::closed().await;
    let (id, token) = world.token("ci", &["read:*"]).await;
    assert_eq!(world.status("GET /api/v1/local/secret/f", &token).await, 200);
    world.manage(&format!("DELETE /api/v2/tokens/{id}"), &Value::Null).await;
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(world.status("GET /api/v1/local/secret/f", &token).await, 401);
}

#[tokio::test]
async fn a_warm_hit_with_a_token_asks_no_store() {
    let mut world = World::closed().await;
    let (_, token) = world.token("ci", &["read:*"]).await;
    for _ in 0..3 {
        assert_eq!(world.status("GET /api/v1/local/secret/f", &token).await, 200);
    }
    let before = world.meta.calls();
    assert_eq!(world.status("GET /api/v1/local/secret/f", &token).await, 200);
    assert_eq!(world.meta.calls(), before);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_known_tokens_read_and_nobody_gains_anything() {
    let mut world = World::closed().await;
    let (_, known) = world.token("known", &["write:*"]).await;
    let (_, unseen) = world.token("unseen", &["write:*"]).await;
    for _ in 0..2 {
        assert_eq!(world.status("GET /api/v1/local/secret/f", &known).await, 200);
    }
    world.meta.fail_with(Some(ErrorKind::Unavailable));
    tokio::time::advance(Duration::from_secs(5)).await;
    for (request, token, expected) in [
        ("GET /api/v1/local/secret/f", &*known, 200),
        ("PUT /api/v1/local/secret/g", &known, 503),
        ("GET /api/v1/local/secret/f", &unseen, 503),
        ("GET /token", &known, 503),
        ("GET /api/v1/local/secret/f", "Bearer nonsense", 401),
        ("GET /api/v1/local/open/f", "", 200),
    ] {
        assert_eq!(world.status(request, token).await, expected, "{request} {token}");
    }
    let refused = world.ask("GET /api/v1/local/secret/f", &unseen).await;
    assert!(refused.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn the_log_tells_whose_token_it_was() {
    let mut world = World::closed().await;
    let (_, token) = world.token("ci", &["read:*"]).await;
    world.status("GET /api/v1/local/secret/f", &token).await;
    world.status("PUT /api/v1/local/secret/g", &token).await;
    world.status("GET /api/v1/local/open/f", "").await;
    let log = world.log().await;
    let [.., read, refused, anonymous] = &log[..] else { panic!("{log:?}") };
    let facts = |record: &AccessLogRecord| (record.principal.clone(), record.status);
    assert_eq!(facts(read), ("ci".to_owned(), 200));
    assert_eq!(facts(refused), ("ci".to_owned(), 403));
    assert_eq!(facts(anonymous), (String::new(), 200));
}

#[tokio::test]
async fn the_log_names_the_repository_that_a_host_stands_for() {
    let mut world = World::closed().await;
    world.status("GET http://secret.example/v2/open/app/tags/list", "").await;
    world.status("GET http://other.example/v2/open/app/tags/list", "").await;
    let log = world.log().await;
    let [.., by_host, by_path] = &log[..] else { panic!("{log:?}") };
    assert_eq!(by_host.path, by_path.path);
    assert_eq!(by_host.repository.as_deref(), Some("secret"));
    assert_eq!(by_path.repository.as_deref(), Some("open"));
}

#[tokio::test]
async fn under_the_host_of_a_repository_every_scope_is_meant_for_it() {
    let mut world = World::closed().await;
    let (_, token) = world.token("ci", &["write:*"]).await;
    let asking = "/token?scope=repository:open/app:pull,push";
    let ticket = world.ticket(&format!("GET http://secret.example{asking}"), &token).await;
    assert_eq!(world.status("PUT /api/v1/local/secret/g", &ticket).await, 201);
    assert_eq!(world.status("PUT /api/v1/local/open/g", &ticket).await, 401);
    let ticket = world.ticket(&format!("GET {asking}"), &token).await;
    assert_eq!(world.status("PUT /api/v1/local/open/h", &ticket).await, 201);
}

#[tokio::test]
async fn a_ticket_says_what_clients_want_to_know() {
    let mut world = World::closed().await;
    let before = SystemClock.now().as_seconds();
    let answer = world.ask("GET /token?service=artifactapi", "").await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let issued = issued(&answer);
    assert_eq!(issued["token"], issued["access_token"]);
    assert_eq!(issued["expires_in"], 900);
    let at = Timestamp::from_rfc3339(issued["issued_at"].as_str().unwrap()).unwrap();
    assert!((before..=SystemClock.now().as_seconds()).contains(&at.as_seconds()), "{at}");
}

#[tokio::test]
async fn a_ticket_carries_what_is_asked_and_held() {
    let mut world = World::closed().await;
    let (_, token) = world.token("ci", &["read:secret"]).await;
    let asking =
        "GET /token?scope=repository%3Asecret%2Fapp%3Apull%2Cpush&scope=registry:catalog:*";
    for credential in [token.clone(), basic(&token)] {
        let ticket = world.ticket(asking, &credential).await;
        assert_eq!(world.status("GET /api/v1/local/secret/f", &ticket).await, 200);
        assert_eq!(world.status("PUT /api/v1/local/secret/g", &ticket).await, 401);
        assert_eq!(world.status("GET /api/v2/tokens", &ticket).await, 401);
    }
    let identity = world.ticket("GET /token?account=ci", &basic(&token)).await;
    assert_eq!(world.status("GET /api/v1/local/secret/f", &identity).await, 401);
    assert_eq!(world.status("GET /api/v1/local/open/f", &identity).await, 200);
    let all = world.ticket(asking, &basic(ADMINISTRATOR)).await;
    assert_eq!(world.status("PUT /api/v1/local/secret/g", &all).await, 201);
    assert_eq!(world.status("GET /api/v2/tokens", &all).await, 401, "never more than repositories");
    let stranger = world.ticket(asking, "Basic Og==").await;
    assert_eq!(world.status("GET /api/v1/local/secret/f", &stranger).await, 401);
}

#[tokio::test]
async fn a_form_is_an_application_too() {
    let mut world = World::closed().await;
    let (_, token) = world.token("ci", &["write:secret"]).await;
    let secret = token.strip_prefix("Bearer ").unwrap();
    let scope = "scope=repository%3Asecret%2Fapp%3Apull%2Cpush";
    for (file, form) in [
        ("g", format!("client_id=c&grant_type=password&username=u&password={secret}&{scope}")),
        ("h", format!("grant_type=refresh_token&refresh_token={secret}&{scope}")),
    ] {
        let answer = world.send("POST /token", "", form).await;
        let ticket = format!("Bearer {}", issued(&answer)["access_token"].as_str().unwrap());
        let put = format!("PUT /api/v1/local/secret/{file}");
        assert_eq!(world.status(&put, &ticket).await, 201);
    }
    let long = "x".repeat(64 * 1024 + 1);
    for (form, expected) in [
        ("grant_type=password&username=u&password=wrong", 401),
        ("grant_type=authorization_code&code=x", 400),
        (&long, 413),
    ] {
        let answer = world.send("POST /token", "", form.to_owned()).await;
        assert_eq!(answer.status().as_u16(), expected);
    }
}

#[tokio::test]
async fn wrong_credentials_get_no_ticket() {
    let mut world = World::closed().await;
    for wrong in ["Bearer nonsense", "Basic dTpw"] {
        let refused = world.ask("GET /token?scope=repository:open/x:pull", wrong).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
        assert!(refused.headers().contains_key("www-authenticate"));
    }
    let mut without = World::new(Authentication::with_token(&Secret::new("s3cret"))).await;
    assert_eq!(without.status("GET /token", ADMINISTRATOR).await, 404);
}

#[tokio::test]
async fn an_open_server_gives_everybody_a_ticket_that_says_nothing() {
    let open = Authentication::open().with_ticket_secret(&Secret::new("shared"));
    let mut world = World::new(open).await;
    for credential in ["", "Basic dTpw"] {
        let ticket = world.ticket("GET /token?scope=repository:secret/x:push", credential).await;
        assert_eq!(world.status("GET /api/v1/local/secret/f", &ticket).await, 200);
    }
    assert_eq!(world.meta.repositories().await.unwrap().repositories.len(), 2);
}
