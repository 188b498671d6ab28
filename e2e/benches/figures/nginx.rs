//! The yardstick: nginx as a caching proxy, with a generated configuration.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;
use testkit::Origin;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{interval, timeout};

const CONFIGURATION: &str = include_str!("nginx.conf");
const START_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(10);

/// A running nginx in front of an origin. Told to end when dropped.
#[derive(Debug)]
pub(crate) struct Nginx {
    process: Child,
    authority: String,
    _directory: TempDir,
}

impl Nginx {
    /// Starts on a free port and returns when it listens.
    pub(crate) async fn start(origin: &Origin) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let file = directory.path().join("nginx.conf");
        tokio::fs::write(&file, configuration(directory.path(), port, origin)).await?;
        let process = Command::new(program()?)
            .args(["-e", "stderr", "-p"])
            .arg(directory.path())
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .spawn()
            .context("start nginx")?;
        let nginx = Self { process, authority: format!("127.0.0.1:{port}"), _directory: directory };
        timeout(START_LIMIT, nginx.listens()).await.context("nginx does not listen")?;
        Ok(nginx)
    }

    /// The URL of `path`, which starts with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// The id of the process whose children do the work.
    pub(crate) fn id(&self) -> Result<u32> {
        self.process.id().context("nginx has ended")
    }

    async fn listens(&self) {
        let mut poll = interval(POLL);
        while TcpStream::connect(&self.authority).await.is_err() {
            poll.tick().await;
        }
    }
}

impl Drop for Nginx {
    /// Killed outright, the master would leave its workers behind.
    fn drop(&mut self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _ = id.map(|id| kill_process(id, Signal::TERM));
    }
}

/// Where the program is. Without root, `sbin` may not be searched.
pub(crate) fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path);
    let places = places.chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let mut programs = places.map(|place| place.join("nginx"));
    programs.find(|program| program.is_file()).context("nginx is not installed")
}

fn configuration(directory: &Path, port: u16, origin: &Origin) -> String {
    // Its workers would give up root and then could not enter the directory.
    let user = if geteuid().is_root() { "user root;" } else { "" };
    CONFIGURATION
        .replace("{user}", user)
        .replace("{directory}", &directory.display().to_string())
        .replace("{port}", &port.to_string())
        .replace("{upstream}", origin.url("").trim_end_matches('/'))
}
