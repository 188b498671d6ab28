//! The JSON description of a project or of one version, which scanners and update bots read.
//! Its links are absolute by custom, so they are written as holes.

use std::collections::BTreeMap;

use artifact_core::{
    DocumentError, Facts, FileFact, Rendition, RewriteContext, Rewritten, SourceDocument, Timestamp,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::ProjectName;
use crate::negotiate::Format;
use crate::page::{FileRow, Hashes, resolve};
use crate::rewrite::{base_of, body_of, broken_json, project_of};
use crate::route::file_path;
use crate::text::Text;

type Members<'a> = BTreeMap<String, &'a RawValue>;
type File = Map<String, Value>;

/// Rewrites the first document: a description is of one registry and has no union.
pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let Some(document) = documents.first() else {
        return Err(DocumentError::Malformed("there is no document".to_owned()));
    };
    let project = project_of(document)?;
    let members = read(document)?;
    let mut writer = Writer {
        document,
        project,
        context,
        text: Text::default(),
        facts: Facts::default(),
        refused: 0,
    };
    writer.write(&members)?;
    writer.finish()
}

/// Whether a description can be read.
pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), DocumentError> {
    read(document).map(drop)
}

fn read<'a>(document: &SourceDocument<'a>) -> Result<Members<'a>, DocumentError> {
    let members: Members<'a> =
        serde_json::from_slice(body_of(document)).map_err(|e| broken_json(&e))?;
    if !members.contains_key("info") {
        return Err(DocumentError::Malformed("the JSON document describes no project".to_owned()));
    }
    Ok(members)
}

struct Writer<'a> {
    document: &'a SourceDocument<'a>,
    project: ProjectName,
    context: &'a RewriteContext<'a>,
    text: Text,
    facts: Facts,
    refused: usize,
}

impl Writer<'_> {
    fn write(&mut self, members: &BTreeMap<String, &RawValue>) -> Result<(), DocumentError> {
        self.text.push("{");
        for (index, (name, raw)) in members.iter().enumerate() {
            self.push_key(index, name);
            match name.as_str() {
                "urls" => self.push_files(raw)?,
                "releases" => self.push_releases(raw)?,
                _ => self.text.push(raw.get()),
            }
        }
        self.text.push("}");
        Ok(())
    }

    fn push_releases(&mut self, raw: &RawValue) -> Result<(), DocumentError> {
        let releases: BTreeMap<String, Vec<File>> =
            serde_json::from_str(raw.get()).map_err(|e| broken_json(&e))?;
        self.text.push("{");
        let mut written = 0;
        for (version, files) in releases {
            let had_files = !files.is_empty();
            let files = self.admitted(files);
            if had_files && files.is_empty() {
                continue;
            }
            self.push_key(written, &version);
            self.push_admitted(files);
            written += 1;
        }
        self.text.push("}");
        Ok(())
    }

    fn push_files(&mut self, raw: &RawValue) -> Result<(), DocumentError> {
        let files = serde_json::from_str(raw.get()).map_err(|e| broken_json(&e))?;
        let files = self.admitted(files);
        self.push_admitted(files);
        Ok(())
    }

    fn push_key(&mut self, index: usize, name: &str) {
        if index > 0 {
            self.text.push(",");
        }
        self.text.push(&format!("{}:", Value::from(name)));
    }

    /// The files that we can serve and the policy admits, each with its canonical path.
    fn admitted(&mut self, files: Vec<File>) -> Vec<(String, File)> {
        let mut admitted = Vec::with_capacity(files.len());
        for file in files {
            let Some((path, fact)) = self.fact(&file) else { continue };
            if (self.context.admits)(&path) {
                self.facts.files.insert(path.clone(), fact);
                admitted.push((path, file));
            } else {
                self.refused += 1;
            }
        }
        admitted
    }

    fn push_admitted(&mut self, files: Vec<(String, File)>) {
        self.text.push("[");
        for (index, (path, mut file)) in files.into_iter().enumerate() {
            if index > 0 {
                self.text.push(",");
            }
            file.remove("url");
            let path = artifact_core::encode_path(&path);
            self.text.push_object_with_link(&file, Some(("url", &path)));
        }
        self.text.push("]");
    }

    fn fact(&self, file: &File) -> Option<(String, FileFact)> {
        let text = |name: &str| file.get(name).and_then(Value::as_str);
        let url = resolve(text("url")?, base_of(self.document).as_ref())?;
        let row = FileRow::new(&self.project, text("filename")?, url)?;
        let digests = file.get("digests").and_then(Value::as_object).map(Hashes::from_object);
        let fact = FileFact {
            document: 0,
            url: row.url.to_string(),
            digests: digests.unwrap_or_default().digests(),
            size: file.get("size").and_then(Value::as_u64),
            published_at: text("upload_time_iso_8601").and_then(Timestamp::from_rfc3339),
        };
        Some((file_path(&self.project, &row.filename), fact))
    }

    fn finish(self) -> Result<Rewritten, DocumentError> {
        if self.refused > 0 && self.facts.files.is_empty() {
            return Err(DocumentError::AllDenied);
        }
        let rendition = Rendition {
            variant: Format::Json.variant(),
            content_type: "application/json",
            body: self.text.finish(),
        };
        Ok(Rewritten { renditions: vec![rendition], facts: self.facts })
    }
}
