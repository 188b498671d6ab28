//! Writers and collectors of two replicas, all at once.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use artifact_core::ports::{
    BlobIndex, EraseBytes, GarbagePass, Pinned, Precondition, RowStore, StatBucket, StatStore,
};
use artifact_core::{ArtifactRow, BlobId, Clock, RepositoryId, SystemClock};
use async_trait::async_trait;
use meta_db::PostgresStore;

use crate::support::{Database, NOW, PATIENCE, create, id, local, publish, row};

const WRITERS: usize = 16;
const ROUNDS: usize = 20;
const BLOBS: usize = 4;
const PIN: Duration = Duration::from_secs(3600);

/// Bytes of blobs, as a store would hold them.
#[derive(Debug, Default)]
struct Bytes(Mutex<HashSet<BlobId>>);

impl Bytes {
    fn store(&self, id: BlobId) {
        self.0.lock().unwrap().insert(id);
    }

    fn hold(&self, id: BlobId) -> bool {
        self.0.lock().unwrap().contains(&id)
    }
}

#[async_trait]
impl EraseBytes for Bytes {
    async fn erase(&self, ids: &[BlobId]) -> Vec<BlobId> {
        for id in ids {
            tokio::task::yield_now().await;
            self.0.lock().unwrap().remove(id);
        }
        ids.to_vec()
    }
}

fn at_once() -> GarbagePass {
    GarbagePass {
        now: SystemClock.now().plus(Duration::from_secs(1)),
        review_delay: Duration::ZERO,
        delete_delay: Duration::ZERO,
        limit: 3,
    }
}

async fn write(store: &PostgresStore, bytes: &Bytes, repository: RepositoryId, writer: usize) {
    let owner = format!("writer {writer}");
    for round in 0..ROUNDS {
        let blob = id(u8::try_from((writer + round) % BLOBS).unwrap());
        let until = SystemClock.now().plus(PIN);
        if store.pin(blob, &owner, until).await.unwrap() != Pinned::Live {
            bytes.store(blob);
        }
        let key = publish(store, ArtifactRow { blob, ..row(repository, &owner, 0) }).await.key;
        store.unpin(blob, &owner).await.unwrap();
        tokio::task::yield_now().await;
        assert!(bytes.hold(blob), "the bytes of a row are gone");
        store.remove(&key, Precondition::Any).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_and_collectors_of_two_replicas_lose_nothing_and_leave_nothing() {
    let Some(database) = Database::migrated().await else { return };
    let stores = [Arc::new(database.store()), Arc::new(database.store())];
    let repository = create(&stores[0], local("a")).await;
    let (bytes, at_work) = (Arc::new(Bytes::default()), Arc::new(AtomicUsize::new(WRITERS)));
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let (store, bytes) = (Arc::clone(&stores[writer % 2]), Arc::clone(&bytes));
        let at_work = Arc::clone(&at_work);
        tasks.spawn(async move {
            write(&store, &bytes, repository, writer).await;
            at_work.fetch_sub(1, Ordering::SeqCst);
        });
    }
    for store in &stores {
        let (store, bytes) = (Arc::clone(store), Arc::clone(&bytes));
        let at_work = Arc::clone(&at_work);
        tasks.spawn(async move {
            while at_work.load(Ordering::SeqCst) > 0 {
                store.review(at_once()).await.unwrap();
                store.reclaim(at_once(), bytes.as_ref()).await.unwrap();
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    // A blob that was seen pinned is not reviewed before the end that its pin had announced.
    let late = GarbagePass { now: at_once().now.plus(PIN), ..at_once() };
    for _ in 0..BLOBS {
        stores[0].review(late).await.unwrap();
        stores[0].reclaim(late, bytes.as_ref()).await.unwrap();
    }
    let left = "SELECT (SELECT count(*) FROM blob) + (SELECT count(*) FROM gc_queue)
        + (SELECT count(*) FROM pin) + (SELECT count(*) FROM deletion_attempt)";
    let client = database.client().await;
    assert_eq!(client.query_one(left, &[]).await.unwrap().get::<_, i64>(0), 0);
    assert!(bytes.0.lock().unwrap().is_empty());
    let (usages, stored) = stores[1].usage().await.unwrap();
    assert_eq!((usages[0].1.objects, usages[0].1.logical_bytes, stored), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn flushes_of_two_replicas_never_block_each_other_for_good() {
    let Some(database) = Database::migrated().await else { return };
    let stores = [Arc::new(database.store()), Arc::new(database.store())];
    let mut repositories = Vec::new();
    for n in 0..10 {
        repositories.push(create(&stores[0], local(&format!("r{n}"))).await);
    }
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..20 {
        let store = Arc::clone(&stores[n % 2]);
        let mut buckets: Vec<_> = repositories
            .iter()
            .map(|id| (*id, StatBucket { hits: 1, ..StatBucket::default() }))
            .collect();
        if n % 3 == 0 {
            buckets.reverse();
        }
        tasks.spawn(async move {
            store.add_statistics(NOW, Duration::from_secs(60), buckets).await.unwrap();
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let sums = stores[0].statistics_since(NOW).await.unwrap();
    assert!(sums.iter().all(|(_, bucket)| bucket.hits == 20), "{sums:?}");
    assert_eq!(sums.len(), 10);
}

#[tokio::test]
async fn a_publish_does_not_wait_for_the_transaction_of_another_one() {
    let Some(mut database) = Database::migrated().await else { return };
    database.settings.pool_size = 2;
    let store = database.store();
    let repository = create(&store, local("a")).await;
    publish(&store, row(repository, "x", 1)).await;
    let slots = "SELECT DISTINCT pid % 32 AS slot FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'artifactapi'";
    let mut others = Vec::new();
    let mut other = loop {
        let client = database.client().await;
        let taken = client.query(slots, &[]).await.unwrap();
        let own = "SELECT pg_backend_pid() % 32";
        let own: i32 = client.query_one(own, &[]).await.unwrap().get(0);
        if taken.iter().all(|row| row.get::<_, i32>(0) != own) {
            break client;
        }
        others.push(client);
    };
    let unfinished = other.transaction().await.unwrap();
    let blob = "INSERT INTO blob (sha256, size) VALUES (decode(repeat('09', 32), 'hex'), 10)";
    unfinished.execute(blob, &[]).await.unwrap();
    let artifact = "INSERT INTO artifact
        SELECT repository, 'other', variant, decode(repeat('09', 32), 'hex'), size, class,
               content_type, upstream_etag, upstream_last_modified, upstream_url, checksums,
               fetched_at, validated_at, expires_at, generation
        FROM artifact";
    unfinished.execute(artifact, &[]).await.unwrap();
    for n in 2..5 {
        publish(&store, row(repository, &n.to_string(), n)).await;
    }
    assert_eq!(store.usage().await.unwrap().1, 40);
    unfinished.commit().await.unwrap();
    assert_eq!(store.usage().await.unwrap().1, 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_goes_on_although_all_writers_wait_for_it() {
    let Some(database) = Database::migrated().await else { return };
    let store = Arc::new(database.store());
    let mut client = database.client().await;
    let condemned = "INSERT INTO blob (sha256, size, state, condemned_at)
        VALUES ($1, 10, 'condemned', 1)";
    client.execute(condemned, &[&[1_u8; 32].as_slice()]).await.unwrap();
    let bytes = Arc::new(Bytes::default());
    // Holds the collector up when it has locked the blob and looks for pins.
    let holdup = client.transaction().await.unwrap();
    holdup.batch_execute("LOCK TABLE pin IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let watcher = database.client().await;
    let wait_for = async |count: i64| {
        let deadline = Instant::now() + PATIENCE;
        while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) < count {
            assert!(Instant::now() < deadline, "fewer than {count} wait");
        }
    };
    let collector = {
        let (store, bytes) = (Arc::clone(&store), Arc::clone(&bytes));
        tokio::spawn(async move { store.reclaim(at_once(), bytes.as_ref()).await })
    };
    wait_for(1).await;
    // Together with the collector's, all four connections for writers.
    let writers: Vec<_> = (0..3)
        .map(|n| {
            let store = Arc::clone(&store);
            let until = SystemClock.now().plus(PIN);
            tokio::spawn(async move { store.pin(id(1), &format!("writer {n}"), until).await })
        })
        .collect();
    wait_for(4).await;
    holdup.rollback().await.unwrap();
    assert_eq!(collector.await.unwrap().unwrap().blobs, 1);
    for writer in writers {
        assert_eq!(writer.await.unwrap().unwrap(), Pinned::Absent);
    }
}
