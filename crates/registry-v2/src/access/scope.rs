//! Scopes: what a token is asked for.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// What may be done to a resource.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Permission {
    /// To read it.
    Pull,
    /// To write to it.
    Push,
    /// To remove things from it.
    Delete,
    /// Everything.
    All,
}

impl Permission {
    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::All => "*",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Pull, Self::Push, Self::Delete, Self::All]
            .into_iter()
            .find(|known| known.name() == name)
    }
}

/// A resource, and what is to be done to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Scope {
    /// The kind of resource, such as `repository`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What is to be done to it.
    pub permissions: BTreeSet<Permission>,
}

/// A text that is no scope.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidScope {
    /// There is no kind, no name or no list of actions.
    #[error("a scope is a kind, a name and actions, joined by colons")]
    Malformed,
    /// There are too many, or one is too long.
    #[error("a token is asked for at most 100 scopes of at most 1024 bytes each")]
    Excessive,
}

impl Scope {
    /// The kind of resource that images are.
    pub const REPOSITORY: &'static str = "repository";
    /// The longest scope in bytes.
    pub const MAX_LENGTH: usize = 1024;
    /// The most scopes that one token is asked for.
    pub const MOST: usize = 100;

    /// The scope for doing `permissions` to an image.
    pub fn repository(
        name: impl Into<String>,
        permissions: impl IntoIterator<Item = Permission>,
    ) -> Self {
        Self {
            kind: Self::REPOSITORY.to_owned(),
            name: name.into(),
            permissions: permissions.into_iter().collect(),
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    /// From both ends, because a name may hold a host with its port. The class that may follow a kind in parentheses is
    /// left out, and so are actions that nobody knows.
    fn from_str(text: &str) -> Result<Self, InvalidScope> {
        if text.len() > Self::MAX_LENGTH {
            return Err(InvalidScope::Excessive);
        }
        let (kind, rest) = text.split_once(':').ok_or(InvalidScope::Malformed)?;
        let (name, actions) = rest.rsplit_once(':').ok_or(InvalidScope::Malformed)?;
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        if kind.is_empty() || name.is_empty() {
            return Err(InvalidScope::Malformed);
        }
        Ok(Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            permissions: actions.split(',').filter_map(Permission::parse).collect(),
        })
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let actions: Vec<_> = self.permissions.iter().map(|permission| permission.name()).collect();
        write!(f, "{}:{}:{}", self.kind, self.name, actions.join(","))
    }
}

/// The scopes of a request for a token: each text holds any number of them between spaces. Those for one resource are
/// one.
pub fn scopes<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Vec<Scope>, InvalidScope> {
    let words = texts.into_iter().flat_map(str::split_ascii_whitespace);
    let mut merged: Vec<Scope> = Vec::new();
    for (index, word) in words.enumerate() {
        if index >= Scope::MOST {
            return Err(InvalidScope::Excessive);
        }
        let scope: Scope = word.parse()?;
        let twin =
            merged.iter_mut().find(|known| known.kind == scope.kind && known.name == scope.name);
        match twin {
            Some(twin) => twin.permissions.extend(scope.permissions),
            None => merged.push(scope),
        }
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(texts: &[&str]) -> Result<Vec<String>, InvalidScope> {
        Ok(scopes(texts.iter().copied())?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_scope_is_read_from_both_ends() {
        for (text, kind, name, expected) in [
            ("repository:r/a:pull", "repository", "r/a", "repository:r/a:pull"),
            ("repository:r/a:push,pull", "repository", "r/a", "repository:r/a:pull,push"),
            ("repository:h:5000/r:pull", "repository", "h:5000/r", "repository:h:5000/r:pull"),
            ("repository(plugin):r/a:pull", "repository", "r/a", "repository:r/a:pull"),
            ("registry:catalog:*", "registry", "catalog", "registry:catalog:*"),
            ("repository:r/a:pull,cook", "repository", "r/a", "repository:r/a:pull"),
            ("repository:r/a:", "repository", "r/a", "repository:r/a:"),
        ] {
            let scope: Scope = text.parse().unwrap();
            assert_eq!((scope.kind.as_str(), scope.name.as_str()), (kind, name), "{text}");
            assert_eq!(scope.to_string(), expected, "{text}");
        }
        for text in ["", "repository", "repository:a", ":a:pull", "repository::pull", "(x):a:pull"]
        {
            assert_eq!(text.parse::<Scope>(), Err(InvalidScope::Malformed), "{text}");
        }
        let endless = format!("repository:{}:pull", "a".repeat(Scope::MAX_LENGTH));
        assert_eq!(endless.parse::<Scope>(), Err(InvalidScope::Excessive));
    }

    #[test]
    fn scopes_for_one_resource_are_one() {
        let asked = ["repository:a:pull repository:a:pull,push", "repository:b:pull", ""];
        let merged = written(&asked).unwrap();
        assert_eq!(merged, ["repository:a:pull,push", "repository:b:pull"]);
        assert!(written(&[]).unwrap().is_empty());
        assert_eq!(written(&["repository:a:pull", "x"]), Err(InvalidScope::Malformed));
        let many = vec!["repository:a:pull"; Scope::MOST + 1];
        assert_eq!(written(&many), Err(InvalidScope::Excessive));
    }

    proptest! {
        #[test]
        fn a_written_scope_is_read_again(
            name in "[a-z0-9.:/_-]{1,30}",
            push in any::<bool>(),
        ) {
            let permissions = [Permission::Pull, if push { Permission::Push } else { Permission::Delete }];
            let scope = Scope::repository(name, permissions);
            prop_assert_eq!(scope.to_string().parse(), Ok(scope));
        }
    }
}
