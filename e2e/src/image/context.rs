//! What the image is built of.

use std::fs::{copy, create_dir_all, read_to_string, write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use tokio::process::Command;

use super::dockerfile::last_stage_on_scratch;
use crate::server::server_binary;
use crate::tools::package_file;

/// Where the files stand that the base of the shipped image has.
const RUNTIME: &str = "runtime";
/// As in the base of the shipped image.
const ACCOUNTS: &str = "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";

/// A build context with the Dockerfile, the server binary and the libraries that it needs.
pub(crate) async fn assemble() -> Result<TempDir> {
    let binary = server_binary().await?;
    let context = tempfile::tempdir()?;
    let runtime = context.path().join(RUNTIME);
    for library in libraries_of(binary).await? {
        place(&library, &runtime.join(library.strip_prefix("/")?))?;
    }
    create_dir_all(runtime.join("etc"))?;
    write(runtime.join("etc/passwd"), ACCOUNTS)?;

    let built = context.path().join("image");
    place(binary, &built.join("artifactapi-server"))?;
    create_dir_all(built.join("data"))?;
    let shipped = read_to_string(package_file("../compose/Dockerfile"))?;
    write(context.path().join("Dockerfile"), last_stage_on_scratch(&shipped, RUNTIME)?)?;
    Ok(context)
}

fn place(file: &Path, target: &Path) -> Result<()> {
    create_dir_all(target.parent().context("a file has a directory")?)?;
    copy(file, target).with_context(|| format!("copy {}", file.display()))?;
    Ok(())
}

/// The shared libraries of `binary`, its loader among them.
async fn libraries_of(binary: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(binary).output().await.context("run ldd")?;
    ensure!(output.status.success(), "ldd cannot read {}", binary.display());
    Ok(libraries_in(&String::from_utf8(output.stdout)?))
}

fn libraries_in(listing: &str) -> Vec<PathBuf> {
    let path =
        |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    listing.lines().filter_map(path).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::libraries_in;

    #[test]
    fn libraries_and_the_loader_are_files_and_the_kernel_s_is_not() {
        let listing = "\tlinux-vdso.so.1 (0x00007f12)\n\tlibc.so.6 => /lib/libc.so.6 (0x00007f13)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f14)\n";
        let expected = [Path::new("/lib/libc.so.6"), Path::new("/lib64/ld-linux-x86-64.so.2")];
        assert_eq!(libraries_in(listing), expected);
    }
}
