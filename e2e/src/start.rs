//! The server binary from its start to its first words.

use std::collections::BTreeMap;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::server::{DataDirectory, Server, server_binary};
use crate::small_disk;

const BANNER: &str = "listening on ";
const LIMIT: Duration = Duration::from_secs(60);
/// What the tests' own environment must not decide.
const NOT_INHERITED: [&str; 14] = [
    "PUBLIC_URL",
    "ADMIN_TOKEN",
    "SECRET_KEY",
    "LOG_LEVEL",
    "REGISTRY_HOSTS",
    "REGISTRY_NAMESPACES",
    "DBHOST",
    "DBPASS",
    "REDIS_URL",
    "MINIO_ENDPOINT",
    "MINIO_SECRET_KEY",
    "STORAGE_QUOTA",
    "ACCESS_LOG_DAYS",
    "WAIT_FOR_SERVICES",
];

/// Variables of a server, besides those that every test sets.
pub type Environment = BTreeMap<String, String>;

/// A server that was started and may still refuse.
#[derive(Debug)]
pub struct Start {
    process: Child,
    data: DataDirectory,
    environment: Environment,
    heard: mpsc::UnboundedReceiver<String>,
    began: Instant,
}

/// How a server declined to start.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// What it left with.
    pub status: ExitStatus,
    /// Everything that it said, on both streams.
    pub output: String,
    /// How long that took.
    pub after: Duration,
}

impl Start {
    /// Starts the server on `data` with the variables of `environment`.
    pub async fn begin(data: DataDirectory, environment: &Environment) -> Result<Self> {
        Self::run(Command::new(server_binary().await?), data, environment)
    }

    /// The same, but `data` is a small disk of its own: see [`Server::fill_disk`].
    pub async fn begin_on_small_disk(environment: &Environment) -> Result<Self> {
        let command = small_disk::command(server_binary().await?);
        Self::run(command, DataDirectory::new()?, environment)
    }

    fn run(mut command: Command, data: DataDirectory, environment: &Environment) -> Result<Self> {
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        let began = Instant::now();
        let mut process = command
            .env("LISTEN_ADDR", "127.0.0.1:0")
            .env("DATA_DIR", data.path())
            .envs(environment)
            .current_dir(data.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start the server")?;
        let name = process.id().unwrap_or_default();
        let (lines, heard) = mpsc::unbounded_channel();
        follow(process.stdout.take().context("no stdout")?, name, lines.clone());
        follow(process.stderr.take().context("no stderr")?, name, lines);
        Ok(Self { process, data, environment: environment.clone(), heard, began })
    }

    /// How long this machine takes at the moment to start a process that has nothing to do.
    pub async fn process_time() -> Result<Duration> {
        let mut command = Command::new(server_binary().await?);
        let began = Instant::now();
        let status = command.arg("--version").stdout(Stdio::null()).status().await?;
        ensure!(status.success(), "the server does not say its version");
        Ok(began.elapsed())
    }

    /// Waits until it says something with `text` in it.
    pub async fn says(&mut self, text: &str) -> Result<()> {
        let said = async {
            while let Some(line) = self.heard.recv().await {
                if line.contains(text) {
                    return Ok(());
                }
            }
            bail!("the server ended without a word of {text:?}")
        };
        timeout(LIMIT, said).await.with_context(|| format!("it never said {text:?}"))?
    }

    /// The server, once it is ready to serve.
    pub async fn ready(mut self) -> Result<Server> {
        let origin = timeout(LIMIT, announced_origin(&mut self.heard))
            .await
            .context("the server announced no address in time")??;
        let server = Server::announced(self.process, origin, self.data, self.environment);
        timeout(LIMIT, server.become_ready()).await.context("not ready in time")??;
        Ok(server)
    }

    /// Waits until it has given up.
    pub async fn refused(mut self) -> Result<Refusal> {
        let ended = timeout(LIMIT, self.process.wait()).await;
        let status = ended.context("the server neither serves nor gives up")??;
        let after = self.began.elapsed();
        let mut output = String::new();
        while let Some(line) = self.heard.recv().await {
            output.push_str(&line);
            output.push('\n');
        }
        Ok(Refusal { status, output, after })
    }
}

async fn announced_origin(lines: &mut mpsc::UnboundedReceiver<String>) -> Result<String> {
    while let Some(line) = lines.recv().await {
        if let Some(origin) = origin_in(&line) {
            return Ok(origin);
        }
    }
    bail!("the server ended before it announced an address");
}

/// The address in a start banner, which may be a plain line or a JSON field.
fn origin_in(line: &str) -> Option<String> {
    let (_, rest) = line.split_once(BANNER)?;
    let address = rest.strip_prefix("http://")?;
    let length = address.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | ':'));
    let address = address.get(..length.unwrap_or(address.len()))?;
    Some(format!("http://{address}"))
}

/// Repeats every line into the captured output of the test, under the number of the process, and
/// to the starter while it listens.
fn follow(
    stream: impl AsyncRead + Send + Unpin + 'static,
    process: u32,
    heard: mpsc::UnboundedSender<String>,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            #[expect(clippy::print_stdout, reason = "captured, and shown when the test fails")]
            {
                println!("server {process}: {line}");
            }
            let _ = heard.send(line);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::origin_in;

    #[test]
    fn the_address_is_found_in_plain_and_json_banners() {
        let cases = [
            ("listening on http://127.0.0.1:4711", Some("http://127.0.0.1:4711")),
            (
                r#"{"msg":"listening on http://127.0.0.1:4711","x":1}"#,
                Some("http://127.0.0.1:4711"),
            ),
            ("listening on http://127.0.0.1:4711/ui/", Some("http://127.0.0.1:4711")),
            ("something else", None),
        ];
        for (line, expected) in cases {
            assert_eq!(origin_in(line).as_deref(), expected, "{line}");
        }
    }
}
