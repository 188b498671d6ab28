//! The server as an image, and containers of it.
//!
//! What is built is the last stage of `compose/Dockerfile` as it ships. Only its base differs:
//! nothing can be pulled in a test, so the files that the binary needs come from this machine.

mod context;
mod dockerfile;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use testkit::services::{DockerEngine, free_port};
use tokio::process::Command;
use tokio::time::{interval, timeout};

const HEALTHY_LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

/// The image, in an engine of its own that is gone with it.
#[derive(Debug)]
pub struct Image {
    engine: DockerEngine,
}

impl Image {
    /// What it is called in its engine.
    pub const TAG: &'static str = "artifactapi-server";

    /// Builds it of the server binary; `None` if docker cannot be had and is not required.
    pub async fn build() -> Result<Option<Self>> {
        let Some(engine) = DockerEngine::start()? else { return Ok(None) };
        let image = Self { engine };
        let context = context::assemble().await?;
        let directory = context.path().to_str().context("a path that is no text")?;
        image.docker(&["build", "--tag", Self::TAG, directory]).await?;
        Ok(Some(image))
    }

    /// What the image says of itself, as the engine prints it: `{{.Config.User}}`.
    pub async fn inspect(&self, format: &str) -> Result<String> {
        self.docker(&["image", "inspect", "--format", format, Self::TAG]).await
    }

    /// Runs a container on a read-only file system, with the data in `volume`, and returns when
    /// its health check is content.
    pub async fn run(&self, volume: &str) -> Result<Container<'_>> {
        let address = format!("127.0.0.1:{}", free_port());
        let id = self
            .docker(&[
                "run",
                "--detach",
                "--network=host",
                "--read-only",
                "--cap-drop=ALL",
                "--security-opt=no-new-privileges",
                &format!("--volume={volume}:/data"),
                &format!("--env=LISTEN_ADDR={address}"),
                Self::TAG,
            ])
            .await?;
        let container = Container { image: self, id, authority: address };
        let healthy = timeout(HEALTHY_LIMIT, container.becomes_healthy()).await;
        match healthy.context("the container is not healthy in time").flatten() {
            Ok(()) => Ok(container),
            Err(error) => Err(error.context(container.logs().await?)),
        }
    }

    /// Runs docker with `arguments` against the engine, and returns what it printed.
    pub async fn docker(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::from(self.engine.client());
        let output = command.args(arguments).kill_on_drop(true).output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "docker {arguments:?} failed:\n{said}");
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

/// A container of the image.
#[derive(Debug)]
pub struct Container<'image> {
    image: &'image Image,
    id: String,
    authority: String,
}

impl Container<'_> {
    /// The URL of `path`, which starts with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.authority)
    }

    /// Host and port, as names of images begin.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// What the engine knows of it, as it prints that: `{{.State.Pid}}`.
    pub async fn inspect(&self, format: &str) -> Result<String> {
        self.image.docker(&["inspect", "--format", format, &self.id]).await
    }

    /// Stops it as `docker stop` does, and returns its exit code.
    pub async fn stop(self) -> Result<i32> {
        self.image.docker(&["stop", "--time=60", &self.id]).await?;
        Ok(self.inspect("{{.State.ExitCode}}").await?.parse()?)
    }

    async fn becomes_healthy(&self) -> Result<()> {
        let mut poll = interval(POLL);
        loop {
            poll.tick().await;
            match self.inspect("{{.State.Status}} {{.State.Health.Status}}").await?.as_str() {
                "running healthy" => return Ok(()),
                state => ensure!(state == "running starting", "the container is {state}"),
            }
        }
    }

    async fn logs(&self) -> Result<String> {
        let mut command = Command::from(self.image.engine.client());
        let output = command.args(["logs", &self.id]).kill_on_drop(true).output().await?;
        let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
        Ok(format!("its log:\n{}{}", stdout?, stderr?))
    }
}
