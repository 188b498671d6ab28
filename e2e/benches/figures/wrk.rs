//! Load by `wrk`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

/// More than any answer takes, so that a slow one is slow and not an error.
const TIMEOUT: &str = "60s";

/// How to load a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    /// How many connections ask without a pause.
    pub(crate) connections: u32,
    /// For how long.
    pub(crate) seconds: u32,
    /// Headers of every request, each as `name: value`.
    pub(crate) headers: &'a [&'a str],
}

/// What one round came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Round {
    /// Answers per second.
    pub(crate) requests_per_second: f64,
    /// Bytes per second, heads included.
    pub(crate) bytes_per_second: f64,
    /// The time in seconds that 99 of 100 answers did not exceed.
    pub(crate) slow: f64,
    /// Answers.
    pub(crate) requests: f64,
}

impl Load<'_> {
    /// One round. A failed request or another status than success is an error.
    pub(crate) async fn run(&self, url: &str) -> Result<Round> {
        let mut command = Command::new("wrk");
        command.args(["--threads", "1", "--timeout", TIMEOUT]);
        command.args(["--connections", &self.connections.to_string()]);
        command.args(["--duration", &format!("{}s", self.seconds)]);
        command.arg("--script").arg(script());
        for header in self.headers {
            command.args(["--header", header]);
        }
        let output = command.arg(url).kill_on_drop(true).output().await.context("run wrk")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "wrk {url}: {said}");
        Round::read(&said).with_context(|| format!("wrk {url}: {said}"))
    }
}

impl Round {
    fn read(output: &str) -> Result<Self> {
        let line = output.lines().find_map(|line| line.strip_prefix("figures "));
        let words = line.context("no figures")?.split_whitespace();
        let numbers = words.map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        let [microseconds, requests, bytes, slow, failed] = *numbers else {
            anyhow::bail!("not five figures");
        };
        ensure!(failed <= 0.0, "{failed} requests failed");
        ensure!(requests > 0.0, "no request was answered");
        let seconds = microseconds / 1e6;
        Ok(Self {
            requests_per_second: requests / seconds,
            bytes_per_second: bytes / seconds,
            slow: slow / 1e6,
            requests,
        })
    }
}

fn script() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/figures/report.lua")
}
