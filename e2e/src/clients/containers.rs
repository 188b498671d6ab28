//! The clients of container registries: docker, containerd's, podman, buildah, skopeo, oras and helm.
//!
//! Root's podman, buildah and skopeo remember for the whole machine at which registries they saw a blob. Here
//! every registry has a port of its own, so that it tells them nothing.

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use testkit::services::DockerEngine;

use super::{Output, ShellHome};
use crate::Tools;

/// Where the clients of one family look for what would otherwise be the machine's. No image is
/// signed here, and every registry is named in full.
const CONFIGURATION: [(&str, &str); 3] = [
    (".config/containers/policy.json", r#"{"default": [{"type": "insecureAcceptAnything"}]}"#),
    (".config/containers/registries.conf", "unqualified-search-registries = []\n"),
    ("logins.json", "{}"),
];

/// The home of a user who has no image and is logged in nowhere.
#[derive(Debug)]
pub struct ContainerHome {
    home: ShellHome,
    /// What every shell is told first.
    variables: String,
    engine: Option<Arc<DockerEngine>>,
}

impl ContainerHome {
    /// A new one, for every client but docker and containerd's.
    pub async fn new() -> Result<Self> {
        let tools = Tools::get().await?;
        let home = ShellHome::new(&[
            ("podman", &tools.podman),
            ("buildah", &tools.buildah),
            ("skopeo", &tools.skopeo),
            ("oras", &tools.oras),
            ("helm", &tools.helm),
        ])?;
        for (name, content) in CONFIGURATION {
            home.write(name, content)?;
        }
        // The driver that needs nothing of the kernel.
        let storage = format!(
            "[storage]\ndriver = \"vfs\"\ngraphroot = \"{}\"\nrunroot = \"{}\"\n",
            home.place("images").display(),
            home.place("run").display(),
        );
        home.write("storage.conf", storage)?;
        std::fs::create_dir(home.place("temporary"))?;
        let variables = "export CONTAINERS_STORAGE_CONF=\"$HOME/storage.conf\"\n\
                         export CONTAINERS_REGISTRIES_CONF=\"$HOME/.config/containers/registries.conf\"\n\
                         export REGISTRY_AUTH_FILE=\"$HOME/logins.json\"\n\
                         export BUILDAH_ISOLATION=chroot\n\
                         export TMPDIR=\"$HOME/temporary\"\n"
            .to_owned();
        Ok(Self { home, variables, engine: None })
    }

    /// A new one with docker, containerd and an engine of its own; `None` if that cannot be had and is not
    /// required.
    pub async fn with_docker() -> Result<Option<Self>> {
        match DockerEngine::start()? {
            Some(engine) => Self::of(Arc::new(engine)).await.map(Some),
            None => Ok(None),
        }
    }

    /// The same, whose engine asks the registry at the root of `mirror`, a URL, for images of Docker Hub.
    pub async fn with_mirrored_docker(mirror: &str) -> Result<Option<Self>> {
        match DockerEngine::start_with_mirror(mirror)? {
            Some(engine) => Self::of(Arc::new(engine)).await.map(Some),
            None => Ok(None),
        }
    }

    /// The home of another user of this machine: docker's engine with its images is the same.
    pub async fn of_another_user(&self) -> Result<Self> {
        match &self.engine {
            Some(engine) => Self::of(Arc::clone(engine)).await,
            None => Self::new().await,
        }
    }

    async fn of(engine: Arc<DockerEngine>) -> Result<Self> {
        let mut new = Self::new().await?;
        let client = engine.client();
        let set = client.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?)));
        // Logins are kept in the home.
        for (name, value) in set.filter(|(name, _)| *name != "DOCKER_CONFIG") {
            let value = value.to_str().context("a value that is no text")?;
            writeln!(new.variables, "export {name}='{value}'")?;
        }
        let containerd = engine.containerd();
        writeln!(
            new.variables,
            "export CONTAINERD_ADDRESS='{}' CONTAINERD_NAMESPACE=artifactapi-test",
            containerd.display()
        )?;
        new.engine = Some(engine);
        Ok(new)
    }

    /// Where something of the home is.
    pub fn place(&self, below: &str) -> PathBuf {
        self.home.place(below)
    }

    /// Writes a file and the directories that it stands in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        self.home.write(name, content)
    }

    /// A file of the home.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        let path = self.place(name);
        std::fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Runs what a user types, in the home; the first command that fails ends it.
    pub async fn shell(&self, commands: &str) -> Result<Output> {
        self.home.shell(&format!("{}{commands}", self.variables)).await
    }

    /// The same, without the space around what is printed.
    pub async fn line(&self, commands: &str) -> Result<String> {
        Ok(self.shell(commands).await?.stdout.trim().to_owned())
    }

    /// Runs what must fail, and returns what was said about it.
    pub async fn refused(&self, commands: &str) -> Result<String> {
        match self.shell(commands).await {
            Ok(output) => anyhow::bail!("{commands} went well:\n{}", output.stdout),
            Err(error) => Ok(format!("{error:#}")),
        }
    }
}
