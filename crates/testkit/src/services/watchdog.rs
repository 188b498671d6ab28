//! What outlives the test process for a moment, to clean up behind it.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// A shell that waits for the end of its standard input, which this process holds open.
///
/// The kernel closes it when this process dies, also by SIGKILL. A signal tied to the death of
/// the parent would not do: it is sent when the thread ends that started the child.
#[derive(Debug)]
pub(crate) struct Watchdog {
    shell: Child,
    leash: Option<ChildStdin>,
}

impl Watchdog {
    /// Guards `directory` from now on; `farewell` is the signal that ends the server.
    pub(crate) fn start(directory: &Path, farewell: &str) -> std::io::Result<Self> {
        let mut shell = Command::new("/bin/sh")
            .args(["-c", include_str!("watchdog.sh"), "watchdog"])
            .arg(directory)
            .arg(farewell)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // The interrupt key is for the tests; this ends after them.
            .process_group(0)
            .spawn()?;
        let leash = shell.stdin.take();
        Ok(Self { shell, leash })
    }

    /// Names the server that runs now.
    pub(crate) fn guard(&mut self, server: Option<u32>) -> std::io::Result<()> {
        let line = server.map_or_else(|| "\n".to_owned(), |server| format!("{server}\n"));
        self.leash.as_mut().map_or(Ok(()), |leash| leash.write_all(line.as_bytes()))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.leash = None;
        let _ = self.shell.wait();
    }
}
