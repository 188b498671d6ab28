//! The canonical path: computed once per request, then used for policy, cache key,
//! storage and the upstream URL alike, so that no two of them can disagree.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// Why a path was refused: one sentence for the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidPath(&'static str);

/// Where `%2F` in a request path is allowed to separate segments.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EncodedSlash {
    /// Nowhere: it is refused.
    #[default]
    Refused,
    /// Once in a segment that starts with `@` (npm scopes).
    AfterScope,
}

/// What a package type's clients do to paths.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct PathRules {
    /// Where an encoded slash is a separator.
    pub encoded_slash: EncodedSlash,
    /// Whether runs of `/` count as one, for clients that join URLs carelessly.
    pub collapse_slashes: bool,
}

/// A repository-relative path in canonical form: percent-decoded exactly once, without a
/// leading slash, without empty, `.` or `..` segments, without control characters,
/// backslashes or anything that would decode again. A trailing slash is kept: it marks a
/// directory. The root is the empty path.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct RepoPath(Arc<str>);

impl RepoPath {
    /// The longest path in bytes.
    pub const MAX_LENGTH: usize = 1024;
    /// The longest segment in bytes.
    pub const MAX_SEGMENT: usize = 255;
    /// The most segments.
    pub const MAX_DEPTH: usize = 64;

    /// The root of a repository.
    pub fn root() -> Self {
        Self(Arc::from(""))
    }

    /// Reads the raw, still encoded path of a request, with or without its leading slash.
    pub fn from_encoded(raw: &str, rules: PathRules) -> Result<Self, InvalidPath> {
        let raw = raw.strip_prefix('/').unwrap_or(raw);
        let is_plain = !raw.contains('%') && !raw.contains("//") && !raw.starts_with('/');
        if is_plain {
            return Self::from_decoded(raw);
        }
        let collapsed = if rules.collapse_slashes { collapse_slashes(raw) } else { raw.to_owned() };
        let separated = separate_scope(&collapsed, rules.encoded_slash);
        let mut decoded = String::with_capacity(separated.len());
        for (index, segment) in separated.split('/').enumerate() {
            if index > 0 {
                decoded.push('/');
            }
            let text = decode_segment(segment)?;
            if text.contains('/') {
                return Err(InvalidPath("an encoded slash is not allowed in this path"));
            }
            decoded.push_str(&text);
        }
        Self::from_decoded(&decoded)
    }

    /// Accepts a path that is already decoded, such as one that we wrote ourselves.
    pub fn from_decoded(path: &str) -> Result<Self, InvalidPath> {
        if path.len() > Self::MAX_LENGTH {
            return Err(InvalidPath("the path is longer than 1024 bytes"));
        }
        let mut depth = 0;
        let mut segments = path.split('/').peekable();
        while let Some(segment) = segments.next() {
            let is_last = segments.peek().is_none();
            if segment.is_empty() {
                // The root itself, or the mark of a directory.
                if is_last && (depth > 0 || path.is_empty()) {
                    break;
                }
                return Err(InvalidPath("the path has an empty segment"));
            }
            check_segment(segment)?;
            depth += 1;
        }
        if depth > Self::MAX_DEPTH {
            return Err(InvalidPath("the path has more than 64 segments"));
        }
        Ok(Self(path.into()))
    }

    /// The decoded path.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the path names a directory: the root, or a trailing slash.
    pub fn is_directory(&self) -> bool {
        self.is_root() || self.0.ends_with('/')
    }

    /// The segments, without the empty one behind a trailing slash.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/').filter(|segment| !segment.is_empty())
    }

    /// The last segment, if there is one.
    pub fn file_name(&self) -> Option<&str> {
        self.segments().next_back()
    }

    /// The path in percent-encoded form for a URL; `+` becomes `%2B`, because stores read a raw one as a space.
    pub fn to_encoded(&self) -> String {
        encode_path(&self.0)
    }
}

/// Encodes a decoded path for a URL, keeping `/`.
pub fn encode_path(path: &str) -> String {
    const PATH: &AsciiSet = &CONTROLS
        .add(b' ')
        .add(b'"')
        .add(b'#')
        .add(b'%')
        .add(b'+')
        .add(b'<')
        .add(b'>')
        .add(b'?')
        .add(b'[')
        .add(b'\\')
        .add(b']')
        .add(b'^')
        .add(b'`')
        .add(b'{')
        .add(b'|')
        .add(b'}');
    utf8_percent_encode(path, PATH).to_string()
}

fn collapse_slashes(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        if c != '/' || !(out.is_empty() || out.ends_with('/')) {
            out.push(c);
        }
    }
    out
}

/// Turns the one encoded slash in each segment that begins with a scope into a real one.
fn separate_scope(raw: &str, rule: EncodedSlash) -> String {
    if rule == EncodedSlash::Refused {
        return raw.to_owned();
    }
    let separated: Vec<_> = raw.split('/').map(separate_segment).collect();
    separated.join("/")
}

fn separate_segment(segment: &str) -> String {
    let is_scope = segment.starts_with('@') || segment.starts_with("%40");
    match segment.find("%2f").or_else(|| segment.find("%2F")).filter(|_| is_scope) {
        Some(at) => {
            let (scope, rest) = segment.split_at(at);
            format!("{scope}/{}", rest.get(3..).unwrap_or_default())
        }
        None => segment.to_owned(),
    }
}

fn decode_segment(segment: &str) -> Result<String, InvalidPath> {
    let decoded = percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| InvalidPath("the path is not valid UTF-8"))?;
    Ok(decoded.into_owned())
}

fn check_segment(segment: &str) -> Result<(), InvalidPath> {
    if segment.len() > RepoPath::MAX_SEGMENT {
        return Err(InvalidPath("a path segment is longer than 255 bytes"));
    }
    if segment == "." || segment == ".." {
        return Err(InvalidPath("the path has a \".\" or \"..\" segment"));
    }
    if segment.chars().any(|c| c.is_control() || c == '\\' || c == ';') {
        return Err(InvalidPath("the path has a control character, a backslash or a semicolon"));
    }
    if decodes_again(segment) {
        return Err(InvalidPath("the path is percent-encoded twice"));
    }
    Ok(())
}

fn decodes_again(segment: &str) -> bool {
    segment.as_bytes().windows(3).any(|window| {
        matches!(window, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit())
    })
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for RepoPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RepoPath {
    fn borrow(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: PathRules =
        PathRules { encoded_slash: EncodedSlash::Refused, collapse_slashes: false };
    const SCOPED: PathRules =
        PathRules { encoded_slash: EncodedSlash::AfterScope, collapse_slashes: true };

    fn canonical(raw: &str, rules: PathRules) -> Option<String> {
        RepoPath::from_encoded(raw, rules).ok().map(|path| path.to_string())
    }

    #[test]
    fn a_path_is_decoded_exactly_once() {
        assert_eq!(canonical("/a%20b/c%2B1", PLAIN).as_deref(), Some("a b/c+1"));
        assert_eq!(canonical("a+b", PLAIN).as_deref(), Some("a+b"));
        assert_eq!(canonical("dir/", PLAIN).as_deref(), Some("dir/"));
        assert_eq!(canonical("", PLAIN).as_deref(), Some(""));
        assert_eq!(canonical("100%25", PLAIN).as_deref(), Some("100%"));
    }

    #[test]
    fn traversal_is_refused_in_every_encoding() {
        for raw in [
            "..",
            "a/../b",
            "%2e%2e/b",
            "%2E./b",
            "a/.%2e",
            ".",
            "a//b",
            "//a",
            "a%2fb",
            "a%2F..%2fb",
            "a\\b",
            "a%5cb",
            "%00",
            "a%0d%0a",
            "a;b",
            "%252e%252e",
            "%25%32%65",
            "%c0%ae",
            "%ff",
        ] {
            assert_eq!(canonical(raw, PLAIN), None, "{raw:?}");
        }
    }

    #[test]
    fn a_scope_may_be_joined_by_an_encoded_slash() {
        for raw in ["@s%2fn", "@s%2Fn", "%40s%2fn", "@s/n", "//@s//n"] {
            assert_eq!(canonical(raw, SCOPED).as_deref(), Some("@s/n"), "{raw}");
        }
        assert_eq!(
            canonical("@s%2fn/-/n-1.0.0.tgz", SCOPED).as_deref(),
            Some("@s/n/-/n-1.0.0.tgz")
        );
        assert_eq!(
            canonical("-/package/@s%2fn/dist-tags", SCOPED).as_deref(),
            Some("-/package/@s/n/dist-tags")
        );
        assert_eq!(canonical("s%2fn", SCOPED), None);
        assert_eq!(canonical("@s%2fn%2f..", SCOPED), None);
        assert_eq!(canonical("@s/n%2fm", SCOPED), None);
        assert_eq!(canonical("@s%2fn", PLAIN), None);
    }

    #[test]
    fn bounds_hold() {
        assert!(canonical(&"a".repeat(256), PLAIN).is_none());
        assert!(canonical(&vec!["a"; 65].join("/"), PLAIN).is_none());
        assert!(canonical(&vec!["a".repeat(200); 6].join("/"), PLAIN).is_none());
        assert!(canonical(&vec!["a"; 64].join("/"), PLAIN).is_some());
    }

    proptest! {
        #[test]
        fn reading_is_idempotent_and_never_escapes(raw in "[ -~äß%/.@]{0,60}") {
            if let Ok(path) = RepoPath::from_encoded(&raw, PLAIN) {
                let again = RepoPath::from_encoded(&path.to_encoded(), PLAIN);
                prop_assert_eq!(again.as_ref(), Ok(&path));
                prop_assert!(!path.as_str().starts_with('/'));
                prop_assert!(path.segments().all(|segment| segment != ".." && segment != "."));
            }
        }
    }
}
