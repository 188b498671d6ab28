//! The operator's rules about paths, applied once for all package types.
//!
//! Order: the block list refuses always; then a non-empty allow list must match; then the
//! mutability overrides replace what the type says, mutable before immutable.
//! Patterns are unanchored, run in linear time and see the canonical path only.

use std::hash::{DefaultHasher, Hash, Hasher};

use artifact_core::{Class, Error, ErrorKind, Remote};
use regex::{RegexSet, RegexSetBuilder};

/// The most memory one compiled list may take, in bytes.
const PROGRAM_LIMIT: usize = 1 << 20;

/// One of the operator's lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RuleList {
    /// What may be fetched.
    Patterns,
    /// What is refused.
    Blocklist,
    /// What is mutable.
    MutablePatterns,
    /// What is immutable.
    ImmutablePatterns,
}

impl RuleList {
    /// The name of the list as in the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Patterns => "patterns",
            Self::Blocklist => "blocklist",
            Self::MutablePatterns => "mutable_patterns",
            Self::ImmutablePatterns => "immutable_patterns",
        }
    }
}

/// A pattern that does not compile.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RuleError {
    /// The list.
    pub list: RuleList,
    /// The position in the list; `None` when the list as a whole is too large.
    pub index: Option<usize>,
    /// What is wrong with it, in one line.
    pub message: String,
}

/// Compiled rules of one remote.
#[derive(Clone, Debug)]
pub struct Rules {
    patterns: RegexSet,
    blocklist: RegexSet,
    mutable: RegexSet,
    immutable: RegexSet,
    fingerprint: u64,
}

impl Rules {
    /// Compiles every list, or says everything that is wrong with them.
    pub fn compile(remote: &Remote) -> Result<Self, Vec<RuleError>> {
        let mut errors = Vec::new();
        let mut compiled = |list, patterns: &[String]| match compile_list(list, patterns) {
            Ok(set) => set,
            Err(mut found) => {
                errors.append(&mut found);
                RegexSet::empty()
            }
        };
        let rules = Self {
            patterns: compiled(RuleList::Patterns, &remote.patterns),
            blocklist: compiled(RuleList::Blocklist, &remote.blocklist),
            mutable: compiled(RuleList::MutablePatterns, &remote.mutable_patterns),
            immutable: compiled(RuleList::ImmutablePatterns, &remote.immutable_patterns),
            fingerprint: fingerprint(remote),
        };
        if errors.is_empty() { Ok(rules) } else { Err(errors) }
    }

    /// Rules that admit everything.
    pub fn open() -> Self {
        Self {
            patterns: RegexSet::empty(),
            blocklist: RegexSet::empty(),
            mutable: RegexSet::empty(),
            immutable: RegexSet::empty(),
            fingerprint: 0,
        }
    }

    /// Changes whenever a different path might be admitted: part of the key of everything
    /// that was filtered.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Whether every path is admitted.
    pub fn admits_everything(&self) -> bool {
        self.blocklist.is_empty() && self.patterns.is_empty()
    }

    /// Why `path` is refused: the list and the pattern, or the list that had to match.
    pub fn denial(&self, path: &str) -> Option<Denial<'_>> {
        if let Some(index) = first_match(&self.blocklist, path) {
            let pattern = self.blocklist.patterns().get(index).map(String::as_str);
            return Some(Denial { list: RuleList::Blocklist, pattern });
        }
        if !self.patterns.is_empty() && !self.patterns.is_match(path) {
            return Some(Denial { list: RuleList::Patterns, pattern: None });
        }
        None
    }

    /// The class of `path` after the operator's overrides.
    pub fn class_of(&self, path: &str, by_type: Class) -> Class {
        if !self.mutable.is_empty() && self.mutable.is_match(path) {
            return Class::Mutable;
        }
        if !self.immutable.is_empty() && self.immutable.is_match(path) {
            return Class::Immutable;
        }
        by_type
    }
}

/// Why a path is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Denial<'a> {
    /// The deciding list.
    pub list: RuleList,
    /// The matching pattern; absent when nothing of the allow list matched.
    pub pattern: Option<&'a str>,
}

impl Denial<'_> {
    /// The refusal as the client will read it.
    pub fn to_error(self, repository: &str) -> Error {
        let text = match self.pattern {
            Some(pattern) => {
                format!(
                    "blocked by {} pattern \"{pattern}\" of remote {repository}",
                    self.list.name()
                )
            }
            None => format!("not admitted by the {} list of remote {repository}", self.list.name()),
        };
        Error::new(ErrorKind::Denied, text)
    }
}

fn first_match(set: &RegexSet, path: &str) -> Option<usize> {
    if set.is_empty() {
        return None;
    }
    set.matches(path).iter().next()
}

fn compile_list(list: RuleList, patterns: &[String]) -> Result<RegexSet, Vec<RuleError>> {
    let errors: Vec<_> = patterns
        .iter()
        .enumerate()
        .filter_map(|(index, pattern)| {
            let problem =
                regex::RegexBuilder::new(pattern).size_limit(PROGRAM_LIMIT).build().err()?;
            Some(RuleError { list, index: Some(index), message: one_line(&problem) })
        })
        .collect();
    if !errors.is_empty() {
        return Err(errors);
    }
    RegexSetBuilder::new(patterns)
        .size_limit(PROGRAM_LIMIT)
        .build()
        .map_err(|problem| vec![RuleError { list, index: None, message: one_line(&problem) }])
}

/// The last line of the library's message holds the reason, the others draw a picture.
fn one_line(problem: &regex::Error) -> String {
    let text = problem.to_string();
    let last = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("is not a pattern");
    last.trim().trim_start_matches("error: ").to_owned()
}

fn fingerprint(remote: &Remote) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&remote.patterns, &remote.blocklist).hash(&mut hasher);
    (remote.ban_tags_enabled, &remote.ban_tags).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
pub(crate) mod tests {

    use super::*;

    pub(crate) fn remote() -> Remote {
        Remote::new("http://upstream.example/")
    }

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_block_list_beats_the_allow_list() {
        let rules = Rules::compile(&Remote {
            patterns: list(&["^library/"]),
            blocklist: list(&["evil", "^library/bad"]),
            ..remote()
        })
        .unwrap();
        assert_eq!(rules.denial("library/good"), None);
        let denial = rules.denial("library/bad").unwrap();
        assert_eq!((denial.list, denial.pattern), (RuleList::Blocklist, Some("^library/bad")));
        let denial = rules.denial("other/good").unwrap();
        assert_eq!((denial.list, denial.pattern), (RuleList::Patterns, None));
        assert_eq!(
            denial.to_error("hub").public(),
            "not admitted by the patterns list of remote hub"
        );
    }

    #[test]
    fn mutable_patterns_beat_immutable_ones_and_both_beat_the_type() {
        let rules = Rules::compile(&Remote {
            mutable_patterns: list(&[r"latest\.json$"]),
            immutable_patterns: list(&["^v1/"]),
            ..remote()
        })
        .unwrap();
        assert_eq!(rules.class_of("v1/latest.json", Class::Immutable), Class::Mutable);
        assert_eq!(rules.class_of("v1/index", Class::Mutable), Class::Immutable);
        assert_eq!(rules.class_of("v2/index", Class::Mutable), Class::Mutable);
    }

    #[test]
    fn every_bad_pattern_is_named_with_its_place() {
        let errors = Rules::compile(&Remote {
            patterns: list(&["ok", "(unclosed"]),
            blocklist: list(&["*"]),
            ..remote()
        })
        .unwrap_err();
        let places: Vec<_> = errors.iter().map(|error| (error.list, error.index)).collect();
        assert_eq!(places, [(RuleList::Patterns, Some(1)), (RuleList::Blocklist, Some(0))]);
        assert_eq!(errors[0].message, "unclosed group");
    }

    #[test]
    fn the_fingerprint_follows_the_lists() {
        let open = Rules::compile(&remote()).unwrap().fingerprint();
        let blocked = Remote { blocklist: list(&["x"]), ..remote() };
        let banned = Remote { ban_tags_enabled: true, ban_tags: list(&["x"]), ..remote() };
        for changed in [blocked, banned] {
            assert_ne!(open, Rules::compile(&changed).unwrap().fingerprint());
        }
    }
}
