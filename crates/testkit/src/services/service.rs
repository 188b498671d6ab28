//! A server as a process: what all of them have in common.

use std::fmt::Debug;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::watchdog::Watchdog;
use super::{ServiceError, loopback, process_tree};

const START_LIMIT: Duration = Duration::from_secs(60);
const FAREWELL_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(10);
/// Somebody else may have taken the port between the look and the start.
const PORTS_TO_TRY: usize = 3;
const LOG_SHOWN: usize = 4000;

/// What differs between servers.
pub trait Software: Debug + Send + Sync + 'static {
    /// Its name for people.
    const NAME: &'static str;
    /// The signal that makes it leave nothing behind.
    const FAREWELL: Farewell;

    /// Makes what the server needs in the empty `directory`.
    fn prepare(&self, directory: &Path) -> Result<(), ServiceError>;

    /// The command that runs it in the foreground on `port` of loopback.
    fn command(&self, directory: &Path, port: u16) -> Command;

    /// Whether it serves, as a process with the id `process`.
    fn is_ready(&self, directory: &Path, port: u16, process: u32) -> bool;
}

/// How a server is made to leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Farewell {
    /// It holds nothing but its directory.
    Kill,
    /// It is asked, because it gives something back to the operating system; killed if it stays.
    Quit,
    /// Likewise, by the signal that asks politely.
    Terminate,
}

impl Farewell {
    /// The signal, and its name for a shell.
    fn signal(self) -> (Signal, &'static str) {
        match self {
            Self::Kill => (Signal::KILL, "KILL"),
            Self::Quit => (Signal::QUIT, "QUIT"),
            Self::Terminate => (Signal::TERM, "TERM"),
        }
    }
}

/// A running server on a free port of 127.0.0.1. It and its data are gone when this is dropped.
#[derive(Debug)]
pub struct Service<S: Software> {
    software: S,
    directory: PathBuf,
    port: u16,
    process: Mutex<Guarded>,
}

#[derive(Debug)]
struct Guarded {
    server: Option<Child>,
    watchdog: Watchdog,
}

impl<S: Software> Service<S> {
    pub(crate) fn launch(software: S) -> Result<Self, ServiceError> {
        let failed = ServiceError::preparing;
        let temporary = tempfile::Builder::new()
            .prefix("artifactapi-test-")
            .tempdir()
            .map_err(failed(S::NAME, "make a directory"))?;
        let (_, farewell) = S::FAREWELL.signal();
        let watchdog = Watchdog::start(temporary.path(), farewell)
            .map_err(failed(S::NAME, "start a watchdog"))?;
        let process = Mutex::new(Guarded { server: None, watchdog });
        let mut service = Self { software, directory: temporary.keep(), port: 0, process };
        service.software.prepare(&service.directory)?;
        let mut attempt = 1;
        loop {
            service.port = loopback::free_port();
            match service.run() {
                Err(ServiceError::Ended { .. }) if attempt < PORTS_TO_TRY => attempt += 1,
                result => return result.map(|()| service),
            }
        }
    }

    /// Where it listens: `127.0.0.1`.
    pub fn host(&self) -> &'static str {
        "127.0.0.1"
    }

    /// The port it listens on, also after a restart.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Kills it, as a power cut does. Its connections are broken when this returns.
    pub fn stop(&self) {
        let mut process = self.process();
        if let Some(mut server) = process.server.take() {
            process_tree::kill(server.id());
            // Until it is waited for, its number belongs to nobody else.
            let _ = process.watchdog.guard(None);
            let _ = server.wait();
        }
    }

    /// Starts it on the same port with the same data, after killing it if it runs. It is
    /// ready when this returns.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn restart(&self) {
        self.stop();
        if let Err(error) = self.run() {
            panic!("{error}");
        }
    }

    /// Stops all its processes as they are: connections are accepted by the kernel and stay
    /// open, and nothing is answered until [`Self::thaw`].
    pub fn freeze(&self) {
        if let Some(server) = &self.process().server {
            process_tree::freeze(server.id());
        }
    }

    /// Lets it go on after [`Self::freeze`].
    pub fn thaw(&self) {
        if let Some(server) = &self.process().server {
            process_tree::thaw(server.id());
        }
    }

    pub(crate) fn software(&self) -> &S {
        &self.software
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn process(&self) -> MutexGuard<'_, Guarded> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server and returns when it is ready. One that is not is killed again.
    fn run(&self) -> Result<(), ServiceError> {
        let result = self
            .spawn()
            .map_err(ServiceError::preparing(S::NAME, "start the server"))
            .and_then(|()| self.become_ready());
        result.inspect_err(|_| self.stop())
    }

    fn become_ready(&self) -> Result<(), ServiceError> {
        let began = Instant::now();
        while !self.is_ready() {
            let ended = self.ended();
            let ended = ended.map_err(ServiceError::preparing(S::NAME, "wait for the server"))?;
            if let Some(status) = ended {
                let log = self.end_of_log();
                return Err(ServiceError::Ended { service: S::NAME, status, log });
            }
            if began.elapsed() > START_LIMIT {
                return Err(ServiceError::NotReady { service: S::NAME, log: self.end_of_log() });
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    fn spawn(&self) -> std::io::Result<()> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let mut process = self.process();
        let server = self
            .software
            .command(&self.directory, self.port)
            .current_dir(&self.directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let id = server.id();
        process.server = Some(server);
        process.watchdog.guard(Some(id))
    }

    /// How the server ended, if it did.
    fn ended(&self) -> std::io::Result<Option<ExitStatus>> {
        self.process().server.as_mut().map_or(Ok(None), Child::try_wait)
    }

    fn is_ready(&self) -> bool {
        let id = self.process().server.as_ref().map(Child::id);
        id.is_some_and(|id| self.software.is_ready(&self.directory, self.port, id))
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    fn end_of_log(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let shown = log.get(log.len().saturating_sub(LOG_SHOWN)..).unwrap_or_default();
        String::from_utf8_lossy(shown).into_owned()
    }

    /// Gives the server the time to leave nothing behind.
    fn say_farewell(&self) {
        if let Some(server) = self.process().server.as_mut() {
            process_tree::signal(server.id(), S::FAREWELL.signal().0);
            process_tree::thaw(server.id());
            let began = Instant::now();
            while matches!(server.try_wait(), Ok(None)) && began.elapsed() < FAREWELL_LIMIT {
                std::thread::sleep(POLL);
            }
        }
    }
}

impl<S: Software> Drop for Service<S> {
    fn drop(&mut self) {
        if S::FAREWELL != Farewell::Kill {
            self.say_farewell();
        }
        self.stop();
    }
}
