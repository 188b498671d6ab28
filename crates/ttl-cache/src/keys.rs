//! The names of hints and topics: the same on every replica and in every version.
//!
//! The path comes last, because it alone may hold a colon.

use artifact_core::{RepositoryId, RowKey};

/// A change of the configuration; the message is its generation.
pub const TOPIC_CONFIGURATION: &str = "configuration";
/// Rows that changed or went; the message says which.
pub const TOPIC_ROWS: &str = "rows";

/// Upstream said that this does not exist.
pub fn negative(key: &RowKey) -> String {
    named("negative", key)
}

/// Somebody fetches this.
pub fn lease(key: &RowKey) -> String {
    named("lease", key)
}

/// The circuit of an origin, `host:port`, as one repository sees it.
pub fn breaker(repository: RepositoryId, origin: &str) -> String {
    format!("breaker:{repository}:{origin}")
}

fn named(kind: &str, key: &RowKey) -> String {
    format!("{kind}:{}:{}:{}", key.repository, key.variant, key.path)
}

#[cfg(test)]
mod tests {
    use artifact_core::{RepoPath, Variant};

    use super::*;

    #[test]
    fn names_stay_as_they_are() {
        let key = RowKey {
            repository: RepositoryId(7),
            path: RepoPath::from_decoded("a/b:c").unwrap(),
            variant: Variant::new("short"),
        };
        assert_eq!(negative(&key), "negative:7:short:a/b:c");
        assert_eq!(lease(&RowKey { variant: Variant::SOURCE, ..key }), "lease:7::a/b:c");
        assert_eq!(breaker(RepositoryId(7), "a.example:443"), "breaker:7:a.example:443");
    }
}
