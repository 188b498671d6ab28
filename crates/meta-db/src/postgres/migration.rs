//! What has to be true before a replica works with a database: it is new enough, its schema is at
//! least as new as this program, and its secrets are encrypted with our key.
//!
//! Replicas start together, so all of this happens under a lock of the database. Migrations only add:
//! a schema that is newer than this program is accepted, and replicas of two versions work side by side.

use std::time::Duration;

use refinery::{Migration, Runner};
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::connector::{Connector, Role};
use super::failure::{PostgresError, cause_of_migration};
use super::settings::PostgresSettings;
use crate::encryption::EncryptionKey;

mod embedded {
    refinery::embed_migrations!("../../migrations/postgres");
}

/// Each question but the migrations themselves.
const ANSWER: Duration = Duration::from_secs(4);
/// For another replica that is migrating.
const LOCK_PATIENCE: Duration = Duration::from_secs(300);
const LOCK_PAUSE: Duration = Duration::from_millis(100);
/// All migrations together.
const MIGRATION: Duration = Duration::from_secs(1800);
/// How often a migration is tried that waits too long for a table which others use.
const MIGRATION_ATTEMPTS: u32 = 30;
const MIGRATION_PAUSE: Duration = Duration::from_secs(1);

const OLDEST_VERSION: i64 = 120_000;
const TRY_LOCK: &str = "SELECT pg_try_advisory_lock(1635019125, 1)";
/// Behind a pooler that changes the server's end of a session the lock would protect nothing.
const HOLDS_LOCK: &str = "SELECT EXISTS (SELECT 1 FROM pg_locks
    WHERE locktype = 'advisory' AND classid = 1635019125 AND objid = 1 AND objsubid = 2
        AND pid = pg_backend_pid() AND granted)";
const UNLOCK: &str = "SELECT pg_advisory_unlock(1635019125, 1)";

/// Makes the database ready, or says why it cannot be used.
pub(crate) async fn prepare(
    connector: &Connector,
    settings: &PostgresSettings,
    key: &EncryptionKey,
) -> Result<(), PostgresError> {
    let opened = answer(settings, connector.open(Role::Migrating)).await?;
    let mut preparation = Preparation { client: opened.0, settings };
    preparation.check_version().await?;
    preparation.lock().await?;
    preparation.migrate().await?;
    preparation.check_key(key).await?;
    preparation.unlock().await
}

/// Waits for the server, but not for ever.
async fn answer<T>(
    settings: &PostgresSettings,
    question: impl Future<Output = Result<T, tokio_postgres::Error>>,
) -> Result<T, PostgresError> {
    match timeout(ANSWER, question).await {
        Ok(answer) => answer.map_err(|error| PostgresError::of(error, settings)),
        Err(elapsed) => Err(PostgresError::unreachable(settings, elapsed)),
    }
}

/// The one connection that all of it happens on: locks belong to it.
struct Preparation<'a> {
    client: Client,
    settings: &'a PostgresSettings,
}

impl Preparation<'_> {
    async fn check_version(&self) -> Result<(), PostgresError> {
        let number = self.ask("SHOW server_version_num").await?;
        judge_version(&number)
    }

    async fn lock(&self) -> Result<(), PostgresError> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        while self.ask(TRY_LOCK).await? != "t" {
            if Instant::now() > deadline {
                return Err(PostgresError::Lock("another replica keeps it"));
            }
            sleep(LOCK_PAUSE).await;
        }
        if self.ask(HOLDS_LOCK).await? == "t" {
            return Ok(());
        }
        Err(PostgresError::Lock("the connection does not keep its session, as behind some poolers"))
    }

    async fn unlock(&self) -> Result<(), PostgresError> {
        if self.ask(UNLOCK).await? == "t" {
            return Ok(());
        }
        Err(PostgresError::Lock("it was lost while the schema was migrated"))
    }

    async fn migrate(&mut self) -> Result<(), PostgresError> {
        let mut attempts = 1;
        loop {
            let runner = runner();
            let run = runner.run_async(&mut self.client);
            let report = timeout(MIGRATION, run)
                .await
                .map_err(|elapsed| PostgresError::unreachable(self.settings, elapsed))?;
            match report {
                Ok(_) => break,
                Err(error) if is_lock_timeout(&error) && attempts < MIGRATION_ATTEMPTS => {
                    tracing::info!("a migration waits for tables that are in use");
                    attempts += 1;
                    sleep(MIGRATION_PAUSE).await;
                }
                Err(error) => return Err(PostgresError::of_migration(error, self.settings)),
            }
        }
        self.check_schema().await
    }

    /// A migration that was passed over because a later one had been applied would be missed here.
    async fn check_schema(&mut self) -> Result<(), PostgresError> {
        let runner = runner();
        let applied = runner
            .get_applied_migrations_async(&mut self.client)
            .await
            .map_err(|error| PostgresError::of_migration(error, self.settings))?;
        let is_missing = |migration: &&Migration| {
            !applied.iter().any(|applied| applied.version() == migration.version())
        };
        match runner.get_migrations().iter().find(is_missing) {
            Some(migration) => Err(PostgresError::schema(
                self.settings,
                format!("migration {migration} was never applied, but a later one was"),
            )),
            None => Ok(()),
        }
    }

    async fn check_key(&self, key: &EncryptionKey) -> Result<(), PostgresError> {
        const ENTER: &str = "INSERT INTO encryption_key (id, fingerprint) VALUES (1, $1)
            ON CONFLICT DO NOTHING";
        const READ: &str = "SELECT fingerprint FROM encryption_key WHERE id = 1";
        let fingerprint = key.fingerprint();
        let (entered, fingerprint) = (&self.client, fingerprint.as_slice());
        answer(self.settings, entered.execute(ENTER, &[&fingerprint])).await?;
        let row = answer(self.settings, self.client.query_one(READ, &[])).await?;
        let stored: &[u8] =
            row.try_get(0).map_err(|error| PostgresError::schema(self.settings, error))?;
        if stored == fingerprint { Ok(()) } else { Err(PostgresError::OtherKey) }
    }

    /// The first value of the answer, as text.
    async fn ask(&self, question: &str) -> Result<String, PostgresError> {
        let messages = answer(self.settings, self.client.simple_query(question)).await?;
        let value = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(value.unwrap_or_default().to_owned())
    }
}

/// Accepts what a newer program has added. What was applied must be what we know, to the letter.
fn runner() -> Runner {
    embedded::migrations::runner().set_abort_divergent(true).set_abort_missing(false)
}

fn judge_version(number: &str) -> Result<(), PostgresError> {
    match number.parse::<i64>() {
        Ok(version) if version >= OLDEST_VERSION => Ok(()),
        Ok(version) => Err(PostgresError::TooOld(version_name(version))),
        Err(_) => Err(PostgresError::TooOld(format!("of version {number:?}"))),
    }
}

/// `110022` is 11.22, `90603` is 9.6.3.
fn version_name(number: i64) -> String {
    let (major, minor) = (number / 10_000, number % 10_000);
    if major >= 10 {
        format!("{major}.{minor}")
    } else {
        format!("{major}.{}.{}", minor / 100, minor % 100)
    }
}

fn is_lock_timeout(error: &refinery::Error) -> bool {
    let cause = cause_of_migration(error).and_then(tokio_postgres::Error::code);
    cause == Some(&SqlState::LOCK_NOT_AVAILABLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_12_are_refused_by_name() {
        for (number, name) in [("110022", "11.22"), ("90603", "9.6.3"), ("100000", "10.0")] {
            let error = judge_version(number).unwrap_err().to_string();
            assert!(error.contains(&format!("postgresql {name} is too old")), "{error}");
        }
        for number in ["120000", "150018", "180001"] {
            assert!(judge_version(number).is_ok(), "{number}");
        }
        assert!(judge_version("").is_err());
    }
}
