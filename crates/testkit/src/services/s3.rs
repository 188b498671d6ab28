//! An S3 store: `MinIO`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::installed::{Wanted, on_search_path, versions_with};
use super::service::{Farewell, Software};
use super::{Service, ServiceError, loopback};

const ACCESS_KEY: &str = "artifacts";
const WANTED: Wanted = Wanted {
    service: "MinIO",
    hint: "MINIO_BINARY, the cache of e2e/setup.sh, or minio on the search path",
};

/// A private S3 store, spoken to without TLS.
pub type S3Server = Service<S3>;

/// `MinIO` as a program of this machine.
#[derive(Debug)]
pub struct S3 {
    program: PathBuf,
    secret_key: String,
}

impl S3Server {
    /// Starts an empty one; `None` if it is not installed and not required.
    pub fn start() -> Result<Option<Self>, ServiceError> {
        let Some(program) = WANTED.or_missing(program())? else { return Ok(None) };
        let secret_key = uuid::Uuid::new_v4().simple().to_string();
        Self::launch(S3 { program, secret_key }).map(Some)
    }

    /// Its `host:port`.
    pub fn endpoint(&self) -> String {
        format!("{}:{}", self.host(), self.port())
    }

    /// The access key of its administrator.
    pub fn access_key(&self) -> &'static str {
        ACCESS_KEY
    }

    /// The secret key, other for every server.
    pub fn secret_key(&self) -> &str {
        &self.software().secret_key
    }

    /// Makes an empty bucket and returns its name, which is unique.
    ///
    /// # Panics
    /// If it cannot be made.
    #[expect(clippy::unused_async, reason = "a bucket is made as a database is")]
    pub async fn create_bucket(&self) -> String {
        let name = format!("test-{}", uuid::Uuid::new_v4().simple());
        // A bucket is a directory of the drive.
        match std::fs::create_dir(self.directory().join("data").join(&name)) {
            Ok(()) => name,
            Err(error) => panic!("make the bucket {name}: {error}"),
        }
    }
}

impl S3Server {
    /// The keys of the objects of `bucket` that begin with `prefix`, sorted: what is on its drive.
    pub fn objects(&self, bucket: &str, prefix: &str) -> Vec<String> {
        let bucket = self.directory().join("data").join(bucket);
        let mut keys = Vec::new();
        let mut directories = vec![bucket.clone()];
        while let Some(directory) = directories.pop() {
            // An object is a directory that describes itself; it may vanish at any moment.
            if directory.join("xl.meta").is_file() {
                let key = directory.strip_prefix(&bucket).unwrap_or(&directory);
                keys.push(key.to_string_lossy().into_owned());
                continue;
            }
            let entries = std::fs::read_dir(&directory).into_iter().flatten().flatten();
            directories.extend(entries.map(|entry| entry.path()).filter(|path| path.is_dir()));
        }
        keys.retain(|key| key.starts_with(prefix));
        keys.sort();
        keys
    }
}

impl Software for S3 {
    const NAME: &'static str = WANTED.service;
    const FAREWELL: Farewell = Farewell::Kill;

    fn prepare(&self, _directory: &Path) -> Result<(), ServiceError> {
        Ok(())
    }

    fn command(&self, directory: &Path, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("server")
            .arg(directory.join("data"))
            .arg("--certs-dir")
            .arg(directory.join("certificates"))
            .args(["--address", &format!("127.0.0.1:{port}"), "--quiet"])
            .env("MINIO_ROOT_USER", ACCESS_KEY)
            .env("MINIO_ROOT_PASSWORD", &self.secret_key)
            .env("MINIO_BROWSER", "off")
            .env("MINIO_UPDATE", "off");
        command
    }

    fn is_ready(&self, _directory: &Path, port: u16, _process: u32) -> bool {
        let answers = |target: &str, status: &str| {
            let question = format!("GET {target} HTTP/1.0\r\nHost: localhost\r\n\r\n");
            let answer = loopback::ask(port, &question);
            answer.is_some_and(|answer| answer.split(' ').nth(1) == Some(status))
        };
        // Its drives may be ready before its accounts are; until then it cannot tell that a
        // user is unknown.
        let unknown = "/?AWSAccessKeyId=nobody&Expires=9999999999&Signature=none";
        answers("/minio/health/cluster", "200") && answers(unknown, "403")
    }
}

fn program() -> Option<PathBuf> {
    let named = std::env::var_os("MINIO_BINARY").filter(|path| !path.is_empty());
    named.map(PathBuf::from).or_else(cached).or_else(|| on_search_path("minio"))
}

/// The newest of those that `e2e/setup.sh` built.
fn cached() -> Option<PathBuf> {
    let user = || Some(Path::new(&std::env::var_os("HOME")?).join(".cache"));
    let caches = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(user)?;
    versions_with(&caches.join("artifactapi-e2e"), "minio").pop()
}
