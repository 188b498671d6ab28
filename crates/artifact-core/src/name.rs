//! Names that are types: a value of one of these has passed its grammar.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a name was refused: one sentence for the person who typed it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidName(&'static str);

/// The database's number of a repository. Never reused, so that what was cached for a
/// deleted repository can never answer for a new one of the same name.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(transparent)]
pub struct RepositoryId(pub i64);

impl fmt::Display for RepositoryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a repository: one OCI path component of at most 63 characters (lower-case
/// letters and digits joined by `.`, `_`, `__` or dashes), because container image paths carry it.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RepositoryName(Arc<str>);

impl RepositoryName {
    /// The longest name in characters.
    pub const MAX_LENGTH: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RepositoryName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() || name.len() > Self::MAX_LENGTH {
            return Err(InvalidName("must have 1 to 63 characters"));
        }
        if !is_path_component(name) {
            return Err(InvalidName(
                "must be lower-case letters and digits, joined by \".\", \"_\", \"__\" or dashes",
            ));
        }
        Ok(Self(name.into()))
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` of the OCI distribution specification.
fn is_path_component(name: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    if !name.starts_with(is_word) || !name.ends_with(is_word) {
        return false;
    }
    name.split(is_word)
        .filter(|joint| !joint.is_empty())
        .all(|joint| matches!(joint, "." | "_" | "__") || joint.chars().all(|c| c == '-'))
}

/// The name of a package type: lower-case letters and digits, at most 32. A validated
/// text and not a closed enum, so that a new type needs no change here.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageType(Arc<str>);

impl PackageType {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PackageType {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if name.is_empty() || name.len() > 32 || !name.chars().all(is_plain) {
            return Err(InvalidName("must be 1 to 32 lower-case letters and digits"));
        }
        Ok(Self(name.into()))
    }
}

/// What people call a token: 1 to 64 letters, digits, `.`, `_` and `-`. It stands in logs.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct TokenName(Arc<str>);

impl TokenName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TokenName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_plain) {
            return Err(InvalidName("must be 1 to 64 letters, digits, \".\", \"_\" and \"-\""));
        }
        Ok(Self(name.into()))
    }
}

macro_rules! text_conversions {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = InvalidName;
            fn try_from(name: String) -> Result<Self, InvalidName> {
                name.parse()
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().to_owned()
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    )*};
}
text_conversions!(RepositoryName, PackageType, TokenName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_names_follow_the_oci_grammar() {
        for good in ["a", "npm-public", "a.b", "a_b", "a__b", "a---b", "0"] {
            assert!(good.parse::<RepositoryName>().is_ok(), "{good}");
        }
        for bad in
            ["", "A", "-a", "a-", "a..b", "a___b", "a._b", "a/b", "ä", "a b", &"a".repeat(64)]
        {
            assert!(bad.parse::<RepositoryName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn package_types_are_plain_words() {
        assert!("npm".parse::<PackageType>().is_ok());
        assert!("Npm".parse::<PackageType>().is_err());
        assert!("".parse::<PackageType>().is_err());
    }

    #[test]
    fn names_of_tokens_are_plain() {
        for good in ["ci", "CI.release_2-a", &"a".repeat(64)] {
            assert_eq!(good.parse::<TokenName>().unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a\n", "ä", "a:b", &"a".repeat(65)] {
            assert!(bad.parse::<TokenName>().is_err(), "{bad}");
        }
    }
}
