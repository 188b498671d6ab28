//! A document of ours in the making.

use artifact_core::{Template, encode_path};
use formats::json::quote;

/// Text with holes for the repository's URL.
#[derive(Debug, Default)]
pub(crate) struct Output {
    text: String,
    holes: Vec<usize>,
}

impl Output {
    /// Appends text as it is.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends text as a JSON string.
    pub(crate) fn quote(&mut self, text: &str) {
        quote(text, &mut self.text);
    }

    /// Appends the URL of `path` in this repository, which consists of characters that a JSON
    /// string takes as they are.
    pub(crate) fn push_url(&mut self, path: &str) {
        self.holes.push(self.text.len());
        self.text.push('/');
        self.text.push_str(&encode_path(path));
    }

    /// Appends a JSON string with the URL of `path` in this repository.
    pub(crate) fn link(&mut self, path: &str) {
        self.text.push('"');
        self.push_url(path);
        self.text.push('"');
    }

    /// Appends what `write` makes of each item, with commas between.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        for (index, item) in items.into_iter().enumerate() {
            self.text.push_str(if index > 0 { "," } else { "" });
            write(self, item);
        }
    }

    pub(crate) fn finish(self) -> Template {
        Template::with_holes(self.text, self.holes)
    }
}
