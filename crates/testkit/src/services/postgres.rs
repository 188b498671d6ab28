//! PostgreSQL.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::installed::{Wanted, on_search_path, versions_with};
use super::service::{Farewell, Software};
use super::{Service, ServiceError};

const NAME: &str = "PostgreSQL";
const USER: &str = "artifacts";
const WANTED: Wanted =
    Wanted { service: NAME, hint: "postgres in /usr/lib/postgresql/*/bin or on the search path" };

/// A private PostgreSQL server. The user is a superuser who logs in by password over TCP.
pub type PostgresServer = Service<Postgres>;

/// PostgreSQL as a program of this machine.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    password: String,
    account: Option<Account>,
}

/// Whom the server runs as, because it refuses to run as root.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
}

impl PostgresServer {
    /// Starts one with an empty data directory; `None` if it is not installed and not required.
    pub fn start() -> Result<Option<Self>, ServiceError> {
        let Some(programs) = WANTED.or_missing(programs())? else { return Ok(None) };
        let account = unprivileged_account()?;
        let password = uuid::Uuid::new_v4().simple().to_string();
        Self::launch(Postgres { programs, password, account }).map(Some)
    }

    /// The name of the superuser.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// The superuser's password, other for every server.
    pub fn password(&self) -> &str {
        &self.software().password
    }

    /// Makes an empty database and returns its name, which is unique.
    ///
    /// # Panics
    /// If the server does not make it.
    pub async fn create_database(&self) -> String {
        let name = format!("test_{}", uuid::Uuid::new_v4().simple());
        let mut createdb = self.client("createdb");
        createdb.arg(&name);
        run_behind(createdb).await;
        name
    }

    /// Runs SQL statements in `database` as one transaction.
    ///
    /// # Panics
    /// If one of them fails.
    pub async fn execute(&self, database: &str, statements: &str) {
        let mut psql = self.client("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--single-transaction"])
            .args(["--dbname", database, "--command", statements]);
        run_behind(psql).await;
    }

    /// A program of the installation that is about to connect as the superuser.
    fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.software().programs.join(program));
        command
            .args(["--no-password", "--host", self.host(), "--username", USER])
            .args(["--port", &self.port().to_string()])
            .env("PGPASSWORD", self.password())
            .current_dir(self.directory());
        command
    }
}

impl Postgres {
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        if let Some(Account { user, group }) = self.account {
            command.gid(group).uid(user);
        }
        command
    }
}

impl Software for Postgres {
    const NAME: &'static str = NAME;
    // It gives its segment of shared memory back.
    const FAREWELL: Farewell = Farewell::Quit;

    fn prepare(&self, directory: &Path) -> Result<(), ServiceError> {
        let password_file = directory.join("password");
        std::fs::write(&password_file, &self.password)
            .and_then(|()| std::fs::set_permissions(&password_file, Permissions::from_mode(0o600)))
            .and_then(|()| match self.account {
                Some(Account { user, group }) => chown(&password_file, Some(user), Some(group))
                    .and_then(|()| chown(directory, Some(user), Some(group))),
                None => Ok(()),
            })
            .map_err(ServiceError::preparing(NAME, "write the password"))?;
        let mut initdb = self.program("initdb");
        initdb
            .args(["--no-sync", "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale"])
            .args(["--username", USER])
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(directory.join("data"))
            .current_dir(directory);
        run(&mut initdb)
    }

    fn command(&self, directory: &Path, port: u16) -> Command {
        let mut command = self.program("postgres");
        command.arg("-D").arg(directory.join("data")).args(["-p", &port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "max_connections=200",
            "shared_buffers=64MB",
            // What is written survives the death of the server, which is all that tests do to it.
            "fsync=off",
            "full_page_writes=off",
            // Segments of other kinds outlive a killed server.
            "dynamic_shared_memory_type=mmap",
        ] {
            command.args(["-c", setting]);
        }
        command
    }

    fn is_ready(&self, directory: &Path, _port: u16, process: u32) -> bool {
        let status = std::fs::read_to_string(directory.join("data/postmaster.pid"));
        status.is_ok_and(|status| says_ready(&status, process))
    }
}

/// Whether the lock file belongs to `process` and says that connections are accepted. A killed
/// server leaves its own behind.
fn says_ready(lock_file: &str, process: u32) -> bool {
    let mut lines = lock_file.lines().map(str::trim);
    lines.next() == Some(process.to_string().as_str()) && lines.nth(6) == Some("ready")
}

fn programs() -> Option<PathBuf> {
    let packaged = versions_with(Path::new("/usr/lib/postgresql"), "bin/postgres").pop();
    // Links on the search path lead to where the other programs are.
    let found = packaged.or_else(|| on_search_path("postgres")?.canonicalize().ok())?;
    found.parent().map(Path::to_path_buf)
}

fn unprivileged_account() -> Result<Option<Account>, ServiceError> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let accounts = std::fs::read_to_string("/etc/passwd")
        .map_err(ServiceError::preparing(NAME, "read the accounts"))?;
    let account = accounts.lines().find_map(|line| account_in(line, "postgres"));
    let missing = std::io::Error::other("root needs an account called postgres to run it as");
    let account = account.ok_or(missing);
    account.map(Some).map_err(ServiceError::preparing(NAME, "find an account"))
}

fn account_in(line: &str, name: &str) -> Option<Account> {
    let mut fields = line.split(':');
    if fields.next() != Some(name) {
        return None;
    }
    let (user, group) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Account { user, group })
}

/// Runs a program on a thread where nobody minds the wait.
async fn run_behind(mut command: Command) {
    match tokio::task::spawn_blocking(move || run(&mut command)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error}"),
        Err(error) => panic!("{error}"),
    }
}

fn run(command: &mut Command) -> Result<(), ServiceError> {
    let output = command.output().map_err(ServiceError::preparing(NAME, "run a program"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(ServiceError::Program { program: command.get_program().into(), output: said })
}

#[cfg(test)]
mod tests {
    use super::{account_in, says_ready};

    #[test]
    fn only_the_lock_file_of_this_very_process_says_ready() {
        let lock_file = |status| format!("42\n/d\n1700000000\n5432\n\n127.0.0.1\n 1 2\n{status}\n");
        assert!(says_ready(&lock_file("ready   "), 42));
        assert!(!says_ready(&lock_file("ready   "), 43));
        assert!(!says_ready(&lock_file("starting"), 42));
        assert!(!says_ready("42\n", 42));
    }

    #[test]
    fn an_account_is_found_by_its_whole_name() {
        let line = "postgres:x:101:104:administrator,,,:/var/lib/postgresql:/bin/bash";
        let account = account_in(line, "postgres").unwrap();
        assert_eq!((account.user, account.group), (101, 104));
        assert!(account_in(line, "post").is_none());
    }
}
