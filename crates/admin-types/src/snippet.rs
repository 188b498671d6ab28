//! Client configuration, ready to copy.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// The snippets of a repository.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snippets {
    /// The repository's name.
    pub repository: String,
    /// Its kind.
    pub kind: Kind,
    /// Its type.
    pub package_type: String,
    /// The origin that is written into the snippets.
    pub origin: String,
    /// What to know before copying.
    pub warnings: Vec<String>,
    /// The snippets.
    pub snippets: Vec<Snippet>,
}

/// A piece of client configuration.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Snippet {
    /// Unique within the type.
    pub id: String,
    /// The client program.
    pub client: String,
    /// The language of the body, for highlighting.
    pub language: String,
    /// The file that the body belongs into; `null` for a command.
    pub file: Option<String>,
    /// How far the change reaches: `user`, `project` or `system`; `null` where it depends on where it is put.
    pub scope: Option<String>,
    /// The text.
    pub body: String,
    /// A command that shows that it works.
    pub verify: Option<String>,
    /// How to take it back.
    pub undo: Option<String>,
    /// The version of the client that it was tried with.
    pub tested_with: Option<String>,
}
