use artifact_core::Template;
use formats::html::escape;

use super::{CoreMetadata, FileRow, Page, Yanked};
use crate::text::Text;

/// Writes a page in HTML. Provenance is linked only where the link can be https.
pub(crate) fn to_html(page: &Page, secure: bool) -> Template {
    let mut text = Text::default();
    text.push("<!DOCTYPE html>\n<html>\n<head>\n");
    push_meta(&mut text, "pypi:repository-version", page.api_version());
    if let Some(status) = page.status_text("status") {
        push_meta(&mut text, "pypi:project-status", status);
    }
    if let Some(reason) = page.status_text("reason") {
        push_meta(&mut text, "pypi:project-status-reason", reason);
    }
    let title = format!("Links for {}", page.project);
    text.push(&format!("<title>{title}</title>\n</head>\n<body>\n<h1>{title}</h1>\n"));
    for file in &page.files {
        push_file(&mut text, page, file, secure);
    }
    text.push("</body>\n</html>\n");
    text.finish()
}

fn push_meta(text: &mut Text, name: &str, content: &str) {
    text.push(&format!("<meta name=\"{name}\" content=\"{}\">\n", escape(content)));
}

fn push_attribute(text: &mut Text, name: &str, value: &str) {
    text.push(&format!(" {name}=\"{}\"", escape(value)));
}

fn push_file(text: &mut Text, page: &Page, file: &FileRow, secure: bool) {
    let mut href = file.link(&page.project);
    if let Some(hash) = file.hashes.best_assignment() {
        href = format!("{href}#{hash}");
    }
    text.push("<a");
    push_attribute(text, "href", &href);
    if let Some(requirement) = &file.requires_python {
        push_attribute(text, "data-requires-python", requirement);
    }
    if let Some(metadata) = file.core_metadata.as_ref().and_then(core_metadata) {
        push_attribute(text, "data-core-metadata", &metadata);
        push_attribute(text, "data-dist-info-metadata", &metadata);
    }
    if let Some(has_signature) = file.gpg_sig {
        push_attribute(text, "data-gpg-sig", if has_signature { "true" } else { "false" });
    }
    match &file.yanked {
        Some(Yanked::Yes) => push_attribute(text, "data-yanked", ""),
        Some(Yanked::Because(reason)) => push_attribute(text, "data-yanked", reason),
        Some(Yanked::No) | None => {}
    }
    if secure && file.provenance.is_some() {
        text.push(" data-provenance=\"");
        text.push_hole();
        text.push(&format!("/{}\"", escape(&file.provenance_path(&page.project))));
    }
    text.push(&format!(">{}</a><br>\n", escape(&file.filename)));
}

fn core_metadata(metadata: &CoreMetadata) -> Option<String> {
    match metadata {
        CoreMetadata::No => None,
        CoreMetadata::Yes => Some("true".to_owned()),
        CoreMetadata::Hashed(hashes) => {
            Some(hashes.best_assignment().unwrap_or_else(|| "true".to_owned()))
        }
    }
}
