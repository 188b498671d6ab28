//! Names of images.

use std::fmt;
use std::str::FromStr;

/// A text that is no name of an image.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidImageName(&'static str);

/// The name of an image: path components joined by slashes. A component is lower-case letters and digits
/// joined by `.`, `_`, `__` or dashes, so none begins with an underscore.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ImageName(Box<str>);

impl ImageName {
    /// The longest name in bytes: what many clients allow a host and a name together.
    pub const MAX_LENGTH: usize = 255;
    /// The most components. Paths are bounded, and those of an image's files are two segments longer.
    pub const MAX_COMPONENTS: usize = 60;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name has one component.
    pub fn is_bare(&self) -> bool {
        !self.0.contains('/')
    }
}

impl FromStr for ImageName {
    type Err = InvalidImageName;

    fn from_str(name: &str) -> Result<Self, InvalidImageName> {
        if name.len() > Self::MAX_LENGTH {
            return Err(InvalidImageName("the name of the image is longer than 255 bytes"));
        }
        if name.split('/').count() > Self::MAX_COMPONENTS {
            return Err(InvalidImageName("the name of the image has more than 60 components"));
        }
        if !name.split('/').all(is_component) {
            return Err(InvalidImageName(
                "the name of an image is made of lower-case letters and digits, joined by \".\", \
                 \"_\", \"__\", dashes or slashes",
            ));
        }
        Ok(Self(name.into()))
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(component: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_joint = |joint: &str| {
        matches!(joint, "" | "." | "_" | "__") || joint.chars().all(|character| character == '-')
    };
    component.starts_with(is_word)
        && component.ends_with(is_word)
        && component.split(is_word).all(is_joint)
}

#[cfg(test)]
mod tests {
    use artifact_core::{PathRules, RepoPath};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_follow_the_grammar() {
        for good in [
            "a",
            "library/alpine",
            "a.b/c_d/e__f/g---h",
            "0/1",
            "manifests",
            "blobs/uploads",
            &"a".repeat(255),
            &vec!["a"; 60].join("/"),
        ] {
            assert!(good.parse::<ImageName>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "/",
            "a/",
            "/a",
            "a//b",
            "A",
            "library/Alpine",
            "-a",
            "a-",
            "a..b",
            "a___b",
            "a._b",
            "_blobs",
            "a/_tags",
            "a b",
            "a%2fb",
            "a:b",
            "ä",
            "a/../b",
            &"a".repeat(256),
            &vec!["a"; 61].join("/"),
        ] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_the_grammar_generates_is_accepted(
            name in "[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}(/[a-z0-9]{1,4}((\\.|_|__|-{1,3})[a-z0-9]{1,3}){0,2}){0,3}",
        ) {
            prop_assert!(name.parse::<ImageName>().is_ok());
        }

        #[test]
        fn an_accepted_name_is_a_safe_path(name in "[a-z0-9._/-]{0,40}") {
            if name.parse::<ImageName>().is_ok() {
                let path = RepoPath::from_encoded(&name, PathRules::default()).unwrap();
                prop_assert_eq!(path.as_str(), name.as_str());
            }
        }
    }
}
