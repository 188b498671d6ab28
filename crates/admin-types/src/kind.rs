//! The kinds of repository.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The three kinds of repository.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A caching proxy of one upstream.
    Remote,
    /// Hosted here.
    Local,
    /// Ordered members under one name.
    Virtual,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Remote, Self::Local, Self::Virtual];

    /// The lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Remote => "remote",
            Self::Local => "local",
            Self::Virtual => "virtual",
        }
    }

    /// The name of the collection, as in `/api/v2/remotes`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Remote => "remotes",
            Self::Local => "locals",
            Self::Virtual => "virtuals",
        }
    }

    /// The kind whose collection has this name.
    pub fn from_plural(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == segment)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collection_leads_back_to_its_kind() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_plural(kind.plural()), Some(kind));
        }
        assert_eq!(Kind::from_plural("remote"), None);
    }
}
