//! Tags and digests.

use std::fmt;
use std::str::FromStr;

use artifact_core::{Algorithm, Digest, InvalidDigest};

/// A text that is no tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "a tag has 1 to 128 letters, digits, underscores, dots and dashes and begins with none of the \
     last two"
)]
pub struct InvalidTag;

/// A tag.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tag(Box<str>);

impl Tag {
    /// The longest tag in bytes.
    pub const MAX_LENGTH: usize = 128;

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidTag;

    fn from_str(tag: &str) -> Result<Self, InvalidTag> {
        let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let mut bytes = tag.bytes();
        let is_tag = tag.len() <= Self::MAX_LENGTH
            && bytes.next().is_some_and(is_word)
            && bytes.all(|byte| is_word(byte) || matches!(byte, b'.' | b'-'));
        if is_tag { Ok(Self(tag.into())) } else { Err(InvalidTag) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads `sha256:…` or `sha512:…` in lower-case hexadecimal digits. There is one spelling of a digest, because it is
/// part of a path.
pub fn parse_digest(text: &str) -> Result<Digest, InvalidDigest> {
    let (algorithm, hex) = text.split_once(':').ok_or(InvalidDigest)?;
    let algorithm = match algorithm {
        "sha256" => Algorithm::Sha256,
        "sha512" => Algorithm::Sha512,
        _ => return Err(InvalidDigest),
    };
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    if !hex.bytes().all(is_digit) {
        return Err(InvalidDigest);
    }
    Digest::from_hex(algorithm, hex)
}

/// The tag of the index of what refers to a manifest, in registries that cannot be asked for that.
pub fn fallback_tag(subject: &Digest) -> String {
    let hex = subject.to_hex();
    // A tag is shorter than some digests.
    format!("{}-{}", subject.algorithm().name(), hex.get(..64).unwrap_or(&hex))
}

/// What a manifest is asked for by.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reference {
    /// Its tag.
    Tag(Tag),
    /// Its digest.
    Digest(Digest),
}

/// A text that is neither a tag nor a digest.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum InvalidReference {
    /// It has a colon, so it was meant as a digest.
    #[error("the digest of a manifest is sha256 or sha512 in lower-case hexadecimal digits")]
    Digest,
    /// It was meant as a tag.
    #[error(transparent)]
    Tag(#[from] InvalidTag),
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        if text.contains(':') {
            return parse_digest(text).map(Self::Digest).map_err(|_| InvalidReference::Digest);
        }
        Ok(Self::Tag(text.parse()?))
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags_follow_the_grammar() {
        for good in ["latest", "_", "1.2.3-rc.1_amd64", "V1", "sha256-abc", &"a".repeat(128)] {
            assert!(good.parse::<Tag>().is_ok(), "{good}");
        }
        for bad in ["", ".a", "-a", "a+b", "a/b", "a b", "ä", ".INVALID", &"a".repeat(129)] {
            assert!(bad.parse::<Tag>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_lower_case_and_of_two_algorithms() {
        let (short, long) = ("0a".repeat(32), "0a".repeat(64));
        for good in [format!("sha256:{short}"), format!("sha512:{long}")] {
            assert_eq!(parse_digest(&good).unwrap().to_string(), good);
        }
        for bad in [
            String::new(),
            short.clone(),
            "sha256:".to_owned(),
            "sha256:baddigeststring".to_owned(),
            format!("sha256:{}", short.to_uppercase()),
            format!("sha256:{long}"),
            format!("sha512:{short}"),
            format!("SHA256:{short}"),
            format!("md5:{}", "0".repeat(32)),
            format!("sha1:{}", "0".repeat(40)),
            format!("sha256: {short}"),
            format!("sha256:{short}\n"),
            format!("sha256+b64:{short}"),
        ] {
            assert!(parse_digest(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_tag_of_referrers_is_made_of_every_digest() {
        for (algorithm, length) in [("sha256", 64), ("sha512", 128)] {
            let digest = parse_digest(&format!("{algorithm}:{}", "0a".repeat(length / 2))).unwrap();
            let tag = fallback_tag(&digest);
            assert_eq!(tag, format!("{algorithm}-{}", "0a".repeat(32)));
            assert!(tag.parse::<Tag>().is_ok());
        }
    }

    #[test]
    fn a_colon_makes_a_digest_of_a_reference() {
        assert!(matches!("latest".parse(), Ok(Reference::Tag(_))));
        let digest = format!("sha256:{}", "0".repeat(64));
        assert!(matches!(digest.parse(), Ok(Reference::Digest(_))));
        for (bad, error) in
            [("sha256:x", InvalidReference::Digest), (".x", InvalidReference::Tag(InvalidTag))]
        {
            assert_eq!(bad.parse::<Reference>(), Err(error));
        }
    }

    proptest! {
        #[test]
        fn a_reference_is_written_as_it_was_read(text in "[ -~]{0,20}|sha(256|512):[0-9a-f]{64}([0-9a-f]{64})?") {
            if let Ok(reference) = text.parse::<Reference>() {
                prop_assert_eq!(reference.to_string(), text);
            }
        }
    }
}
