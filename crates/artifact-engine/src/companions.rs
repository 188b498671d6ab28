//! The companions of index documents: what else has to be read to understand one.
//!
//! Which they are follows from the document's own bytes, so it is found out once per change and
//! process. Companions are ordinary documents with ordinary rows and flights.

use std::sync::Arc;

use artifact_core::{BlobId, Error, ErrorKind, RepositoryId, Result, Target, Variant};
use quick_cache::sync::Cache;

use crate::documents::{self, Source};
use crate::shared::Shared;

/// The most companions that one document may have, those of its companions included.
const MOST: usize = 1000;

/// What decides which companions a document has.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct Key {
    repository: RepositoryId,
    blob: BlobId,
    path: String,
    source: Variant,
}

impl Key {
    fn of(repository: RepositoryId, target: &Target, blob: BlobId) -> Self {
        let path = target.path.as_str().to_owned();
        Self { repository, blob, path, source: target.source.clone() }
    }
}

/// The companions of the documents that were read lately.
#[derive(Debug)]
pub(crate) struct Companions(Cache<Key, Arc<[Target]>>);

impl Companions {
    pub(crate) fn new() -> Self {
        Self(Cache::new(16 * 1024))
    }

    /// Remembers what was found out about a document.
    pub(crate) fn remember(
        &self,
        repository: RepositoryId,
        target: &Target,
        blob: BlobId,
        companions: Vec<Target>,
    ) {
        self.0.insert(Key::of(repository, target, blob), companions.into());
    }
}

/// A document or a companion of one.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    /// The number of the document among those that were asked for.
    pub(crate) position: usize,
    pub(crate) source: Source,
}

/// `sources` in their order, each followed by its companions. A companion that does not exist is
/// left out: what that means is for the provider to say.
pub(crate) async fn gather(shared: &Arc<Shared>, sources: Vec<Source>) -> Result<Vec<Placed>> {
    let mut gathered = Vec::with_capacity(sources.len());
    for (position, source) in sources.into_iter().enumerate() {
        let first = gathered.len();
        gathered.push(Placed { position, source });
        let mut next = first;
        while let Some(placed) = gathered.get(next) {
            let source = placed.source.clone();
            next += 1;
            for companion in companions_of(shared, &source).await?.iter() {
                let is_known = |placed: &Placed| {
                    let known = &placed.source.target;
                    known.path == companion.path && known.source == companion.source
                };
                if gathered.iter().skip(first).any(is_known) {
                    continue;
                }
                if gathered.len() - first >= MOST {
                    let text = "the upstream document is spread over too many documents";
                    return Err(Error::new(ErrorKind::Upstream, text));
                }
                match documents::source(shared, &source.mounted, companion).await {
                    Ok(source) => gathered.push(Placed { position, source }),
                    Err(error) if error.is_absent() => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
    Ok(gathered)
}

async fn companions_of(shared: &Arc<Shared>, source: &Source) -> Result<Arc<[Target]>> {
    // What is hosted here is whole.
    if source.mounted.upstream.is_none() {
        return Ok(Arc::default());
    }
    let key = Key::of(source.mounted.id(), &source.target, source.blob);
    if let Some(known) = shared.companions.0.get(&key) {
        return Ok(known);
    }
    let inspection = documents::inspect(shared, source).await?;
    let companions: Arc<[Target]> = inspection.companions.into();
    shared.companions.0.insert(key, Arc::clone(&companions));
    Ok(companions)
}
