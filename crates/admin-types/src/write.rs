//! Writing repositories.

use serde_json::Value;

use crate::{Problem, Repository, Versioned};

/// A write to one repository.
#[derive(Clone)]
pub struct Write {
    /// The name in the path; `None` when creating through the collection.
    pub name: Option<String>,
    /// What to do with the document.
    pub mode: WriteMode,
    /// The document as sent. May hold a password.
    pub document: Value,
    /// What must hold for the write to happen.
    pub condition: Condition,
    /// Only validate, and say what would be stored.
    pub dry_run: bool,
}

impl std::fmt::Debug for Write {
    /// Leaves out the document, which may hold a password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Write")
            .field("name", &self.name)
            .field("mode", &self.mode)
            .field("condition", &self.condition)
            .field("dry_run", &self.dry_run)
            .finish_non_exhaustive()
    }
}

impl Write {
    /// Creates the repository that `document` names; 409 if the name is taken.
    pub fn create(document: Value) -> Self {
        Self {
            name: None,
            mode: WriteMode::Create,
            document,
            condition: Condition::Any,
            dry_run: false,
        }
    }

    /// Creates or replaces the repository `name`.
    pub fn replace(name: impl Into<String>, document: Value) -> Self {
        Self { name: Some(name.into()), mode: WriteMode::Replace, ..Self::create(document) }
    }

    /// Merges `document` into the repository `name` (RFC 7396).
    pub fn merge(name: impl Into<String>, document: Value) -> Self {
        Self { name: Some(name.into()), mode: WriteMode::Merge, ..Self::create(document) }
    }

    /// The same write under a condition.
    #[must_use]
    pub fn on(self, condition: Condition) -> Self {
        Self { condition, ..self }
    }

    /// The same write as a rehearsal.
    #[must_use]
    pub fn rehearsed(self) -> Self {
        Self { dry_run: true, ..self }
    }
}

/// What a write does with its document.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WriteMode {
    /// `POST`: a new repository.
    Create,
    /// `PUT`: create or replace as a whole.
    Replace,
    /// `PATCH`: a JSON merge patch over the stored document.
    Merge,
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Condition {
    /// Nothing.
    #[default]
    Any,
    /// The stored entity tag is one of this `If-Match` value.
    IfMatch(String),
    /// Nothing is stored yet (`If-None-Match: *`).
    IfNoneMatchAny,
}

impl Condition {
    /// Reads the two conditional headers of a write. A 400 for both at once and for an
    /// `If-None-Match` other than `*`, which means nothing on a write.
    pub fn from_headers(
        if_match: Option<&str>,
        if_none_match: Option<&str>,
    ) -> Result<Self, Problem> {
        match (if_match, if_none_match.map(str::trim)) {
            (None, None) => Ok(Self::Any),
            (Some(tags), None) => Ok(Self::IfMatch(tags.to_owned())),
            (None, Some("*")) => Ok(Self::IfNoneMatchAny),
            (None, Some(_)) => Err(Problem::bad_request("if-none-match on a write must be \"*\"")),
            (Some(_), Some(_)) => {
                Err(Problem::bad_request("if-match and if-none-match exclude each other"))
            }
        }
    }

    /// Whether the condition holds for what is stored, given by its entity tag.
    pub fn holds(&self, current: Option<&str>) -> bool {
        match (self, current) {
            (Self::Any, _) | (Self::IfNoneMatchAny, None) => true,
            (Self::IfMatch(tags), Some(current)) => {
                tags.split(',').map(str::trim).any(|tag| tag == "*" || tag == current)
            }
            (Self::IfNoneMatchAny, Some(_)) | (Self::IfMatch(_), None) => false,
        }
    }
}

/// The result of a write.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Written {
    /// What happened, or would have.
    pub outcome: Outcome,
    /// What is stored now, or would be. After a rehearsal of a change the entity tag is empty.
    pub repository: Versioned<Repository>,
}

/// What a write did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// There is a new repository (201).
    Created,
    /// A repository changed (200).
    Replaced,
    /// Everything was as wanted already (200, same entity tag).
    Unchanged,
}

impl Outcome {
    /// The response header that tells a replaced repository from an unchanged one, which the
    /// status alone does not.
    pub const HEADER: &'static str = "artifactapi-outcome";

    const ALL: [Self; 3] = [Self::Created, Self::Replaced, Self::Unchanged];

    /// The lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
        }
    }

    /// The outcome of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }
}

/// Reads a JSON document; broken JSON is a 400 that names line and column.
pub fn parse_document(bytes: &[u8]) -> Result<Value, Problem> {
    serde_json::from_slice(bytes).map_err(|error| {
        // The library's own text quotes nothing of the document, so that no password leaks.
        let reason = match error.classify() {
            serde_json::error::Category::Eof => "it ends too early",
            _ => "it is not valid JSON",
        };
        let (line, column) = (error.line(), error.column());
        let detail = format!("the body cannot be read: {reason} (line {line}, column {column})");
        Problem::new(400, "invalid_json", "the body is not valid JSON", detail)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_judged_by_the_stored_tag() {
        let listed = Condition::IfMatch("\"1-1\", \"1-2\"".into());
        for (condition, current, expected) in [
            (Condition::Any, None, true),
            (Condition::Any, Some("\"1-1\""), true),
            (Condition::IfNoneMatchAny, None, true),
            (Condition::IfNoneMatchAny, Some("\"1-1\""), false),
            (listed.clone(), Some("\"1-2\""), true),
            (listed.clone(), Some("\"1-3\""), false),
            (listed, None, false),
            (Condition::IfMatch("*".into()), Some("\"1-3\""), true),
            (Condition::IfMatch("*".into()), None, false),
            (Condition::IfMatch("W/\"1-1\"".into()), Some("\"1-1\""), false),
        ] {
            assert_eq!(condition.holds(current), expected, "{condition:?} {current:?}");
        }
    }

    #[test]
    fn headers_become_a_condition() {
        let any = |a, b| Condition::from_headers(a, b).map_err(|problem| problem.status);
        assert_eq!(any(None, None), Ok(Condition::Any));
        assert_eq!(any(Some("\"x\""), None), Ok(Condition::IfMatch("\"x\"".into())));
        assert_eq!(any(None, Some(" * ")), Ok(Condition::IfNoneMatchAny));
        assert_eq!(any(None, Some("\"x\"")), Err(400));
        assert_eq!(any(Some("\"x\""), Some("*")), Err(400));
    }

    #[test]
    fn broken_json_names_its_place() {
        let problem = parse_document(b"{\n \"name\": }").unwrap_err();
        assert_eq!(problem.status, 400);
        assert!(problem.detail.ends_with("(line 2, column 10)"), "{}", problem.detail);
        assert!(parse_document(b"{\"a\":").unwrap_err().detail.contains("ends too early"));
        assert!(parse_document(b"{}").is_ok());
    }

    #[test]
    fn debug_output_hides_the_document() {
        let write = Write::create(serde_json::json!({"password": "hunter2"}));
        assert!(!format!("{write:?}").contains("hunter2"));
    }
}
