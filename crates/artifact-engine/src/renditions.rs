//! Rendered documents in memory: one parse per change of an index, one compression per
//! rendition, nothing of either on a hit.
//!
//! Keys are made of what the result depends on: the hashes of the sources, the rules that
//! filtered them, the address that links lead to. So nothing here is ever invalidated, and a forged
//! `Host` header can only spoil answers to the same forged header.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::io::Write;
use std::sync::Arc;

use artifact_core::{
    BlobId, Error, ErrorKind, Facts, HEADER, Rendition, RepoPath, RepositoryId, Result, Rewritten,
    Template, Variant,
};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tokio::sync::Semaphore;

/// Input bytes that may be in the works at once, in KiB.
const WORK_PERMITS: usize = 256 * 1024;
/// Smaller bodies are not worth a compression.
const COMPRESS_FROM: usize = 1024;
const FACT_WEIGHT: usize = 320;

/// What a rendered set depends on.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct SetKey {
    /// The repository that was addressed.
    pub(crate) repository: RepositoryId,
    /// Whose documents with which hashes, in order of precedence, companions included.
    pub(crate) sources: Vec<(RepositoryId, BlobId)>,
    /// The path of the document.
    pub(crate) path: RepoPath,
    /// The rules that filtered it.
    pub(crate) rules: u64,
    /// Whether links may assume https.
    pub(crate) secure: bool,
    /// A rendition that is not among those every parse gives.
    pub(crate) extra: Option<Variant>,
}

/// Everything that one parse gave.
#[derive(Debug)]
pub(crate) struct RenderedSet {
    pub(crate) facts: Facts,
    renditions: Vec<Rendition>,
}

impl RenderedSet {
    fn rendition(&self, variant: &Variant) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.variant == *variant)
    }

    /// The text of a rendition.
    pub(crate) fn text(&self, variant: &Variant) -> Option<&Template> {
        self.rendition(variant).map(|rendition| &rendition.body)
    }

    /// What is said in a header, with `base_url` in its holes.
    pub(crate) fn header(&self, base_url: &str) -> Option<HeaderValue> {
        let rendition = self.rendition(&HEADER)?;
        HeaderValue::from_bytes(&rendition.body.fill(base_url)).ok()
    }

    fn weight(&self) -> u64 {
        let texts: usize = self.renditions.iter().map(|rendition| rendition.body.weight()).sum();
        let facts = self.facts.files.len() + self.facts.bases.len();
        (texts + facts * FACT_WEIGHT + 256) as u64
    }
}

/// The encodings that we offer.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Encoding {
    Identity,
    Gzip,
}

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
struct BodyKey {
    set: SetKey,
    variant: Variant,
    encoding: Encoding,
    base_url: String,
}

/// A rendition ready to send.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) headers: HeaderMap,
    pub(crate) etag: String,
    pub(crate) body: Bytes,
}

#[derive(Clone, Debug)]
struct ByBytes;

impl Weighter<SetKey, Arc<RenderedSet>> for ByBytes {
    fn weight(&self, _: &SetKey, set: &Arc<RenderedSet>) -> u64 {
        set.weight()
    }
}

impl Weighter<BodyKey, Arc<Encoded>> for ByBytes {
    fn weight(&self, _: &BodyKey, encoded: &Arc<Encoded>) -> u64 {
        encoded.body.len() as u64 + 512
    }
}

/// A cache in one piece. Divided into shards, as is the default, it would turn away every
/// document that is larger than its shard, and those are the ones worth keeping.
fn undivided<K, V>(items: usize, capacity_bytes: u64) -> Cache<K, V, ByBytes>
where
    K: Eq + Hash + Clone,
    V: Clone,
    ByBytes: Weighter<K, V>,
{
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(capacity_bytes)
        .build();
    match options {
        Ok(options) => Cache::with_options(
            options,
            ByBytes,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        // Cannot happen with both capacities given.
        Err(_) => Cache::with_weighter(items, capacity_bytes, ByBytes),
    }
}

/// The caches of rendered documents.
#[derive(Debug)]
pub(crate) struct Renditions {
    sets: Cache<SetKey, Arc<RenderedSet>, ByBytes>,
    bodies: Cache<BodyKey, Arc<Encoded>, ByBytes>,
    work: Semaphore,
}

impl Renditions {
    /// Half of the memory keeps parses, half keeps bodies.
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        let half = capacity_bytes / 2;
        Self {
            sets: undivided(1024, half),
            bodies: undivided(4096, half),
            work: Semaphore::new(WORK_PERMITS),
        }
    }

    /// The set of `key` that holds `variant`, if it is in memory.
    pub(crate) fn hot(&self, key: &SetKey, variant: &Variant) -> Option<Arc<RenderedSet>> {
        let holds = |set: &Arc<RenderedSet>| set.rendition(variant).is_some();
        self.sets.get(key).filter(holds).or_else(|| {
            let key = SetKey { extra: Some(variant.clone()), ..key.clone() };
            self.sets.get(&key).filter(holds)
        })
    }

    /// The set of `key` that holds `variant`; `render` is run once for all who ask meanwhile.
    pub(crate) async fn set(
        &self,
        key: SetKey,
        variant: &Variant,
        input_bytes: u64,
        render: impl FnOnce() -> Result<Rewritten> + Send + 'static,
    ) -> Result<Arc<RenderedSet>> {
        if let Some(set) = self.hot(&key, variant) {
            return Ok(set);
        }
        let is_known = self.sets.get(&key).is_some();
        let key = SetKey { extra: is_known.then(|| variant.clone()), ..key };
        let rendered = self.sets.get_or_insert_async(&key, self.work(input_bytes, render)).await?;
        if rendered.rendition(variant).is_some() {
            return Ok(rendered);
        }
        // Somebody else's parse came first and had other extras.
        Err(Error::new(ErrorKind::Internal, "the document was not rendered in the form asked for"))
    }

    async fn work(
        &self,
        input_bytes: u64,
        render: impl FnOnce() -> Result<Rewritten> + Send + 'static,
    ) -> Result<Arc<RenderedSet>> {
        let rewritten = self.blocking(input_bytes, render).await??;
        Ok(Arc::new(RenderedSet { facts: rewritten.facts, renditions: rewritten.renditions }))
    }

    /// Runs `work`, which holds `input_bytes` in memory, on a thread that may block, as soon as
    /// there is room for it.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        input_bytes: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T> {
        let permits =
            usize::try_from(input_bytes / 1024 + 1).unwrap_or(WORK_PERMITS).min(WORK_PERMITS);
        let permits = u32::try_from(permits).unwrap_or(u32::MAX);
        let failed = || Error::new(ErrorKind::Internal, "a document could not be rendered");
        let _permit = self.work.acquire_many(permits).await.map_err(|_| failed())?;
        tokio::task::spawn_blocking(work).await.map_err(|error| failed().with_source(error))
    }

    /// One rendition of a set, filled with `base_url` and encoded.
    pub(crate) async fn encoded(
        &self,
        key: &SetKey,
        set: &Arc<RenderedSet>,
        variant: &Variant,
        encoding: Encoding,
        base_url: &str,
    ) -> Result<Arc<Encoded>> {
        let absent = || Error::new(ErrorKind::Internal, "the document has no such rendition");
        let rendition = set.rendition(variant).ok_or_else(absent)?;
        let base_url = if rendition.body.is_fixed() { "" } else { base_url };
        let is_worth_it =
            rendition.body.weight() >= COMPRESS_FROM && is_compressible(rendition.content_type);
        let encoding = if is_worth_it { encoding } else { Encoding::Identity };
        let key = BodyKey {
            set: SetKey { extra: None, ..key.clone() },
            variant: variant.clone(),
            encoding,
            base_url: base_url.to_owned(),
        };
        if let Some(encoded) = self.bodies.get(&key) {
            return Ok(encoded);
        }
        let weight = rendition.body.weight() as u64;
        let (set, variant, worked) = (Arc::clone(set), variant.clone(), key.clone());
        let encode = async {
            let work = move || encode(&worked, set.rendition(&variant).ok_or_else(absent)?);
            self.blocking(weight, work).await?.map(Arc::new)
        };
        self.bodies.get_or_insert_async(&key, encode).await
    }
}

/// Whether a body of this media type gets smaller. What is compressed already is a file in its own
/// right, which clients hash and verify as it is.
fn is_compressible(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.starts_with("text/")
        || ["json", "xml", "yaml"].iter().any(|suffix| essence.ends_with(suffix))
}

fn encode(key: &BodyKey, rendition: &Rendition) -> Result<Encoded> {
    let filled = rendition.body.fill(&key.base_url);
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(rendition.content_type));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    let body = match key.encoding {
        Encoding::Identity => filled,
        Encoding::Gzip => {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzip(&filled).map_err(|error| {
                Error::new(ErrorKind::Internal, "a document could not be compressed")
                    .with_source(error)
            })?
        }
    };
    let etag = entity_tag(key);
    if let Ok(value) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, value);
    }
    Ok(Encoded { headers, etag, body })
}

fn gzip(text: &[u8]) -> std::io::Result<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 4), Compression::new(6));
    encoder.write_all(text)?;
    Ok(encoder.finish()?.into())
}

/// Strong and stable over restarts and replicas: a hash of everything the bytes depend on, our own
/// version included, beside the first source's hash.
fn entity_tag(key: &BodyKey) -> String {
    // Fixed keys: the same on every replica, unlike a randomly seeded hasher.
    let hash =
        BuildHasherDefault::<DefaultHasher>::default().hash_one((key, env!("CARGO_PKG_VERSION")));
    let source = key.set.sources.first().map(|(_, source)| source.to_hex()).unwrap_or_default();
    format!("\"{}-{:016x}\"", source.get(..40).unwrap_or(&source), hash)
}

/// The best encoding that a client accepts (RFC 9110, section 12.5.3).
pub(crate) fn negotiate(headers: &HeaderMap) -> Encoding {
    let refuses = |parameters: &str| {
        parameters
            .split(';')
            .filter_map(|parameter| parameter.trim().strip_prefix("q="))
            .any(|quality| quality.trim().parse::<f32>().is_ok_and(|quality| quality == 0.0))
    };
    let gzip = headers
        .get_all(http::header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|coding| coding.trim().split_once(';').unwrap_or((coding.trim(), "")))
        .any(|(name, parameters)| name.trim().eq_ignore_ascii_case("gzip") && !refuses(parameters));
    if gzip { Encoding::Gzip } else { Encoding::Identity }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_only_where_it_is_accepted() {
        for (accept, expected) in [
            (None, Encoding::Identity),
            (Some("gzip, deflate, br"), Encoding::Gzip),
            (Some("br;q=1.0, gzip;q=0.8"), Encoding::Gzip),
            (Some("gzip;q=0"), Encoding::Identity),
            (Some("identity"), Encoding::Identity),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(http::header::ACCEPT_ENCODING, accept.parse().unwrap());
            }
            assert_eq!(negotiate(&headers), expected, "{accept:?}");
        }
    }

    fn set_key(source: u8) -> SetKey {
        SetKey {
            repository: RepositoryId(1),
            sources: vec![(RepositoryId(1), BlobId::from_bytes([source; 32]))],
            path: RepoPath::root(),
            rules: 0,
            secure: false,
            extra: None,
        }
    }

    fn rewritten(length: usize) -> Rewritten {
        let rendition = Rendition {
            variant: Variant::new("full"),
            content_type: "application/json",
            body: Template::fixed(vec![b'x'; length]),
        };
        Rewritten { renditions: vec![rendition], facts: Facts::default() }
    }

    #[tokio::test]
    async fn a_large_document_is_parsed_and_compressed_once() {
        let renditions = Renditions::new(crate::Settings::default().rendition_cache_bytes);
        let variant = Variant::new("full");
        let parses = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let mut bodies = Vec::new();
        for _ in 0..3 {
            let counted = Arc::clone(&parses);
            let render = move || {
                counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                Ok(rewritten(40 << 20))
            };
            let set = renditions.set(set_key(1), &variant, 40 << 20, render).await.unwrap();
            let encoded =
                renditions.encoded(&set_key(1), &set, &variant, Encoding::Gzip, "").await.unwrap();
            bodies.push(encoded.body.as_ptr());
        }
        assert_eq!(parses.load(std::sync::atomic::Ordering::SeqCst), 1);
        assert!(bodies.iter().all(|body| *body == bodies[0]), "the compressed bytes are shared");
    }

    #[tokio::test]
    async fn a_rendition_beyond_the_common_ones_is_kept_beside_them() {
        let renditions = Renditions::new(1 << 20);
        let common = Variant::new("full");
        renditions.set(set_key(1), &common, 1, || Ok(rewritten(10))).await.unwrap();
        let extra = Variant::named("version:1.0.0".into());
        let with_extra = || {
            let mut result = rewritten(10);
            result.renditions[0].variant = Variant::named("version:1.0.0".into());
            Ok(result)
        };
        renditions.set(set_key(1), &extra, 1, with_extra).await.unwrap();
        assert!(renditions.hot(&set_key(1), &extra).is_some());
        assert!(renditions.hot(&set_key(1), &common).is_some());
        assert!(renditions.hot(&set_key(2), &common).is_none());
    }

    #[test]
    fn the_entity_tag_follows_everything_the_bytes_depend_on() {
        let key = BodyKey {
            set: SetKey {
                repository: RepositoryId(1),
                sources: vec![(RepositoryId(1), BlobId::from_bytes([7; 32]))],
                path: RepoPath::root(),
                rules: 0,
                secure: false,
                extra: None,
            },
            variant: Variant::new("full"),
            encoding: Encoding::Identity,
            base_url: "http://a".into(),
        };
        let tag = entity_tag(&key);
        assert_eq!(tag, entity_tag(&key.clone()));
        assert_ne!(tag, entity_tag(&BodyKey { base_url: "http://b".into(), ..key.clone() }));
        assert_ne!(tag, entity_tag(&BodyKey { encoding: Encoding::Gzip, ..key.clone() }));
        let blocked = SetKey { rules: 1, ..key.set.clone() };
        assert_ne!(tag, entity_tag(&BodyKey { set: blocked, ..key.clone() }));
    }
}
