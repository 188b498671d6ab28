//! The launchers of private servers, seen from plain connections and the servers' own clients.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testkit::services::{DockerEngine, PostgresServer, RedisServer, S3Server, shared};

/// How long a server must be silent to count as frozen.
const SILENCE: Duration = Duration::from_millis(300);
const LIMIT: Duration = Duration::from_secs(20);

fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).unwrap()
}

/// Whether the server says anything on `stream` within `limit`.
fn answers(stream: &mut TcpStream, question: &[u8], limit: Duration) -> bool {
    stream.write_all(question).unwrap();
    hears(stream, limit)
}

fn hears(stream: &mut TcpStream, limit: Duration) -> bool {
    stream.set_read_timeout(Some(limit)).unwrap();
    stream.read(&mut [0; 1]).is_ok_and(|length| length > 0)
}

/// Waits for what is known to happen soon.
fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < LIMIT, "{what}");
        std::thread::yield_now();
    }
}

/// PostgreSQL answers this with one byte, before any login.
const WANTS_TLS: &[u8] = &[0, 0, 0, 8, 4, 210, 22, 47];

fn psql(server: &PostgresServer, database: &str, password: &str) -> Command {
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--no-password", "--tuples-only", "--no-align", "--quiet"])
        .args(["--host", server.host(), "--port", &server.port().to_string()])
        .args(["--username", server.user(), "--dbname", database])
        .env("PGPASSWORD", password);
    psql
}

/// What the statement returns.
fn query(server: &PostgresServer, database: &str, statement: &str) -> String {
    let output =
        psql(server, database, server.password()).args(["--command", statement]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn postgres_gives_a_superuser_empty_databases_of_their_own() {
    let Some(server) = shared::postgres() else { return };
    let (one, two) = (server.create_database().await, server.create_database().await);
    assert_ne!(one, two);
    query(server, &one, "create table thing (id int)");
    assert_eq!(query(server, &one, "select count(*) from thing"), "0");
    assert_eq!(query(server, &two, "select to_regclass('thing') is null"), "t");
    assert_eq!(query(server, &two, "select rolsuper from pg_roles where rolname = user"), "t");
}

#[test]
fn postgres_refuses_a_wrong_password() {
    let Some(server) = shared::postgres() else { return };
    let output =
        psql(server, "postgres", "wrong").args(["--command", "select 1"]).output().unwrap();
    assert!(!output.status.success());
    let reason = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(reason.contains("password authentication failed"), "{reason}");
}

/// A session that is told statements one by one.
struct Session {
    psql: Child,
    answers: std::sync::mpsc::Receiver<String>,
}

impl Session {
    fn open(server: &PostgresServer) -> Self {
        let mut psql = psql(server, "postgres", server.password())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(psql.stdout.take().unwrap()).lines();
        let (sender, answers) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Self { psql, answers }
    }

    fn say(&mut self, statement: &str) {
        self.psql.stdin.as_mut().unwrap().write_all(statement.as_bytes()).unwrap();
    }

    fn hears(&self, limit: Duration) -> bool {
        self.answers.recv_timeout(limit).is_ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.psql.kill();
        let _ = self.psql.wait();
    }
}

#[test]
fn a_frozen_postgres_answers_neither_new_connections_nor_open_sessions_until_it_is_thawed() {
    let Some(server) = PostgresServer::start().unwrap() else { return };
    let mut session = Session::open(&server);
    session.say("select 1;\n");
    assert!(session.hears(LIMIT));

    server.freeze();
    session.say("select 2;\n");
    let mut connection = connect(server.port());
    assert!(!answers(&mut connection, WANTS_TLS, SILENCE));
    assert!(!session.hears(SILENCE));

    server.thaw();
    assert!(session.hears(LIMIT));
    assert!(hears(&mut connection, LIMIT));
}

#[tokio::test]
async fn a_stopped_postgres_breaks_its_connections_and_a_restarted_one_has_its_data() {
    let Some(server) = PostgresServer::start().unwrap() else { return };
    let database = server.create_database().await;
    query(&server, &database, "create table thing as select 42 as answer");
    let port = server.port();
    let mut connection = connect(port);
    assert!(answers(&mut connection, WANTS_TLS, LIMIT));

    server.stop();
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    assert!(!hears(&mut connection, LIMIT));

    server.restart();
    assert_eq!(server.port(), port);
    assert_eq!(query(&server, &database, "select answer from thing"), "42");
}

#[test]
fn a_restart_ends_a_frozen_postgres() {
    let Some(server) = PostgresServer::start().unwrap() else { return };
    server.freeze();
    server.restart();
    assert_eq!(query(&server, "postgres", "select 1"), "1");
}

fn ask_redis(connection: &mut TcpStream, command: &str) -> String {
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    connection.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut answer = vec![0; 100];
    let length = connection.read(&mut answer).unwrap();
    answer.truncate(length);
    String::from_utf8(answer).unwrap().trim().to_owned()
}

#[test]
fn a_frozen_redis_answers_after_it_is_thawed() {
    let Some(server) = RedisServer::start().unwrap() else { return };
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
    let mut connection = connect(server.port());
    assert_eq!(ask_redis(&mut connection, "PING"), "+PONG");
    server.freeze();
    assert!(!answers(&mut connection, b"PING\r\n", SILENCE));
    server.thaw();
    assert!(hears(&mut connection, LIMIT));
}

#[test]
fn a_redis_that_was_killed_has_what_it_answered_for() {
    let Some(server) = RedisServer::start().unwrap() else { return };
    let mut connection = connect(server.port());
    assert_eq!(ask_redis(&mut connection, "SET key value"), "+OK");
    server.stop();
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err());
    assert!(!hears(&mut connection, LIMIT));
    server.restart();
    assert_eq!(ask_redis(&mut connect(server.port()), "GET key"), "$5\r\nvalue");
}

fn curl(server: &S3Server, path: &str, arguments: &[&str]) -> String {
    let user = format!("{}:{}", server.access_key(), server.secret_key());
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "20"])
        .args(["--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", &user])
        .args(arguments)
        .arg(format!("http://{}/{path}", server.endpoint()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Arguments of an upload.
const PUT: &[&str] = &[
    "--request",
    "PUT",
    "--header",
    "x-amz-content-sha256: UNSIGNED-PAYLOAD",
    "--header",
    "content-type: text/plain",
    "--data-binary",
    "content",
];

#[tokio::test]
async fn an_s3_store_that_was_killed_has_the_objects_of_its_buckets() {
    let Some(server) = S3Server::start().unwrap() else { return };
    let bucket = server.create_bucket().await;
    let object = format!("{bucket}/blobs/one");
    curl(&server, &object, PUT);
    assert!(curl(&server, "", &[]).contains(&bucket));
    server.stop();
    assert!(TcpStream::connect(server.endpoint()).is_err());
    server.restart();
    assert_eq!(curl(&server, &object, &[]), "content");
}

#[test]
fn a_frozen_s3_store_answers_after_it_is_thawed() {
    let Some(server) = S3Server::start().unwrap() else { return };
    let question = b"GET /minio/health/live HTTP/1.0\r\nHost: localhost\r\n\r\n";
    server.freeze();
    let mut connection = connect(server.port());
    assert!(!answers(&mut connection, question, SILENCE));
    server.thaw();
    assert!(hears(&mut connection, LIMIT));
}

fn docker(engine: &DockerEngine, arguments: &[&str]) -> String {
    let output = engine.client().args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_docker_engine_is_private_and_a_restarted_one_has_its_volumes() {
    let Some(engine) = DockerEngine::start().unwrap() else { return };
    let Some(other) = DockerEngine::start().unwrap() else { return };
    docker(&engine, &["volume", "create", "data"]);
    assert_eq!(docker(&other, &["volume", "ls", "--quiet"]), "");
    engine.restart();
    assert_eq!(docker(&engine, &["volume", "ls", "--quiet"]), "data");
}

/// This test again, alone, in a process of its own.
fn again(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env("ROLE", role);
    command
}

fn role() -> Option<String> {
    std::env::var("ROLE").ok()
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

/// A directory for temporary files that other accounts may enter.
fn scratch() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let permissions = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory.path(), permissions).unwrap();
    directory
}

#[test]
fn servers_and_their_directories_are_gone_when_they_are_dropped_frozen_or_not() {
    if role().is_some() {
        let servers = (PostgresServer::start(), RedisServer::start(), S3Server::start());
        let engine = DockerEngine::start();
        if let (Ok(Some(postgres)), Ok(Some(redis))) = (&servers.0, &servers.1) {
            postgres.freeze();
            redis.freeze();
        }
        drop((servers, engine));
        assert!(is_empty(&std::env::temp_dir()));
        return;
    }
    let directory = scratch();
    let test = "servers_and_their_directories_are_gone_when_they_are_dropped_frozen_or_not";
    let status = again(test, "start").env("TMPDIR", directory.path()).status().unwrap();
    assert!(status.success());
}

#[test]
fn servers_and_their_directories_are_gone_when_the_process_of_the_tests_is_killed() {
    if role().is_some() {
        let servers = (shared::postgres(), shared::redis(), shared::s3());
        let ports = [
            servers.0.map(PostgresServer::port),
            servers.1.map(RedisServer::port),
            servers.2.map(S3Server::port),
        ];
        // One that stands still must go, too.
        servers.1.into_iter().for_each(RedisServer::freeze);
        println!("ports {ports:?}");
        loop {
            std::thread::park();
        }
    }
    let directory = scratch();
    let test = "servers_and_their_directories_are_gone_when_the_process_of_the_tests_is_killed";
    let mut child = again(test, "start")
        .env("TMPDIR", directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let ports = ports_announced_by(&mut child);
    for port in &ports {
        connect(*port);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for port in ports {
        eventually("the server is gone", || TcpStream::connect(("127.0.0.1", port)).is_err());
    }
    eventually("the directories are gone", || is_empty(directory.path()));
}

fn ports_announced_by(child: &mut Child) -> Vec<u16> {
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    let line = lines.map(Result::unwrap).find(|line| line.contains("ports ")).unwrap();
    let words = line.split(|letter: char| !letter.is_ascii_digit());
    words.filter_map(|word| word.parse().ok()).collect()
}

#[test]
fn a_missing_server_is_an_error_only_where_backends_are_required() {
    if role().is_some() {
        match RedisServer::start() {
            Ok(server) => println!("present: {}", server.is_some()),
            Err(error) => println!("error: {error}"),
        }
        return;
    }
    let test = "a_missing_server_is_an_error_only_where_backends_are_required";
    let said = |required: &str| {
        let output =
            again(test, "look").env("PATH", "").env("REQUIRE_BACKENDS", required).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for absent in ["", "0"] {
        assert!(said(absent).contains("present: false"), "{}", said(absent));
    }
    assert!(said("1").contains("error: Redis is not installed"), "{}", said("1"));
}
