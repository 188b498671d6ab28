//! Random histories of one store, the same ones in every run.

use std::collections::BTreeMap;

use artifact_core::ports::{EvictionPass, GarbagePass, MetaStore, Precondition, Selector};
use artifact_core::{ArtifactRow, BlobId, ErrorKind, RepositoryId};

use super::super::bytes::Erasure;
use super::super::{blob, create, key, row};
use super::adoption::listing;
use super::{Bytes, DAY, after, at_once, now, survey};

const STEPS: usize = 300;
const BLOBS: u64 = 5;
const PATHS: u64 = 6;

/// Whatever happens in whatever order: the bytes of every row exist, and when everything is
/// removed, nothing is left over.
pub async fn random_histories_lose_nothing_and_leave_nothing(store: &dyn MetaStore) {
    for seed in 1..=3 {
        let repository = create(store, &format!("seed-{seed}")).await;
        let mut history = History::new(store, repository, seed);
        for step in 0..STEPS {
            history.step().await;
            history.check(seed, step).await;
        }
        history.end().await;
    }
}

/// Numbers that look random (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn blob(&mut self) -> BlobId {
        blob(&self.below(BLOBS).to_string())
    }

    fn path(&mut self) -> String {
        self.below(PATHS).to_string()
    }
}

/// A write under way: its blob is pinned.
struct Write {
    owner: String,
    blob: BlobId,
}

struct History<'a> {
    store: &'a dyn MetaStore,
    repository: RepositoryId,
    random: Random,
    bytes: Bytes,
    writes: Vec<Write>,
    owners: usize,
    /// What the store should hold.
    rows: BTreeMap<String, BlobId>,
}

impl<'a> History<'a> {
    fn new(store: &'a dyn MetaStore, repository: RepositoryId, seed: u64) -> Self {
        Self {
            store,
            repository,
            random: Random(seed),
            bytes: Bytes::default(),
            writes: Vec::new(),
            owners: 0,
            rows: BTreeMap::new(),
        }
    }

    async fn step(&mut self) {
        match self.random.below(20) {
            0..=3 => self.begin_write().await,
            4..=7 => self.finish_write().await,
            8 => self.give_up_write().await,
            9..=10 => self.remove().await,
            11 => self.evict().await,
            12 => self.evict_least_used().await,
            13..=15 => drop(self.store.review(self.pass()).await.unwrap()),
            16..=18 => self.reclaim().await,
            _ => self.sweep().await,
        }
    }

    fn pass(&mut self) -> GarbagePass {
        let limit = usize::try_from(self.random.below(4)).unwrap();
        GarbagePass { limit, ..at_once() }
    }

    async fn begin_write(&mut self) {
        let (owner, blob) = (format!("writer {}", self.owners), self.random.blob());
        self.owners += 1;
        match self.store.pin(blob, &owner, now().plus(DAY)).await {
            Ok(_) => self.writes.push(Write { owner, blob }),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable),
        }
    }

    fn take_write(&mut self) -> Option<Write> {
        let count = u64::try_from(self.writes.len()).unwrap();
        let index = if count == 0 { return None } else { self.random.below(count) };
        Some(self.writes.swap_remove(usize::try_from(index).unwrap()))
    }

    /// Stores the bytes unless they are there, publishes, and takes the pin away. It looks even
    /// if the pin found the blob live: another writer may have revived it, found that the bytes
    /// are gone, and died.
    async fn finish_write(&mut self) {
        let Some(Write { owner, blob }) = self.take_write() else { return };
        self.bytes.store(blob);
        let path = self.random.path();
        let written = ArtifactRow { blob, ..row(self.repository, &path) };
        self.store.publish(written, Precondition::Any).await.unwrap();
        self.rows.insert(path, blob);
        self.store.unpin(blob, &owner).await.unwrap();
    }

    /// The process dies: bytes perhaps stored, a pin perhaps left.
    async fn give_up_write(&mut self) {
        let Some(Write { owner, blob }) = self.take_write() else { return };
        if self.random.below(2) == 0 {
            self.bytes.store(blob);
        }
        if self.random.below(2) == 0 {
            self.store.unpin(blob, &owner).await.unwrap();
        }
    }

    async fn remove(&mut self) {
        let path = self.random.path();
        self.store.remove(&key(self.repository, &path), Precondition::Any).await.unwrap();
        self.rows.remove(&path);
    }

    async fn evict(&mut self) {
        let path = self.random.path();
        let selector = Selector::Prefix(path.clone());
        self.store.evict(self.repository, &selector, false).await.unwrap();
        self.rows.remove(&path);
    }

    async fn evict_least_used(&mut self) {
        let pass = EvictionPass {
            repositories: vec![self.repository],
            bytes: u64::MAX,
            unused_since: now().plus(1000 * DAY),
            limit: 1,
        };
        let evicted = self.store.evict_least_used(&pass).await.unwrap();
        assert_eq!(evicted.objects, u64::from(!self.rows.is_empty()));
        for path in self.rows.keys().cloned().collect::<Vec<_>>() {
            if self.store.row(&key(self.repository, &path)).await.unwrap().is_none() {
                self.rows.remove(&path);
            }
        }
    }

    async fn reclaim(&mut self) {
        self.bytes.behave(match self.random.below(12) {
            0 => Erasure::Fails,
            1 => Erasure::LosesTheAnswer,
            _ => Erasure::Works,
        });
        let pass = self.pass();
        self.store.reclaim(pass, &self.bytes).await.unwrap();
    }

    async fn sweep(&mut self) {
        let stored: Vec<_> = self.bytes.stored().iter().map(|id| listing(*id, 10)).collect();
        self.store.adopt(&stored, now()).await.unwrap();
    }

    async fn check(&self, seed: u64, step: usize) {
        for (path, blob) in &self.rows {
            let row = self.store.row(&key(self.repository, path)).await.unwrap();
            assert_eq!(row.map(|row| row.blob), Some(*blob), "seed {seed}, step {step}");
            assert!(self.bytes.hold(*blob), "seed {seed}, step {step}: bytes are gone");
        }
    }

    /// Everything goes; pins that were left end by themselves.
    async fn end(mut self) {
        let all = Selector::Prefix(String::new());
        self.store.evict(self.repository, &all, false).await.unwrap();
        self.sweep().await;
        self.bytes.behave(Erasure::Works);
        for days in [2, 4] {
            super::collect(self.store, after(days * DAY), &self.bytes).await;
        }
        assert_eq!((survey(self.store).await.blobs, self.bytes.stored()), (0, Vec::new()));
        assert_eq!(self.store.usage().await.unwrap().1, 0);
    }
}
