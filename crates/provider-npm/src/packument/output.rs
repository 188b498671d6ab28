//! A document of ours in the making.

use artifact_core::Template;
use formats::json::quote;

/// Text with holes for the repository's URL.
#[derive(Debug, Default)]
pub(super) struct Output {
    text: String,
    holes: Vec<usize>,
}

impl Output {
    pub(super) fn with_capacity(text: usize, holes: usize) -> Self {
        Self { text: String::with_capacity(text), holes: Vec::with_capacity(holes) }
    }

    /// Appends text as it is.
    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends text as a JSON string.
    pub(super) fn quote(&mut self, text: &str) {
        quote(text, &mut self.text);
    }

    /// Appends a JSON string that links to `parts`, joined, below the repository's URL. The parts
    /// consist of characters that URLs take as they are, except `+`, which stores read as a space.
    pub(super) fn link(&mut self, parts: &[&str]) {
        self.text.push('"');
        self.holes.push(self.text.len());
        for part in parts {
            for (index, piece) in part.split('+').enumerate() {
                self.text.push_str(if index > 0 { "%2B" } else { "" });
                self.text.push_str(piece);
            }
        }
        self.text.push('"');
    }

    /// Appends an object whose members are written by `write`, each with the comma it needs.
    pub(super) fn object<T>(
        &mut self,
        members: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        self.text.push('{');
        for (index, member) in members.into_iter().enumerate() {
            self.text.push_str(if index > 0 { "," } else { "" });
            write(self, member);
        }
        self.text.push('}');
    }

    pub(super) fn finish(self) -> Template {
        Template::with_holes(self.text, self.holes)
    }
}
