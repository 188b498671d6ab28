//! Lists of versions: reading, uniting, filtering, writing.
//!
//! What is kept is kept byte for byte. A list that is shown whole is upstream's own text.

mod entry;
pub(crate) mod module;
pub(crate) mod provider;
mod selection;

use artifact_core::{Rendition, Template, Variant};

use entry::{Entry, List};
use selection::{Selection, Verdict};

const JSON: &str = "application/json";

/// What was selected in the form of the base document.
fn registry_form(selection: &Selection<'_, '_>) -> Rendition {
    rendition(crate::route::REGISTRY, selection.write())
}

fn rendition(variant: Variant, body: Template) -> Rendition {
    Rendition { variant, content_type: JSON, body }
}
