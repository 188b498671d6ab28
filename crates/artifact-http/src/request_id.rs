//! The id under which a request is found again in logs, errors and answers.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries the id in both directions.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

const MAX_LENGTH: usize = 128;

/// The id of one request: the client's own if it sent a plain one, else a version 7 UUID.
#[derive(Clone, Eq, PartialEq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The id that the client sent, if it is short and plain enough to be repeated in a log, or a new one.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get(X_REQUEST_ID) {
            Some(sent) if is_plain(sent.as_bytes()) => Self(sent.clone()),
            _ => Self::generate(),
        }
    }

    /// A new id: unique in this process by a counter, elsewhere by a random seed.
    pub fn generate() -> Self {
        static SEED: LazyLock<(u64, u64)> = LazyLock::new(|| Uuid::new_v4().as_u64_pair());
        static COUNT: AtomicU64 = AtomicU64::new(0);
        // Not `Uuid::now_v7`: it asks the kernel for random bytes on every request.
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let mixed = mix(SEED.0.wrapping_add(count));
        let mut random = [0; 10];
        let (counted, constant) = random.split_at_mut(8);
        counted.copy_from_slice(&mixed.to_be_bytes());
        constant.copy_from_slice(&SEED.1.to_be_bytes()[6..]);
        let id = uuid::Builder::from_unix_timestamp_millis(unix_millis(), &random).into_uuid();
        let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
        let text = id.hyphenated().encode_lower(&mut text).as_bytes();
        let value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(text));
        Self(value.unwrap_or(HeaderValue::from_static("none")))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as a header.
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn is_plain(id: &[u8]) -> bool {
    (1..=MAX_LENGTH).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// A bijection that spreads neighbouring numbers over all bits (the finaliser of `SplitMix64`).
const fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sent(id: &str) -> HeaderMap {
        HeaderMap::from_iter([(X_REQUEST_ID, id.parse().unwrap())])
    }

    #[test]
    fn a_plain_id_of_the_client_is_kept() {
        for id in ["a", "01J9Z-x_y.z", &"7".repeat(128)] {
            assert_eq!(RequestId::of(&sent(id)).as_str(), id);
        }
    }

    #[test]
    fn any_other_id_is_replaced() {
        for id in ["", "a b", "a\tb", "a\"b", "<x>", &"7".repeat(129)] {
            assert_ne!(RequestId::of(&sent(id)).as_str(), id);
        }
    }

    #[test]
    fn generated_ids_are_distinct_version_7_uuids() {
        let ids: HashSet<_> =
            (0..1000).map(|_| RequestId::generate().as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(Uuid::parse_str(&id).unwrap().get_version_num(), 7);
        }
    }
}
