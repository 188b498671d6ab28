//! Who may do what: scopes, the permissions that they give, and the form of a token. Pure.

use std::fmt;
use std::str::FromStr;

use crate::Secret;

/// Why a scope or its pattern was refused: one sentence for the person who typed it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidScope(&'static str);

/// Something that needs a permission.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Permission<'a> {
    /// Being known at all: whatever is worth anything gives it.
    Identify,
    /// Reading what the repository of this name holds.
    Read(&'a str),
    /// Storing, replacing, deleting and evicting in the repository of this name.
    Write(&'a str),
    /// Everything else that can be managed.
    Administer,
}

/// Names of repositories: a name in which every `*` stands for any characters, also for none.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RepositoryPattern(Box<str>);

impl RepositoryPattern {
    /// The longest pattern in characters.
    pub const MAX_LENGTH: usize = 128;

    /// Whether the whole `name` fits.
    pub fn matches(&self, name: &str) -> bool {
        let (mut pattern, mut rest) = (self.0.as_bytes(), name.as_bytes());
        // Where to go on when what follows the last star does not fit: the star takes one more.
        let mut retry: Option<(&[u8], &[u8])> = None;
        loop {
            match (pattern, rest) {
                ([b'*', behind @ ..], _) => {
                    pattern = behind;
                    retry = Some((behind, rest));
                }
                ([], []) => return true,
                ([wanted, behind @ ..], [found, others @ ..]) if wanted == found => {
                    (pattern, rest) = (behind, others);
                }
                _ => {
                    let Some((behind, [_, others @ ..])) = retry else { return false };
                    (pattern, rest) = (behind, others);
                    retry = Some((behind, others));
                }
            }
        }
    }
}

impl FromStr for RepositoryPattern {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() || text.len() > Self::MAX_LENGTH {
            return Err(InvalidScope("a pattern has 1 to 128 characters"));
        }
        let fits = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-*".contains(&byte)
        };
        if !text.bytes().all(fits) {
            return Err(InvalidScope(
                "a pattern is made of what repository names are made of, and \"*\"",
            ));
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One thing that a token may do: `admin`, `read:<pattern>` or `write:<pattern>`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scope {
    /// Everything.
    Admin,
    /// Reading in these repositories.
    Read(RepositoryPattern),
    /// Writing in these repositories, and reading.
    Write(RepositoryPattern),
}

impl Scope {
    /// Whether this scope alone gives `permission`.
    pub fn allows(&self, permission: Permission<'_>) -> bool {
        match (self, permission) {
            (Self::Admin, _) | (_, Permission::Identify) => true,
            (Self::Read(pattern) | Self::Write(pattern), Permission::Read(name))
            | (Self::Write(pattern), Permission::Write(name)) => pattern.matches(name),
            (Self::Read(_), Permission::Write(_)) | (_, Permission::Administer) => false,
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text == "admin" {
            return Ok(Self::Admin);
        }
        match text.split_once(':') {
            Some(("read", pattern)) => pattern.parse().map(Self::Read),
            Some(("write", pattern)) => pattern.parse().map(Self::Write),
            _ => Err(InvalidScope("a scope is admin, read:<pattern> or write:<pattern>")),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Admin => f.write_str("admin"),
            Self::Read(pattern) => write!(f, "read:{pattern}"),
            Self::Write(pattern) => write!(f, "write:{pattern}"),
        }
    }
}

/// What a token may do: at least one scope, in the order in which they were given. As text they are separated
/// by spaces.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scopes(Box<[Scope]>);

impl Scopes {
    /// The most scopes of one token.
    pub const MOST: usize = 64;

    /// These scopes.
    pub fn new(scopes: Vec<Scope>) -> Result<Self, InvalidScope> {
        if scopes.is_empty() || scopes.len() > Self::MOST {
            return Err(InvalidScope("a token has 1 to 64 scopes"));
        }
        Ok(Self(scopes.into()))
    }

    /// Whether one of them gives `permission`.
    pub fn allow(&self, permission: Permission<'_>) -> bool {
        self.0.iter().any(|scope| scope.allows(permission))
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }
}

impl FromStr for Scopes {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        text.split_ascii_whitespace().map(str::parse).collect::<Result<_, _>>().and_then(Self::new)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(index, scope)| {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{scope}")
        })
    }
}

/// The form of a token's secret: a mark by which scanners for leaked secrets find it, and 256 random bits.
#[derive(Clone, Copy, Debug)]
pub struct TokenForm;

impl TokenForm {
    /// How many random bytes there are in a secret.
    pub const BYTES: usize = 32;
    const MARK: &'static str = "artifactapi_";

    /// The secret of these random bytes.
    pub fn secret_of(bytes: &[u8; Self::BYTES]) -> Secret {
        Secret::new([Self::MARK, &hex::encode(bytes)].concat())
    }

    /// Whether `text` can be a secret at all; what cannot need not be looked for.
    pub fn is_met_by(text: &[u8]) -> bool {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.strip_prefix(Self::MARK.as_bytes())
            .is_some_and(|digits| digits.len() == 2 * Self::BYTES && digits.iter().all(is_digit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(text: &str) -> Scopes {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, expected) in [
            ("npm", "npm", true),
            ("npm", "npm-public", false),
            ("npm", "np", false),
            ("*", "npm", true),
            ("npm-*", "npm-public", true),
            ("npm-*", "npm-", true),
            ("npm-*", "npm", false),
            ("*-public", "npm-public", true),
            ("*-public", "public", false),
            ("team-*-*", "team-a-b", true),
            ("team-*-*", "team-a", false),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b*", "xxbxxaxx", false),
            ("a*a", "a", false),
            ("a*ab", "aaab", true),
            ("**", "x", true),
            ("a.b", "axb", false),
        ] {
            let parsed: RepositoryPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_ends_soon() {
        let pattern: RepositoryPattern = "*a".repeat(60).parse().unwrap();
        assert!(!pattern.matches(&"a".repeat(59)));
        assert!(pattern.matches(&"a".repeat(63)));
    }

    #[test]
    fn scopes_read_as_they_are_written() {
        for text in ["admin", "read:*", "write:npm-*", "read:a write:b.c read:a"] {
            assert_eq!(scopes(text).to_string(), text);
        }
        let long = format!("read:{}", "a".repeat(129));
        let many = "read:a ".repeat(65);
        for text in [
            "", "Admin", "read", "read:", "write: a", "read:A", "read:a/b", "owner:a", &long, &many,
        ] {
            assert!(text.parse::<Scopes>().is_err(), "{text}");
        }
    }

    #[test]
    fn writing_includes_reading_and_administration_includes_all() {
        use Permission::{Administer, Identify, Read, Write};
        for (text, permission, expected) in [
            ("admin", Administer, true),
            ("read:x", Identify, true),
            ("admin", Write("x"), true),
            ("admin", Read("x"), true),
            ("write:*", Administer, false),
            ("write:x", Write("x"), true),
            ("write:x", Read("x"), true),
            ("write:x", Write("y"), false),
            ("write:x", Read("y"), false),
            ("read:x", Read("x"), true),
            ("read:x", Write("x"), false),
            ("read:*", Administer, false),
            ("read:x write:y", Write("y"), true),
            ("read:x write:y", Write("x"), false),
        ] {
            assert_eq!(scopes(text).allow(permission), expected, "{text} {permission:?}");
        }
    }

    #[test]
    fn a_secret_is_told_by_its_form() {
        let secret = TokenForm::secret_of(&[0xa7; TokenForm::BYTES]);
        assert_eq!(secret.expose(), format!("artifactapi_{}", "a7".repeat(32)));
        assert!(TokenForm::is_met_by(secret.expose().as_bytes()));
        let (cut, _) = secret.expose().split_at(75);
        for other in ["", "artifactapi_", cut, &secret.expose().to_uppercase(), &"a7".repeat(38)] {
            assert!(!TokenForm::is_met_by(other.as_bytes()), "{other}");
        }
    }
}
