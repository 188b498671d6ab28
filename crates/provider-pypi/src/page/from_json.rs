use std::collections::BTreeMap;

use artifact_core::{DocumentError, Timestamp};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use url::Url;

use super::{CoreMetadata, FileRow, Hashes, Page, Yanked, resolve};
use crate::ProjectName;
use crate::rewrite::broken_json;

/// The three names under which the same member is found in the wild, the best first.
const CORE_METADATA: [&str; 3] = ["core-metadata", "dist-info-metadata", "data-dist-info-metadata"];

/// Reads a project's page in JSON. Files are parsed one by one, so that no tree of the whole page is built.
pub(crate) fn from_json(
    body: &[u8],
    project: &ProjectName,
    base: Option<&Url>,
) -> Result<Page, DocumentError> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_slice(body).map_err(|e| broken_json(&e))?;
    let files = members.get("files").ok_or_else(|| {
        DocumentError::Malformed("the JSON document has no list of files".to_owned())
    })?;
    let files: Vec<&RawValue> = serde_json::from_str(files.get()).map_err(|e| broken_json(&e))?;
    let mut page = Page::empty(project);
    for (name, raw) in &members {
        read_member(&mut page, name, raw)?;
    }
    for file in files {
        let Ok(members) = serde_json::from_str::<Map<String, Value>>(file.get()) else { continue };
        page.files.extend(read_file(members, project, base));
    }
    Ok(page)
}

fn read_member(page: &mut Page, name: &str, raw: &RawValue) -> Result<(), DocumentError> {
    match name {
        "meta" => page.meta = read_meta(raw)?,
        "project-status" => page.status = serde_json::from_str(raw.get()).ok(),
        "versions" => page.versions = serde_json::from_str(raw.get()).ok(),
        // The name is the one we asked for. Where else the project may be found is the operator's to say.
        "files" | "name" | "alternate-locations" => {}
        _ => {
            let value = serde_json::from_str(raw.get()).map_err(|e| broken_json(&e))?;
            page.extra.insert(name.to_owned(), value);
        }
    }
    Ok(())
}

fn read_meta(raw: &RawValue) -> Result<Map<String, Value>, DocumentError> {
    let mut meta: Map<String, Value> = serde_json::from_str(raw.get()).unwrap_or_default();
    let version = meta.remove("api-version");
    let version = version.as_ref().and_then(Value::as_str).unwrap_or("1.0");
    if version.split('.').next() != Some("1") {
        let message = format!("version {version} of the simple API is not supported");
        return Err(DocumentError::Malformed(message));
    }
    meta.remove("tracks");
    Ok(meta)
}

/// Reads a file. One that lacks its name or its place is left out, and so is a member whose
/// value has the wrong type: installers refuse a whole page for one `null`.
fn read_file(
    mut members: Map<String, Value>,
    project: &ProjectName,
    base: Option<&Url>,
) -> Option<FileRow> {
    let filename = take_text(&mut members, "filename")?;
    let url = resolve(&take_text(&mut members, "url")?, base)?;
    let mut row = FileRow::new(project, &filename, url)?;
    if let Some(Value::Object(hashes)) = members.remove("hashes") {
        row.hashes = Hashes::from_object(&hashes);
    }
    row.requires_python = take_text(&mut members, "requires-python");
    row.core_metadata = take_core_metadata(&mut members);
    row.gpg_sig = members.remove("gpg-sig").and_then(|value| value.as_bool());
    row.yanked = members.remove("yanked").and_then(read_yanked);
    row.size = members.remove("size").and_then(|value| value.as_u64());
    row.upload_time = take_text(&mut members, "upload-time")
        .filter(|text| Timestamp::from_rfc3339(text).is_some());
    row.provenance =
        take_text(&mut members, "provenance").and_then(|reference| resolve(&reference, base));
    row.extra = members;
    Some(row)
}

fn take_text(members: &mut Map<String, Value>, name: &str) -> Option<String> {
    match members.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

fn take_core_metadata(members: &mut Map<String, Value>) -> Option<CoreMetadata> {
    let values = CORE_METADATA.map(|name| members.remove(name));
    values.into_iter().flatten().find_map(|value| match value {
        Value::Bool(false) => Some(CoreMetadata::No),
        Value::Bool(true) => Some(CoreMetadata::Yes),
        Value::Object(hashes) => Some(CoreMetadata::Hashed(Hashes::from_object(&hashes))),
        _ => None,
    })
}

fn read_yanked(value: Value) -> Option<Yanked> {
    match value {
        Value::Bool(false) => Some(Yanked::No),
        Value::Bool(true) => Some(Yanked::Yes),
        Value::String(reason) if reason.is_empty() => Some(Yanked::Yes),
        Value::String(reason) => Some(Yanked::Because(reason)),
        _ => None,
    }
}
