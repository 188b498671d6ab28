//! Transit compression is undone while the body flows, within bounds.

use std::io::Write;

use artifact_core::ports::{UpstreamError, UpstreamReason};
use bytes::{Buf, Bytes};
use flate2::write::MultiGzDecoder;
use futures_util::stream::unfold;
use futures_util::{Stream, StreamExt};

use crate::failure::error;

/// Fed at once; bounds what one step can produce to about a thousand times as much.
const STEP: usize = 1024;
/// Handed on at once, roughly.
const CHUNK: usize = 64 * 1024;
/// Below this the ratio is not looked at: small documents compress well.
const UNSUSPICIOUS: u64 = 1024 * 1024;
const RATIO: u64 = 100;

/// The decoded form of a gzip `body`. Memory stays bounded whatever the input; a body that
/// decodes to more than a hundred times its size, is damaged or incomplete ends with an error.
pub(crate) fn decoded(
    body: impl Stream<Item = Result<Bytes, UpstreamError>> + Send + Unpin + 'static,
) -> impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static {
    let state = Decoder { body, pending: None, inflater: Inflater::default(), end: End::Open };
    unfold(state, |mut decoder| async move {
        let item = decoder.next().await?;
        Some((item, decoder))
    })
}

#[derive(Debug, Eq, PartialEq)]
enum End {
    Open,
    /// The compressed form is complete; the rest is in the inflater.
    Drained,
    Over,
}

struct Decoder<S> {
    body: S,
    pending: Option<Bytes>,
    inflater: Inflater,
    end: End,
}

impl<S: Stream<Item = Result<Bytes, UpstreamError>> + Unpin> Decoder<S> {
    async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        let item = self.step().await;
        if !matches!(item, Some(Ok(_))) {
            self.end = End::Over;
        }
        item
    }

    async fn step(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        while self.end == End::Open {
            match self.feed().await {
                Ok(Some(chunk)) => return Some(Ok(chunk)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
        }
        if self.end == End::Over {
            return None;
        }
        self.inflater.take(1).map(Ok)
    }

    /// Feeds a little; hands out a chunk once there is enough for one.
    async fn feed(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let Some(mut input) = self.pending.take() else {
            return self.fetch().await.map(|()| None);
        };
        let step = input.split_to(input.len().min(STEP));
        if input.has_remaining() {
            self.pending = Some(input);
        }
        self.inflater.write(&step)?;
        Ok(self.inflater.take(CHUNK))
    }

    async fn fetch(&mut self) -> Result<(), UpstreamError> {
        self.pending = self.body.next().await.transpose()?;
        if self.pending.is_none() {
            self.inflater.finish()?;
            self.end = End::Drained;
        }
        Ok(())
    }
}

struct Inflater {
    gzip: MultiGzDecoder<Vec<u8>>,
    received: u64,
    produced: u64,
}

impl Default for Inflater {
    fn default() -> Self {
        Self { gzip: MultiGzDecoder::new(Vec::new()), received: 0, produced: 0 }
    }
}

impl Inflater {
    fn write(&mut self, input: &[u8]) -> Result<(), UpstreamError> {
        let before = self.gzip.get_ref().len();
        self.gzip.write_all(input).map_err(|_| undecodable("the compressed body is damaged"))?;
        self.received += input.len() as u64;
        self.produced += (self.gzip.get_ref().len().saturating_sub(before)) as u64;
        self.check_ratio()
    }

    fn finish(&mut self) -> Result<(), UpstreamError> {
        let before = self.gzip.get_ref().len();
        if self.received > 0 {
            self.gzip.try_finish().map_err(|_| {
                error(UpstreamReason::Truncated, "the compressed body is incomplete")
            })?;
        }
        self.produced += (self.gzip.get_ref().len().saturating_sub(before)) as u64;
        self.check_ratio()
    }

    /// What is decoded, if it is at least `minimum` bytes.
    fn take(&mut self, minimum: usize) -> Option<Bytes> {
        let decoded = self.gzip.get_mut();
        (decoded.len() >= minimum).then(|| Bytes::from(std::mem::take(decoded)))
    }

    fn check_ratio(&self) -> Result<(), UpstreamError> {
        if self.produced > UNSUSPICIOUS && self.produced > self.received.saturating_mul(RATIO) {
            return Err(undecodable("the compressed body expands beyond all bounds"));
        }
        Ok(())
    }
}

fn undecodable(message: &str) -> UpstreamError {
    error(UpstreamReason::Protocol, message)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::{TryStreamExt, stream};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    async fn decode(compressed: &[u8], chunk: usize) -> Result<Vec<u8>, UpstreamError> {
        let chunks: Vec<_> =
            compressed.chunks(chunk).map(|chunk| Ok(Bytes::copy_from_slice(chunk))).collect();
        let decoded: Vec<Bytes> = decoded(stream::iter(chunks)).try_collect().await?;
        Ok(decoded.concat())
    }

    #[tokio::test]
    async fn any_chunking_decodes_to_the_same() {
        let plain = testkit::pattern(0, 300_000);
        let compressed = gzip(&plain);
        for chunk in [1, 7, 1024, 5000, compressed.len()] {
            assert_eq!(decode(&compressed, chunk).await.unwrap(), plain, "{chunk}");
        }
    }

    #[tokio::test]
    async fn several_members_are_one_body() {
        let compressed = [gzip(b"one"), gzip(b"two")].concat();
        assert_eq!(decode(&compressed, 5).await.unwrap(), b"onetwo");
    }

    #[tokio::test]
    async fn an_empty_body_stays_empty() {
        assert_eq!(decode(b"", 1).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_cut_body_is_truncated_wherever_it_is_cut() {
        let compressed = gzip(b"hello hello hello hello");
        for length in 1..compressed.len() {
            let error = decode(&compressed[..length], 4).await.unwrap_err();
            assert_eq!(error.reason, UpstreamReason::Truncated, "{length}");
        }
    }

    #[tokio::test]
    async fn a_damaged_body_is_refused() {
        let mut compressed = gzip(b"hello hello hello hello");
        let last = compressed.len() - 6;
        compressed[last] ^= 0xff;
        decode(&compressed, 4).await.unwrap_err();
        assert_eq!(
            decode(b"plainly not gzip", 4).await.unwrap_err().reason,
            UpstreamReason::Protocol
        );
    }

    #[tokio::test]
    async fn a_bomb_is_refused_early_and_a_dense_document_is_not() {
        let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
        let chunks = [Ok(Bytes::from(bomb))];
        let mut seen = 0;
        let mut body = std::pin::pin!(decoded(stream::iter(chunks)));
        let error = loop {
            match body.next().await.unwrap() {
                Ok(chunk) => seen += chunk.len(),
                Err(error) => break error,
            }
        };
        assert_eq!(error.reason, UpstreamReason::Protocol);
        assert!(seen < 4 * 1024 * 1024, "{seen}");
        assert!(body.next().await.is_none());
        let dense = gzip(&vec![0; 900 * 1024]);
        assert_eq!(decode(&dense, 1024).await.unwrap().len(), 900 * 1024);
    }
}
