//! The clients of this machine, provided by `setup.sh`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::sync::OnceCell;

static TOOLS: OnceCell<Tools> = OnceCell::const_new();

/// Where the real clients are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// `curl`.
    pub curl: PathBuf,
    /// `npm`.
    pub npm: PathBuf,
    /// The python of a private virtual environment that has pip.
    pub python: PathBuf,
    /// `puppet`.
    pub puppet: PathBuf,
    /// `r10k`.
    pub r10k: PathBuf,
    /// `terraform`.
    pub terraform: PathBuf,
    /// `tofu`.
    pub tofu: PathBuf,
    /// `helm`.
    pub helm: PathBuf,
    /// `podman`.
    pub podman: PathBuf,
    /// `buildah`.
    pub buildah: PathBuf,
    /// `skopeo`.
    pub skopeo: PathBuf,
    /// `oras`.
    pub oras: PathBuf,
    /// The conformance suite of the distribution specification, as it is to be released next.
    pub oci_conformance: PathBuf,
    /// The same as it was released.
    pub oci_released_conformance: PathBuf,
    /// `go`.
    pub go: PathBuf,
    /// What makes checksum databases of Go modules for the tests.
    pub checksum_database: PathBuf,
    /// `createrepo_c`.
    pub createrepo: PathBuf,
    /// `dnf`.
    pub dnf: PathBuf,
    /// `rpm`.
    pub rpm: PathBuf,
    /// `rpmbuild`.
    pub rpmbuild: PathBuf,
    /// `zstd`.
    pub zstd: PathBuf,
    /// `zypper`.
    pub zypper: PathBuf,
    /// `apk`, where there is one.
    pub apk: Option<PathBuf>,
}

impl Tools {
    /// The tools, installed first where they are missing.
    pub async fn get() -> Result<&'static Self> {
        TOOLS.get_or_try_init(set_up).await
    }
}

/// A file of this package, wherever the test was started.
pub(crate) fn package_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

async fn set_up() -> Result<Tools> {
    let output = Command::new(package_file("setup.sh")).output().await.context("run setup.sh")?;
    let talk = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "setup.sh failed:\n{talk}");
    let listing = String::from_utf8(output.stdout)?;
    let path = |name: &str| {
        let line = listing.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(PathBuf::from).with_context(|| format!("setup.sh did not name {name}"))
    };
    Ok(Tools {
        curl: path("curl")?,
        npm: path("npm")?,
        python: path("python")?,
        puppet: path("puppet")?,
        r10k: path("r10k")?,
        terraform: path("terraform")?,
        tofu: path("tofu")?,
        helm: path("helm")?,
        podman: path("podman")?,
        buildah: path("buildah")?,
        skopeo: path("skopeo")?,
        oras: path("oras")?,
        oci_conformance: path("oci-conformance")?,
        oci_released_conformance: path("oci-released-conformance")?,
        go: path("go")?,
        checksum_database: path("checksum-database")?,
        createrepo: path("createrepo")?,
        dnf: path("dnf")?,
        rpm: path("rpm")?,
        rpmbuild: path("rpmbuild")?,
        zstd: path("zstd")?,
        zypper: path("zypper")?,
        apk: path("apk").ok(),
    })
}
