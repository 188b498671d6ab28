//! The server under test, started as it ships but for its access log.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use e2e::{DataDirectory, Exchange, HttpClient};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use testkit::Origin;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

const BANNER: &str = "listening on ";
const LOG_LEVEL: &str = "info,artifactapi::access=warn,refinery_core=warn";

/// A running server. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Subject {
    process: Child,
    // Closed, it would break the pipe that the server writes to.
    _stdout: BufReader<ChildStdout>,
    started: Instant,
    root: String,
    http: HttpClient,
    data: DataDirectory,
}

impl Subject {
    /// Starts on `data` and returns when the server says where it listens.
    pub(crate) async fn start(data: DataDirectory) -> Result<Self> {
        let binary = crate::server_binary()?;
        let started = Instant::now();
        let mut process = command(&binary, &data).spawn()?;
        let stdout = process.stdout.take().context("no stdout")?;
        let mut stdout = BufReader::new(stdout);
        let root = announced(&mut stdout).await?;
        let http = HttpClient::new();
        Ok(Self { process, _stdout: stdout, started, root, http, data })
    }

    /// A remote towards `origin`, with nothing but the required fields.
    pub(crate) async fn add_remote(
        &self,
        name: &str,
        package_type: &str,
        origin: &Origin,
    ) -> Result<()> {
        let body = json!({"name": name, "package_type": package_type, "base_url": origin.url("/")});
        let answer = self.http.post_json(&self.url("/api/v2/remotes"), &body).await?;
        ensure!(answer.status == 201, "POST {body}: {} {}", answer.status, answer.text());
        Ok(())
    }

    /// The URL of `path`, which starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.root)
    }

    /// The URL of a file of a remote.
    pub(crate) fn file(&self, remote: &str, path: &str) -> String {
        self.url(&format!("/api/v1/remote/{remote}{path}"))
    }

    /// `GET`; anything but a whole 200 is an error.
    pub(crate) async fn get(&self, url: &str) -> Result<Exchange> {
        whole(&self.http, url, &[]).await
    }

    /// The id of the process.
    pub(crate) fn id(&self) -> Result<u32> {
        self.process.id().context("the server has ended")
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Asks it to finish and waits until it has; what it stored is left.
    pub(crate) async fn stop(mut self) -> Result<DataDirectory> {
        let id = Pid::from_raw(i32::try_from(self.id()?)?).context("no process id")?;
        kill_process(id, Signal::TERM)?;
        let status = self.process.wait().await?;
        ensure!(status.success(), "the server ended with {status}");
        Ok(self.data.clone())
    }
}

/// `GET` with headers; anything but a whole 200 is an error.
pub(crate) async fn whole(
    http: &HttpClient,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Exchange> {
    let answer = http.send(http::Method::GET, url, headers, "").await?;
    ensure!(answer.status == 200, "GET {url}: {} {}", answer.status, answer.text());
    ensure!(answer.is_complete, "GET {url}: the body broke off");
    Ok(answer)
}

fn command(binary: &Path, data: &DataDirectory) -> Command {
    let mut command = Command::new(binary);
    command
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("DATA_DIR", data.path())
        .env("LOG_LEVEL", LOG_LEVEL)
        .env_remove("PUBLIC_URL")
        .env_remove("ADMIN_TOKEN")
        .current_dir(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

async fn announced(stdout: &mut BufReader<ChildStdout>) -> Result<String> {
    let mut lines = stdout.lines();
    while let Some(line) = lines.next_line().await? {
        if let Some((_, root)) = line.split_once(BANNER) {
            return Ok(root.trim().trim_end_matches('/').to_owned());
        }
    }
    bail!("the server ended before it announced an address");
}
