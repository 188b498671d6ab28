//! Hot rows: what a hit needs without asking the metadata store.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use artifact_core::ports::{MetaStore, RowChange, Selector};
use artifact_core::{ArtifactRow, RepositoryId, Result, RowKey, Timestamp};
use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Groups of rows whose changes are counted together.
const CHANGE_GROUPS: usize = 256;

/// What a row weighs besides its texts, headers included; measured, rounded up.
const ROW_WEIGHT: u64 = 600;

/// A row with the head that every answer from it begins with.
#[derive(Debug)]
pub(crate) struct HotRow {
    /// The row.
    pub(crate) row: ArtifactRow,
    /// `Content-Type`, `ETag`, `Last-Modified` and the like.
    pub(crate) headers: HeaderMap,
    /// The strong entity tag with its quotes.
    pub(crate) etag: String,
    /// When these bytes were first served under this path.
    pub(crate) modified: Timestamp,
}

impl HotRow {
    pub(crate) fn new(row: ArtifactRow) -> Self {
        let etag = format!("\"sha256:{}\"", row.blob);
        let modified = modified_at(&row);
        let headers = static_headers(row.content_type.as_deref(), Some(&etag), Some(modified));
        Self { row, headers, etag, modified }
    }
}

/// Upstream's own date where it stays true for these bytes, else the moment we stored them:
/// an older date on newer bytes would make a client keep its old copy.
fn modified_at(row: &ArtifactRow) -> Timestamp {
    let by_upstream = || Timestamp::from_http_date(row.upstream_last_modified.as_deref()?);
    match row.class {
        artifact_core::Class::Immutable => by_upstream().unwrap_or(row.fetched_at),
        _ => row.fetched_at,
    }
}

/// The part of an answer's head that depends on the bytes alone.
pub(crate) fn static_headers(
    content_type: Option<&str>,
    etag: Option<&str>,
    modified: Option<Timestamp>,
) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let content_type = content_type.unwrap_or("application/octet-stream");
    if let Some(content_type) = value(content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if is_active_content(content_type) {
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    }
    if let Some(etag) = etag.and_then(value) {
        headers.insert(ETAG, etag);
    }
    if let Some(modified) = modified.and_then(|moment| value(&moment.to_http_date())) {
        headers.insert(LAST_MODIFIED, modified);
    }
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers
}

/// What a browser would run in our origin's name. Files are never meant to be shown, so they
/// are offered as downloads.
fn is_active_content(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    is("text/html")
        || is("application/xhtml+xml")
        || is("image/svg+xml")
        || is("text/xml")
        || is("application/xml")
}

#[derive(Clone, Debug)]
struct ByTexts;

impl Weighter<RowKey, Arc<HotRow>> for ByTexts {
    fn weight(&self, key: &RowKey, _: &Arc<HotRow>) -> u64 {
        ROW_WEIGHT + key.path.as_str().len() as u64
    }
}

/// A bounded cache of rows before the metadata store. Every change of a row made by this
/// process goes through here, so that what is cached is what was written last.
#[derive(Debug)]
pub(crate) struct Rows {
    meta: Arc<dyn MetaStore>,
    cache: Cache<RowKey, Arc<HotRow>, ByTexts>,
    changes: Changes,
}

/// Counts changes of rows, so that a row that was being read meanwhile is not kept: it may be older than the
/// change. Counted in groups, so that few reads meet a change of another row.
#[derive(Debug)]
struct Changes([AtomicU64; CHANGE_GROUPS]);

/// How many changes there had been of the group of a row.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Moment(u64);

impl Changes {
    fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    fn now(&self, key: &RowKey) -> Moment {
        Moment(self.group(key).map_or(0, |group| group.load(Ordering::SeqCst)))
    }

    /// To be called before the row is forgotten or replaced.
    fn count(&self, key: &RowKey) {
        if let Some(group) = self.group(key) {
            group.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn count_all(&self) {
        for group in &self.0 {
            group.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn group(&self, key: &RowKey) -> Option<&AtomicU64> {
        let mut hasher = DefaultHasher::new();
        key.path.hash(&mut hasher);
        let groups = CHANGE_GROUPS as u64;
        self.0.get(usize::try_from(hasher.finish() % groups).unwrap_or_default())
    }
}

impl Rows {
    pub(crate) fn new(meta: Arc<dyn MetaStore>, capacity_bytes: u64) -> Self {
        let items = usize::try_from(capacity_bytes / ROW_WEIGHT).unwrap_or(usize::MAX);
        let cache = Cache::with_weighter(items, capacity_bytes, ByTexts);
        Self { meta, cache, changes: Changes::new() }
    }

    /// The row if it is hot. No I/O.
    pub(crate) fn hot(&self, key: &RowKey) -> Option<Arc<HotRow>> {
        self.cache.get(key)
    }

    /// The row, read from the metadata store when it is not hot.
    pub(crate) async fn get(&self, key: &RowKey) -> Result<Option<Arc<HotRow>>> {
        if let Some(hot) = self.hot(key) {
            return Ok(Some(hot));
        }
        self.read(key).await
    }

    /// The row as the metadata store has it now.
    pub(crate) async fn read(&self, key: &RowKey) -> Result<Option<Arc<HotRow>>> {
        let moment = self.changes.now(key);
        Ok(self.meta.row(key).await?.map(|row| self.keep_read(row, moment)))
    }

    /// Makes a row hot that was being read since `moment`, unless it changed meanwhile.
    fn keep_read(&self, row: ArtifactRow, moment: Moment) -> Arc<HotRow> {
        let key = row.key.clone();
        let hot = Arc::new(HotRow::new(row));
        self.cache.insert(key.clone(), Arc::clone(&hot));
        // After the insertion: a change that is counted later forgets the row later, too.
        if self.changes.now(&key) != moment {
            self.cache.remove(&key);
        }
        hot
    }

    /// Makes a row hot that was just written.
    pub(crate) fn keep(&self, row: ArtifactRow) -> Arc<HotRow> {
        let key = row.key.clone();
        let hot = Arc::new(HotRow::new(row));
        self.changes.count(&key);
        self.cache.insert(key, Arc::clone(&hot));
        hot
    }

    /// Forgets one row.
    pub(crate) fn forget(&self, key: &RowKey) {
        self.changes.count(key);
        self.cache.remove(key);
    }

    /// Forgets every row that one of `changes` selects.
    pub(crate) fn forget_changed(&self, changes: &[RowChange]) {
        let mut paths = HashSet::new();
        let mut prefixes = Vec::new();
        for change in changes {
            match &change.selector {
                Selector::Path(path) => {
                    paths.insert((change.repository, path.as_str()));
                }
                Selector::Prefix(prefix) => prefixes.push((change.repository, prefix.as_str())),
            }
        }
        self.changes.count_all();
        self.cache.retain(|key, _| {
            let path = key.path.as_str();
            let is_below = |(repository, prefix): &(RepositoryId, &str)| {
                *repository == key.repository && path.starts_with(prefix)
            };
            !paths.contains(&(key.repository, path)) && !prefixes.iter().any(is_below)
        });
    }

    /// Forgets every row.
    pub(crate) fn forget_all(&self) {
        self.changes.count_all();
        self.cache.clear();
    }

    /// Forgets the selected rows of a repository.
    pub(crate) fn forget_selected(&self, repository: RepositoryId, selector: &Selector) {
        self.changes.count_all();
        self.cache.retain(|key, _| {
            let selected = match selector {
                Selector::Path(path) => key.path == *path,
                Selector::Prefix(prefix) => key.path.as_str().starts_with(prefix),
            };
            key.repository != repository || !selected
        });
    }
}

#[cfg(test)]
mod tests {
    use artifact_core::{BlobId, Class, Digests, RepoPath, Variant};
    use testkit::MemoryMetaStore;

    use super::*;

    fn row() -> ArtifactRow {
        let now = Timestamp::from_seconds(1);
        ArtifactRow {
            key: RowKey {
                repository: RepositoryId(1),
                path: RepoPath::from_decoded("a/b").unwrap(),
                variant: Variant::SOURCE,
            },
            blob: BlobId::from_bytes([7; 32]),
            size: 1,
            class: Class::Immutable,
            content_type: None,
            upstream_etag: None,
            upstream_last_modified: None,
            upstream_url: None,
            checksums: Digests::new(),
            fetched_at: now,
            validated_at: now,
            expires_at: None,
            generation: 1,
        }
    }

    #[test]
    fn a_row_that_was_read_while_it_changed_does_not_become_hot() {
        let rows = Rows::new(Arc::new(MemoryMetaStore::default()), 1 << 20);
        let (row, key) = (row(), row().key);
        let everything = Selector::Prefix(String::new());
        let changes: [(&str, &dyn Fn()); 4] = [
            ("forgotten", &|| rows.forget(&key)),
            ("evicted", &|| rows.forget_selected(key.repository, &everything)),
            ("everything forgotten", &|| rows.forget_all()),
            ("changed elsewhere", &|| {
                let selector = Selector::Path(key.path.clone());
                rows.forget_changed(&[RowChange { id: 1, repository: key.repository, selector }]);
            }),
        ];
        for (name, change) in changes {
            let moment = rows.changes.now(&key);
            change();
            rows.keep_read(row.clone(), moment);
            assert!(rows.hot(&key).is_none(), "{name}");
        }
        let moment = rows.changes.now(&key);
        rows.keep_read(row.clone(), moment);
        assert!(rows.hot(&key).is_some());
    }
}
