//! A text in the making, with holes for the URL of the repository.

use artifact_core::Template;

/// A text in the making.
#[derive(Debug, Default)]
pub(crate) struct Text {
    text: String,
    holes: Vec<usize>,
}

impl Text {
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Leaves a hole for the repository's URL at the end of what is written.
    pub(crate) fn push_hole(&mut self) {
        self.holes.push(self.text.len());
    }

    /// Writes a JSON object, and last a member whose value is the repository's URL followed by
    /// `path`, which has to be percent-encoded.
    pub(crate) fn push_object_with_link(
        &mut self,
        object: &serde_json::Map<String, serde_json::Value>,
        link: Option<(&str, &str)>,
    ) {
        let Some((key, path)) = link else { return self.push_object(object) };
        self.push("{");
        for (name, value) in object {
            self.push(&serde_json::Value::from(name.as_str()).to_string());
            self.push(":");
            self.push(&value.to_string());
            self.push(",");
        }
        self.push(&format!("\"{key}\":\""));
        self.push_hole();
        self.push(&format!("/{path}\"}}"));
    }

    fn push_object(&mut self, object: &serde_json::Map<String, serde_json::Value>) {
        let text = serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned());
        self.push(&text);
    }

    pub(crate) fn finish(self) -> Template {
        Template::with_holes(self.text, self.holes)
    }
}
