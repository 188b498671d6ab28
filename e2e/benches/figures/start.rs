//! A server that takes over a large cache.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use artifact_core::ports::{MetaStore, Precondition, Published, RepositoryStore, RowStore};
use artifact_core::{ArtifactRow, BlobId, RepoPath, RowKey, Variant};
use e2e::DataDirectory;
use futures_util::{StreamExt, TryStreamExt, stream};
use meta_db::{EncryptionKey, SqliteStore};
use ring::digest::{SHA256, digest};
use testkit::{Origin, Script};
use tokio::time::sleep;

use crate::process::resident;
use crate::report::{Figure, Spread, Target};
use crate::subject::Subject;

const ROUNDS: usize = 7;
const FILES: u32 = 100_000;
const FILES_PER_DIRECTORY: u32 = 100;
/// What the store's writer puts into one transaction is up to it; it is never short of work.
const IN_FLIGHT: usize = 1_024;
const REMOTE: &str = "files";
const PATH: &str = "/asked.bin";
/// Housekeeping of a fresh start is over by then.
const REST: Duration = Duration::from_secs(1);

/// From the start of the process to its first answer, and the memory afterwards.
pub(crate) async fn measure() -> Result<Vec<Figure>> {
    let origin = Origin::start().await;
    let mut data = populated(&origin).await?;
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..ROUNDS {
        let subject = Subject::start(data).await?;
        let answer = subject.get(&subject.file(REMOTE, PATH)).await?;
        times.push(subject.age().as_secs_f64() * 1e3);
        ensure!(answer.is_hit(), "not out of the cache: {:?}", answer.cache_status());
        sleep(REST).await;
        memory.push(resident(subject.id()?)?);
        data = subject.stop().await?;
    }
    Ok(vec![
        Figure::new("start to the first answer, a cached file", " ms", Spread::of(times))
            .with_target(Target::Below(300.0)),
        Figure::new("resident memory at rest", " MiB", Spread::of(memory))
            .with_target(Target::Below(40.0)),
    ])
}

/// A data directory with one file that is really there and the rows of all the others.
async fn populated(origin: &Origin) -> Result<DataDirectory> {
    origin.on(PATH, Script::generated(2 << 10));
    let subject = Subject::start(DataDirectory::new()?).await?;
    subject.add_remote(REMOTE, "generic", origin).await?;
    subject.get(&subject.file(REMOTE, PATH)).await?;
    let data = subject.stop().await?;
    // No credential is stored, so any key does.
    let store = SqliteStore::open(data.path(), EncryptionKey::from_bytes([0; 32]))?;
    let row = real_row(&store).await?;
    stream::iter(0..FILES)
        .map(|number| publish(&store, &row, number))
        .buffer_unordered(IN_FLIGHT)
        .try_collect::<()>()
        .await?;
    store.check().await?;
    Ok(data)
}

async fn real_row(store: &SqliteStore) -> Result<ArtifactRow> {
    let change = store.repositories().await?;
    let repository = change.repositories.first().context("no repository")?;
    let path = RepoPath::from_decoded(PATH.trim_start_matches('/'))?;
    let key = RowKey { repository: repository.id, path, variant: Variant::SOURCE };
    store.row(&key).await?.context("the file that was fetched has no row")
}

async fn publish(store: &SqliteStore, like: &ArtifactRow, number: u32) -> Result<()> {
    let mut row = like.clone();
    let directory = number / FILES_PER_DIRECTORY;
    row.key.path = RepoPath::from_decoded(&format!("releases/{directory}/file-{number}.bin"))?;
    let hash = digest(&SHA256, &number.to_be_bytes());
    row.blob = BlobId::from_bytes(hash.as_ref().try_into()?);
    match store.publish(row, Precondition::Absent).await? {
        Published::Stored(_) => Ok(()),
        Published::Conflict(_) => bail!("file {number} is there twice"),
    }
}
