use artifact_core::Template;
use serde_json::{Map, Value};

use super::{CoreMetadata, FileRow, Page, Yanked};
use crate::text::Text;

/// Writes a page in JSON. Provenance is linked only where the link can be https.
pub(crate) fn to_json(page: &Page, secure: bool) -> Template {
    let api_version = page.api_version();
    let is_complete = api_version != "1.0";
    let mut text = Text::default();
    text.push(&format!("{{\"meta\":{},", meta(page, api_version)));
    text.push(&format!("\"name\":\"{}\"", page.project));
    for (name, value) in &page.extra {
        text.push(&format!(",{}:{value}", Value::from(name.as_str())));
    }
    if let Some(status) = &page.status {
        text.push(&format!(",\"project-status\":{}", Value::Object(status.clone())));
    }
    if let Some(versions) = page.versions.as_ref().filter(|_| is_complete) {
        text.push(&format!(",\"versions\":{}", Value::from(versions.as_slice())));
    }
    text.push(",\"files\":[");
    for (index, file) in page.files.iter().enumerate() {
        if index > 0 {
            text.push(",");
        }
        let members = members(page, file, is_complete);
        let path = file.provenance_path(&page.project);
        let has_provenance = secure && file.provenance.is_some();
        text.push_object_with_link(&members, has_provenance.then_some(("provenance", &path)));
    }
    text.push("]}");
    text.finish()
}

fn meta(page: &Page, api_version: &str) -> Value {
    let mut meta = page.meta.clone();
    meta.insert("api-version".to_owned(), api_version.into());
    Value::Object(meta)
}

/// Keys without a value are left out, never `null`: one `null` makes installers refuse the page.
fn members(page: &Page, file: &FileRow, is_complete: bool) -> Map<String, Value> {
    let mut members = file.extra.clone();
    let mut set = |name: &str, value: Value| {
        members.insert(name.to_owned(), value);
    };
    set("filename", file.filename.as_str().into());
    set("url", file.link(&page.project).into());
    set("hashes", file.hashes.to_value());
    if let Some(requirement) = &file.requires_python {
        set("requires-python", requirement.as_str().into());
    }
    if let Some(metadata) = file.core_metadata.as_ref().map(core_metadata) {
        set("core-metadata", metadata.clone());
        set("dist-info-metadata", metadata);
    }
    if let Some(has_signature) = file.gpg_sig {
        set("gpg-sig", has_signature.into());
    }
    if let Some(yanked) = file.yanked.as_ref().map(yanked) {
        set("yanked", yanked);
    }
    if let Some(size) = file.size.filter(|_| is_complete) {
        set("size", size.into());
    }
    if let Some(moment) = &file.upload_time {
        set("upload-time", moment.as_str().into());
    }
    members
}

fn core_metadata(metadata: &CoreMetadata) -> Value {
    match metadata {
        CoreMetadata::No => false.into(),
        CoreMetadata::Yes => true.into(),
        CoreMetadata::Hashed(hashes) if hashes.is_empty() => true.into(),
        CoreMetadata::Hashed(hashes) => hashes.to_value(),
    }
}

fn yanked(yanked: &Yanked) -> Value {
    match yanked {
        Yanked::No => false.into(),
        Yanked::Yes => true.into(),
        Yanked::Because(reason) => reason.as_str().into(),
    }
}
