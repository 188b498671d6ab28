//! The server binary as a process.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::{interval, timeout};

use crate::{Cluster, Environment, Exchange, HttpClient, Start};

const STOP_LIMIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

static BINARY: OnceCell<PathBuf> = OnceCell::const_new();

/// A data directory that outlives the server using it, so that a second one can take over.
#[derive(Clone, Debug)]
pub struct DataDirectory(Arc<TempDir>);

impl DataDirectory {
    /// An empty one, removed when the last user is gone.
    pub fn new() -> Result<Self> {
        Ok(Self(Arc::new(tempfile::tempdir()?)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A running server on a free port of loopback. Killed when dropped. What it logs is part of
/// the test's captured output, so a failed test shows it.
#[derive(Debug)]
pub struct Server {
    process: Child,
    origin: String,
    data: DataDirectory,
    environment: Environment,
    http: HttpClient,
    /// What has to outlive the process.
    services: Option<Cluster>,
}

impl Server {
    /// Starts on an empty data directory.
    pub async fn start() -> Result<Self> {
        Self::start_on(DataDirectory::new()?).await
    }

    /// Starts on `data` and returns when it is ready to serve.
    pub async fn start_on(data: DataDirectory) -> Result<Self> {
        Self::start_with(data, &Environment::new()).await
    }

    /// Starts on `data` with the variables of `environment` and returns when it is ready.
    pub async fn start_with(data: DataDirectory, environment: &Environment) -> Result<Self> {
        Start::begin(data, environment).await?.ready().await
    }

    /// A process that has announced `origin`.
    pub(crate) fn announced(
        process: Child,
        origin: String,
        data: DataDirectory,
        environment: Environment,
    ) -> Self {
        Self { process, origin, data, environment, http: HttpClient::new(), services: None }
    }

    /// The same, which keeps the services that it was started on.
    pub(crate) fn over(self, services: Cluster) -> Self {
        Self { services: Some(services), ..self }
    }

    /// The URL of `path`, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The `host:port` it listens on.
    pub fn authority(&self) -> &str {
        self.origin.trim_start_matches("http://")
    }

    /// The URL of a repository, without a trailing slash; `kind` is the word in the route.
    pub fn repository(&self, kind: &str, name: &str) -> String {
        self.url(&format!("/api/v1/{kind}/{name}"))
    }

    /// Its data directory.
    pub fn data(&self) -> DataDirectory {
        self.data.clone()
    }

    /// A client without any state of its own.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// `GET` of a path of this server.
    pub async fn get(&self, path: &str) -> Result<Exchange> {
        self.http.get(&self.url(path)).await
    }

    /// Asks it to finish, as an operator does, and waits until it has.
    pub async fn stop(self) -> Result<ExitStatus> {
        self.terminate()?;
        self.ended().await
    }

    /// Asks it to finish, as an operator does, and starts it again on what it has kept.
    pub async fn restart(mut self) -> Result<Self> {
        let (data, environment) = (self.data(), self.environment.clone());
        let services = self.services.take();
        let status = self.stop().await?;
        ensure!(status.success(), "the server ended with {status}");
        let again = Self::start_with(data, &environment).await?;
        Ok(Self { services, ..again })
    }

    pub(crate) fn process_id(&self) -> Result<u32> {
        self.process.id().context("the server has already ended")
    }

    /// Asks it to finish.
    pub fn terminate(&self) -> Result<()> {
        let id = Pid::from_raw(i32::try_from(self.process_id()?)?).context("no process id")?;
        Ok(kill_process(id, Signal::TERM)?)
    }

    /// Waits until it takes no new connection.
    pub async fn stops_listening(&self) -> Result<()> {
        let mut poll = interval(POLL);
        let refused = async {
            while TcpStream::connect(self.authority()).await.is_ok() {
                poll.tick().await;
            }
        };
        timeout(STOP_LIMIT, refused).await.context("it still listens")
    }

    /// Waits until it has ended.
    pub async fn ended(mut self) -> Result<ExitStatus> {
        let ended = timeout(STOP_LIMIT, self.process.wait()).await;
        Ok(ended.context("the server ignored SIGTERM")??)
    }

    /// Ends it as a power cut would, and returns its data directory.
    pub async fn kill(mut self) -> Result<DataDirectory> {
        self.process.kill().await?;
        Ok(self.data.clone())
    }

    pub(crate) async fn become_ready(&self) -> Result<()> {
        let mut poll = interval(POLL);
        loop {
            poll.tick().await;
            if self.get("/readyz").await.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
        }
    }
}

/// The binary under test, found once.
pub(crate) async fn server_binary() -> Result<&'static Path> {
    Ok(BINARY.get_or_try_init(binary).await?)
}

/// The one named by the environment, or one built now.
async fn binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("ARTIFACTAPI_SERVER") {
        let path = PathBuf::from(path);
        return path.canonicalize().with_context(|| format!("find {}", path.display()));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "artifactapi-server", "--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .await?;
    ensure!(output.status.success(), "the server does not build");
    let messages = String::from_utf8(output.stdout)?;
    let executable = messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        message.get("executable")?.as_str().map(PathBuf::from)
    });
    executable.context("cargo named no executable")
}
