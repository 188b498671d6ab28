//! Hot rows: what a hit needs without asking the metadata store.

use std::collections::HashSet;
use std::sync::Arc;

use artifact_core::ports::{MetaStore, RowChange, Selector};
use artifact_core::{ArtifactRow, RepositoryId, Result, RowKey, Timestamp};
use http::header::{ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use http::{HeaderMap, HeaderValue};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

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
}

impl Rows {
    pub(crate) fn new(meta: Arc<dyn MetaStore>, capacity_bytes: u64) -> Self {
        let items = usize::try_from(capacity_bytes / ROW_WEIGHT).unwrap_or(usize::MAX);
        Self { meta, cache: Cache::with_weighter(items, capacity_bytes, ByTexts) }
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
        Ok(self.meta.row(key).await?.map(|row| self.keep(row)))
    }

    /// Makes a row hot that was just read or written.
    pub(crate) fn keep(&self, row: ArtifactRow) -> Arc<HotRow> {
        let key = row.key.clone();
        let hot = Arc::new(HotRow::new(row));
        self.cache.insert(key, Arc::clone(&hot));
        hot
    }

    /// Forgets one row.
    pub(crate) fn forget(&self, key: &RowKey) {
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
        self.cache.clear();
    }

    /// Forgets the selected rows of a repository.
    pub(crate) fn forget_selected(&self, repository: RepositoryId, selector: &Selector) {
        self.cache.retain(|key, _| {
            let selected = match selector {
                Selector::Path(path) => key.path == *path,
                Selector::Prefix(prefix) => key.path.as_str().starts_with(prefix),
            };
            key.repository != repository || !selected
        });
    }
}
