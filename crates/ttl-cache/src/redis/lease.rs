//! Leases as Redis keeps them: one string, the owner's tag and then its state.
//!
//! The tag names its own length, so no owner's tag begins another's. The scripts compare it
//! with the beginning of what is there and act in one step.

use std::sync::LazyLock;

use bytes::Bytes;
use fred::interfaces::LuaInterface;
use fred::types::Value;
use fred::types::scripts::Script as Cached;

use super::commands::Connected;

/// Gives 1 if the lease was free, and otherwise what is there.
pub(crate) static ACQUIRE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('set', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
         return redis.call('get', KEYS[1])",
    )
});

/// Gives 1 if the lease was the owner's.
pub(crate) static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('get', KEYS[1])
         if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
         redis.call('set', KEYS[1], ARGV[1] .. ARGV[3], 'PX', ARGV[2])
         return 1",
    )
});

/// Gives 1 if the lease was the owner's.
pub(crate) static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local held = redis.call('get', KEYS[1])
         if not held or string.sub(held, 1, #ARGV[1]) ~= ARGV[1] then return 0 end
         redis.call('del', KEYS[1])
         return 1",
    )
});

/// A script that the server keeps by its checksum.
pub(crate) struct Script {
    text: &'static str,
    cached: Cached,
}

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, cached: Cached::from_lua(text) }
    }

    /// What the script gives. A server that does not have it is told.
    pub(crate) async fn run(
        &self,
        client: Connected,
        key: String,
        arguments: Vec<Bytes>,
    ) -> Result<Value, fred::error::Error> {
        let checksum = self.cached.sha1().clone();
        match client.evalsha(checksum, key.clone(), arguments.clone()).await {
            Err(error) if error.details().starts_with("NOSCRIPT") => {
                client.eval(self.text, key, arguments).await
            }
            answer => answer,
        }
    }
}

/// What the value of every lease of `owner` begins with.
pub(crate) fn tag(owner: &str) -> Bytes {
    format!("{}:{owner}", owner.len()).into()
}

/// A number as an argument.
pub(crate) fn number(number: i64) -> Bytes {
    number.to_string().into()
}

/// Whether the script says yes.
pub(crate) fn is_done(answer: &Value) -> bool {
    matches!(answer, Value::Integer(1))
}

/// The state of the holder, or `None` if there was no holder. What nobody could have written
/// is a holder without a state.
pub(crate) fn holder_state(answer: Value) -> Option<Bytes> {
    match answer {
        Value::Integer(_) => None,
        Value::String(value) => Some(state(&value.into_inner())),
        Value::Bytes(value) => Some(state(&value)),
        _ => Some(Bytes::new()),
    }
}

fn state(value: &Bytes) -> Bytes {
    let colon = value.iter().position(|&byte| byte == b':');
    let begins = colon.and_then(|colon| {
        let length: usize = std::str::from_utf8(value.get(..colon)?).ok()?.parse().ok()?;
        length.checked_add(colon + 1).filter(|&begins| begins <= value.len())
    });
    begins.map_or_else(Bytes::new, |begins| value.slice(begins..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_tag_and_state() {
        for owner in ["", "one", "a:b", "1:", "übung\n"] {
            for written in ["", "state", "3:x"] {
                let value = [&tag(owner)[..], written.as_bytes()].concat();
                let answer = Value::Bytes(value.into());
                assert_eq!(holder_state(answer).as_deref(), Some(written.as_bytes()));
            }
        }
    }

    #[test]
    fn no_tag_begins_another() {
        let owners = ["", "a", "ab", "a:", "a\n", "1:a", "aaaaaaaaaaa"];
        for one in owners {
            for other in owners.into_iter().filter(|&other| other != one) {
                assert!(!tag(one).starts_with(&tag(other)), "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn a_value_of_somebody_else_is_a_holder_without_a_state() {
        for value in ["", "state", ":x", "9:short", "-1:x", "99999999999999999999:x"] {
            let answer = Value::Bytes(Bytes::from_static(value.as_bytes()));
            assert_eq!(holder_state(answer), Some(Bytes::new()), "{value:?}");
        }
        assert_eq!(holder_state(Value::Null), Some(Bytes::new()));
        assert_eq!(holder_state(Value::Integer(1)), None);
    }
}
