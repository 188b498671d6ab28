//! The real binary: starting, refusing, stopping.

#![expect(
    clippy::unwrap_used,
    reason = "clippy exempts test functions but not the helpers beside them"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

/// The binary with an environment of our own.
fn server(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_artifactapi-server"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("DATA_DIR", data)
        .stdin(Stdio::null());
    command
}

struct Running {
    process: Child,
    address: String,
    banner: Vec<String>,
    stderr: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(mut command: Command) -> Self {
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut banner: Vec<String> = Vec::new();
        while !banner.last().is_some_and(|line| line.starts_with("  next ")) {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "no banner: {banner:?}");
            banner.push(line.trim_end().to_owned());
        }
        let listening = "  listening on http://";
        let address = banner.iter().find_map(|line| line.strip_prefix(listening)).unwrap();
        Self { address: address.to_owned(), process, banner, stderr }
    }

    fn get(&self, path: &str) -> String {
        self.request(&format!("GET {path} HTTP/1.1"), "")
    }

    fn request(&self, line: &str, body: &str) -> String {
        let mut connection = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let request = format!(
            "{line}\r\nHost: {}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}",
            self.address
        );
        connection.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    }

    fn stop(mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let status = self.process.wait().unwrap();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        assert!(status.success(), "{status}: {rest}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Only what a failed test left behind; both fail if the process ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_server_starts_on_an_empty_directory_answers_and_stops_with_success() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(server(&directory.path().join("new/data")));
    assert!(running.banner.iter().any(|line| line.contains("OPEN")), "{:?}", running.banner);
    assert!(running.get("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
    let ready = running.get("/readyz?verbose");
    assert!(ready.contains("[+]metadata ok") && ready.contains("[+]storage ok"), "{ready}");
    assert!(running.get("/metrics").contains("artifactapi_build_info"));
    assert!(running.get("/nothing").starts_with("HTTP/1.1 404 "));
    for command in ["healthcheck", "wait"] {
        let output = server(directory.path())
            .args([command, "--endpoint", &running.address])
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {}", stderr(&output));
    }
    running.stop();
}

#[test]
fn a_repository_survives_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(server(directory.path()));
    let document = r#"{"name":"files","package_type":"generic"}"#;
    let created = running.request("POST /api/v2/locals HTTP/1.1", document);
    assert!(created.starts_with("HTTP/1.1 201 Created\r\n"), "{created}");
    assert!(created.contains("location: /api/v2/locals/files\r\n"), "{created}");
    let url = format!("\"url\":\"http://{}/api/v1/local/files\"", running.address);
    assert!(created.contains(&url), "{created}");
    running.stop();

    let running = Running::start(server(directory.path()));
    assert!(running.banner.iter().any(|line| line == "  repositories 1 (generic)"));
    let stored = running.request("PUT /api/v1/local/files/a/b.txt HTTP/1.1", "hello");
    assert!(stored.starts_with("HTTP/1.1 201 Created\r\n"), "{stored}");
    let read = running.get("/api/v1/local/files/a/b.txt");
    assert!(read.starts_with("HTTP/1.1 200 OK\r\n") && read.ends_with("hello"), "{read}");
    running.stop();
}

/// The value of a header in a raw answer.
fn header<'a>(answer: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}: ");
    answer.split("\r\n").find_map(|line| line.strip_prefix(&*prefix)).unwrap_or_default()
}

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or_default()
}

#[test]
fn the_management_interface_keeps_the_conventions_of_http() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(server(directory.path()));
    let ask = |line: &str, body: &str| running.request(&format!("{line} HTTP/1.1"), body);

    let broken = ask("POST /api/v2/locals", "{\n \"name\": }");
    assert_eq!(status(&broken), "400");
    assert_eq!(header(&broken, "content-type"), "application/problem+json");
    assert!(broken.contains("line 2, column 10"), "{broken}");
    assert!(broken.contains("\"instance\":\"/api/v2/locals\""), "{broken}");
    let large = ask("POST /api/v2/locals", &" ".repeat(1024 * 1024 + 1));
    assert_eq!(status(&large), "413", "{large}");
    assert_eq!(status(&ask("GET /api/v2/locals?limt=1", "")), "400");

    let rehearsed = ask("PUT /api/v2/locals/a?dry_run=true", r#"{"package_type":"generic"}"#);
    assert_eq!(status(&rehearsed), "200", "{rehearsed}");
    assert_eq!(status(&ask("GET /api/v2/locals/a", "")), "404");
    for name in ["a", "b"] {
        let line = format!("PUT /api/v2/locals/{name}");
        assert_eq!(status(&ask(&line, r#"{"package_type":"generic"}"#)), "201");
    }
    let page = ask("GET /api/v2/locals?limit=1", "");
    let link = header(&page, "link");
    let next = link.strip_prefix('<').and_then(|link| link.split_once(">; rel=\"next\""));
    let (next, _) = next.unwrap_or_else(|| panic!("{page}"));
    let second = ask(&format!("GET {next}"), "");
    assert!(second.contains("\"name\":\"b\"") && !second.contains("\"name\":\"a\""), "{second}");

    let etag = header(&ask("GET /api/v2/locals/a", ""), "etag").to_owned();
    let conditional = |header: &str, tag: &str, method: &str| {
        let line = format!("{method} /api/v2/locals/a HTTP/1.1\r\n{header}: {tag}");
        status(&running.request(&line, "")).to_owned()
    };
    assert_eq!(conditional("If-None-Match", &etag, "GET"), "304");
    assert_eq!(conditional("If-Match", "\"other\"", "DELETE"), "412");
    assert_eq!(conditional("If-Match", &etag, "DELETE"), "204");
    assert_eq!(conditional("If-Match", "*", "GET"), "404");

    let refused = ask("POST /api/v2/locals/b", "");
    assert_eq!(
        (status(&refused), header(&refused, "allow")),
        ("405", "GET, HEAD, PUT, PATCH, DELETE")
    );
    let head = ask("HEAD /api/v2/locals/b", "");
    assert!(head.ends_with("\r\n\r\n") && header(&head, "content-length") != "0", "{head}");
    running.stop();
}

/// Everything in the files of the statistics.
fn statistics(data: &Path) -> String {
    let files = std::fs::read_dir(data).unwrap().map(|file| file.unwrap());
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("statistics.sqlite3"))
        .map(|file| String::from_utf8_lossy(&std::fs::read(file.path()).unwrap()).into_owned())
        .collect()
}

#[test]
fn the_access_log_is_kept_when_it_is_asked_for_and_complete_after_the_stop() {
    let directory = tempfile::tempdir().unwrap();
    for (days, is_kept) in [("", false), ("1", true)] {
        let mut command = server(directory.path());
        command.env("ACCESS_LOG_DAYS", days);
        let running = Running::start(command);
        let asked =
            "GET /api/v1/remote/audited/file?token=hunter2 HTTP/1.1\r\nX-Request-Id: audit-1";
        assert_eq!(status(&running.request(asked, "")), "404");
        running.stop();
        let kept = statistics(directory.path());
        assert_eq!(kept.contains("audit-1"), is_kept, "ACCESS_LOG_DAYS={days}");
        assert_eq!(kept.contains("/api/v1/remote/audited/file"), is_kept);
        assert!(!kept.contains("hunter2"), "the query may be a secret");
    }
}

#[test]
fn a_token_guards_the_management() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = server(directory.path());
    command.env("ADMIN_TOKEN", "s3cret");
    let running = Running::start(command);
    assert!(running.get("/api/v2/remotes").starts_with("HTTP/1.1 401 "));
    let authorized = "GET /api/v2/remotes HTTP/1.1\r\nAuthorization: Bearer s3cret";
    assert!(running.request(authorized, "").starts_with("HTTP/1.1 200 "));
    running.stop();
}

/// The text of a field of the JSON document in an answer.
fn field(answer: &str, name: &str) -> String {
    let (_, rest) = answer.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split('"').next().unwrap().to_owned()
}

#[test]
fn a_token_and_a_ticket_outlive_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let start = || {
        let mut command = server(directory.path());
        command.env("ADMIN_TOKEN", "s3cret");
        Running::start(command)
    };
    let ask = |running: &Running, line: &str, token: &str, body: &str| {
        running.request(&format!("{line} HTTP/1.1\r\nAuthorization: Bearer {token}"), body)
    };
    let running = start();
    let document = r#"{"name":"secret","package_type":"generic","private":true}"#;
    assert!(ask(&running, "POST /api/v2/locals", "s3cret", document).contains(" 201 "));
    assert!(ask(&running, "PUT /api/v1/local/secret/f", "s3cret", "content").contains(" 201 "));
    let document = r#"{"name":"ci","scopes":["read:secret"]}"#;
    let created = ask(&running, "POST /api/v2/tokens", "s3cret", document);
    let token = field(&created, "secret");
    let issued = ask(&running, "GET /token?scope=repository:secret/f:pull", &token, "");
    let ticket = field(&issued, "token");
    running.stop();

    let running = start();
    assert!(running.get("/api/v1/local/secret/f").starts_with("HTTP/1.1 401 "));
    for credential in [token, ticket] {
        let answer = ask(&running, "GET /api/v1/local/secret/f", &credential, "");
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("content"), "{answer}");
        let refused = ask(&running, "GET /api/v2/tokens", &credential, "");
        assert!(refused.starts_with("HTTP/1.1 40"), "{refused}");
    }
    running.stop();
}

#[test]
fn a_second_process_on_the_same_directory_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let running = Running::start(server(directory.path()));
    let second = server(directory.path()).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    let message = stderr(&second);
    assert!(message.contains("is in use by"), "{message}");
    assert!(message.contains(&running.process.id().to_string()), "{message}");
    running.stop();
}

#[test]
fn the_configuration_check_reports_everything_and_starts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("data");
    let output = server(&data)
        .args(["config", "check"])
        .env("LISTEN_ADDR", "nowhere")
        .env("DBHOST", "db")
        .env("DBPORT", "none")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = stderr(&output);
    assert!(message.contains("LISTEN_ADDR: ") && message.contains("DBPORT: "), "{message}");
    assert!(!data.exists());

    let refused = server(&data).env("REDIS_URL", "http://x").output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("REDIS_URL"), "{}", stderr(&refused));
    assert!(server(&data).args(["config", "check"]).output().unwrap().status.success());
}

#[test]
fn the_configuration_is_shown_on_standard_output_without_secrets() {
    let directory = tempfile::tempdir().unwrap();
    let output = server(directory.path())
        .args(["config", "show"])
        .env("ADMIN_TOKEN", "hunter2")
        .output()
        .unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("LISTEN_ADDR=127.0.0.1:0\n"), "{shown}");
    assert!(shown.contains("ADMIN_TOKEN=(set)\n") && !shown.contains("hunter2"), "{shown}");
}

#[test]
fn wrong_usage_has_a_status_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let output = server(directory.path()).arg("--nonsense").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
