//! Docker's engine.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use super::installed::{Wanted, on_search_path};
use super::service::{Farewell, Software};
use super::{Service, ServiceError, loopback};

/// Where an engine finds the machine's containerd, which it then uses instead of starting its own.
const MACHINES_CONTAINERD: &str = "/run/containerd/containerd.sock";
const WANTED: Wanted = Wanted {
    service: "docker",
    hint: "dockerd and docker on the search path, and root to start it",
};

/// A private docker engine without images and without networks but the host's.
pub type DockerEngine = Service<Docker>;

/// Docker as a program of this machine.
#[derive(Debug)]
pub struct Docker {
    engine: PathBuf,
    client: PathBuf,
    /// The root of a registry that is asked first for images of Docker Hub.
    mirror: Option<String>,
}

impl DockerEngine {
    /// Starts one; `None` if it cannot be had and is not required.
    pub fn start() -> Result<Option<Self>, ServiceError> {
        Self::start_asking(None)
    }

    /// The same, which asks the registry at the root of `mirror`, a URL, for images of Docker Hub.
    pub fn start_with_mirror(mirror: &str) -> Result<Option<Self>, ServiceError> {
        Self::start_asking(Some(mirror.to_owned()))
    }

    fn start_asking(mirror: Option<String>) -> Result<Option<Self>, ServiceError> {
        let docker = WANTED.or_missing(docker())?;
        docker.map(|docker| Self::launch(Docker { mirror, ..docker })).transpose()
    }

    /// The client, made to talk to this engine; arguments are to be added.
    pub fn client(&self) -> Command {
        let mut command = Command::new(&self.software().client);
        command
            .env("DOCKER_HOST", format!("unix://{}", socket(self.directory()).display()))
            .env("DOCKER_CONFIG", self.directory().join("client"))
            .env_remove("DOCKER_CONTEXT")
            .env_remove("DOCKER_TLS_VERIFY")
            // The engine's own builder pulls nothing to work.
            .env("DOCKER_BUILDKIT", "0");
        command
    }

    /// The socket of the containerd that this engine works with.
    pub fn containerd(&self) -> PathBuf {
        let own = self.directory().join("run/containerd/containerd.sock");
        if own.exists() { own } else { MACHINES_CONTAINERD.into() }
    }
}

impl Software for Docker {
    const NAME: &'static str = WANTED.service;
    // It ends its containers and takes its mounts away.
    const FAREWELL: Farewell = Farewell::Terminate;

    fn prepare(&self, directory: &Path) -> Result<(), ServiceError> {
        // Instead of the machine's configuration. The engine's own builder needs its own store.
        let configuration = json!({
            "features": {"containerd-snapshotter": false},
            "registry-mirrors": Vec::from_iter(&self.mirror),
        });
        std::fs::write(directory.join("daemon.json"), configuration.to_string())
            .map_err(ServiceError::preparing(Self::NAME, "write its configuration"))
    }

    fn command(&self, directory: &Path, _port: u16) -> Command {
        // A killed engine leaves the number of its helper behind, who is dead but perhaps not
        // yet waited for: a new engine would wait for it to answer.
        let _ = std::fs::remove_file(directory.join("run/containerd/containerd.pid"));
        let mut command = Command::new(&self.engine);
        for (flag, name) in [
            ("--config-file", "daemon.json"),
            ("--data-root", "data"),
            ("--exec-root", "run"),
            ("--pidfile", "pid"),
        ] {
            command.arg(flag).arg(directory.join(name));
        }
        command.arg("--host").arg(format!("unix://{}", socket(directory).display())).args([
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
        ]);
        command
    }

    fn is_ready(&self, directory: &Path, _port: u16, _process: u32) -> bool {
        let answer = UnixStream::connect(socket(directory)).ok().and_then(|stream| {
            stream.set_read_timeout(Some(loopback::ANSWER_LIMIT)).ok()?;
            loopback::converse(stream, "GET /_ping HTTP/1.0\r\nHost: localhost\r\n\r\n")
        });
        answer.is_some_and(|answer| answer.contains(" 200 "))
    }
}

fn socket(directory: &Path) -> PathBuf {
    directory.join("docker.sock")
}

fn docker() -> Option<Docker> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let (engine, client) = (on_search_path("dockerd")?, on_search_path("docker")?);
    Some(Docker { engine, client, mirror: None })
}
