//! A server on a small disk of its own, which a test can fill.
//!
//! The disk is mounted for the eyes of the server alone, so that it is gone with its process,
//! however that ended, and needs no administrator.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::Server;

/// How large it is. Of a disk of this size a server leaves 6 MiB free.
const SIZE: &str = "128m";
const MOUNT: &str = r#"mount -t tmpfs -o size="$1" tmpfs "$DATA_DIR" && cd "$DATA_DIR" &&
    shift && exec "$@""#;
const BALLAST: &str = "ballast";
const BLOCK: usize = 64 << 10;

/// Whether this machine lets us mount a disk; an error where that is required.
pub async fn small_disks() -> Result<bool> {
    let mut command = namespace();
    let tried = command.args(["mount", "-t", "tmpfs", "tmpfs", "/mnt"]).stderr(Stdio::null());
    let is_possible = tried.status().await.is_ok_and(|status| status.success());
    let is_required = std::env::var("REQUIRE_BACKENDS").is_ok_and(|it| !it.is_empty() && it != "0");
    ensure!(is_possible || !is_required, "no disk can be mounted (unshare --map-root-user)");
    if !is_possible {
        #[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
        {
            eprintln!("not tested: no disk can be mounted (unshare --map-root-user)");
        }
    }
    Ok(is_possible)
}

fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "--propagation", "private", "--"]);
    command
}

/// Runs `binary` on a small disk in the place of `$DATA_DIR`.
pub(crate) fn command(binary: &Path) -> Command {
    let mut command = namespace();
    command.args(["sh", "-c", MOUNT, "sh", SIZE]).arg(binary);
    command
}

impl Server {
    /// Fills the small disk that it runs on to the last byte.
    pub fn fill_disk(&self) -> Result<()> {
        let ballast = self.ballast()?;
        let mut file = File::create(&ballast).context("ballast")?;
        for length in [BLOCK, 1] {
            while fill(&mut file, length)? {}
        }
        Ok(())
    }

    /// Makes room again.
    pub fn relieve_disk(&self) -> Result<()> {
        Ok(fs::remove_file(self.ballast()?)?)
    }

    /// Where only the server's own root leads to.
    fn ballast(&self) -> Result<PathBuf> {
        let (data, root) = (self.data(), format!("/proc/{}/root", self.process_id()?));
        let directory = data.path().strip_prefix("/").context("no absolute path")?;
        Ok(Path::new(&root).join(directory).join(BALLAST))
    }
}

/// Whether there was room.
fn fill(file: &mut File, length: usize) -> Result<bool> {
    match file.write(&vec![0; length]) {
        Ok(0) => bail!("nothing was written"),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(false),
        Err(error) => Err(error.into()),
    }
}
