//! The list of all projects. It may hold hundreds of thousands of names, so only the
//! representation that was asked for is written, and names are not copied where they can be borrowed.

use std::borrow::Cow;
use std::collections::HashSet;

use artifact_core::{
    DocumentError, Facts, Rendition, RewriteContext, Rewritten, SourceDocument, Template,
};
use formats::html::{self, Limits, escape};
use serde::Deserialize;
use serde_json::Value;

use crate::ProjectName;
use crate::negotiate::Format;
use crate::page::{refuse_login_page, resolve};
use crate::rewrite::{Syntax, base_of, body_of, broken_json, syntax_of};

#[derive(Deserialize)]
struct JsonList<'a> {
    #[serde(borrow)]
    projects: Vec<JsonProject<'a>>,
}

#[derive(Deserialize)]
struct JsonProject<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

pub(crate) fn rewrite(
    documents: &[SourceDocument<'_>],
    context: &RewriteContext<'_>,
) -> Result<Rewritten, DocumentError> {
    let format = Format::of_variant(context.wanted).unwrap_or(Format::Html);
    let lists = documents.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let names = unite(lists);
    let body = match format {
        Format::Json => to_json(&names),
        Format::HtmlV1 | Format::Html => to_html(&names),
    };
    let rendition = Rendition {
        variant: format.variant(),
        content_type: format.content_type(),
        body: Template::fixed(body),
    };
    Ok(Rewritten { renditions: vec![rendition], facts: Facts::default() })
}

/// Whether a list can be read.
pub(crate) fn check(document: &SourceDocument<'_>) -> Result<(), DocumentError> {
    read(document).map(drop)
}

fn read<'a>(document: &SourceDocument<'a>) -> Result<Vec<Cow<'a, str>>, DocumentError> {
    match syntax_of(document)? {
        Syntax::Json => read_json(body_of(document)),
        Syntax::Html => read_html(document),
    }
}

fn read_json(body: &[u8]) -> Result<Vec<Cow<'_, str>>, DocumentError> {
    let list: JsonList<'_> = serde_json::from_slice(body).map_err(|e| broken_json(&e))?;
    Ok(list.projects.into_iter().map(|project| project.name).collect())
}

fn read_html<'a>(document: &SourceDocument<'a>) -> Result<Vec<Cow<'a, str>>, DocumentError> {
    let limits = Limits { anchors: 4_000_000, ..Limits::default() };
    let base = base_of(document);
    let mut names = Vec::new();
    let head = html::scan(body_of(document), limits, &mut |anchor| {
        // The text is the display name; without one the link itself has to do.
        if anchor.text.parse::<ProjectName>().is_ok() {
            names.push(Cow::Owned(anchor.text));
        } else if let Some(url) = resolve(&anchor.href, base.as_ref()) {
            let segment = url.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            names.push(Cow::Owned(segment.to_owned()));
        }
    })
    .map_err(|error| DocumentError::Malformed(error.to_string()))?;
    refuse_login_page(&head, !names.is_empty())?;
    Ok(names)
}

/// Every project once, under the first spelling.
fn unite(lists: Vec<Vec<Cow<'_, str>>>) -> Vec<(ProjectName, Cow<'_, str>)> {
    let is_one = lists.len() == 1;
    let mut seen = HashSet::new();
    let names = lists.into_iter().flatten();
    names
        .filter_map(|name| Some((name.parse::<ProjectName>().ok()?, name)))
        .filter(|(project, _)| is_one || seen.insert(project.clone()))
        .collect()
}

fn to_json(names: &[(ProjectName, Cow<'_, str>)]) -> String {
    let mut text = String::with_capacity(64 + names.len() * 32);
    text.push_str("{\"meta\":{\"api-version\":\"1.4\"},\"projects\":[");
    for (index, (_, name)) in names.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        text.push_str("{\"name\":");
        text.push_str(&Value::from(name.as_ref()).to_string());
        text.push('}');
    }
    text.push_str("]}");
    text
}

fn to_html(names: &[(ProjectName, Cow<'_, str>)]) -> String {
    let mut text = String::with_capacity(256 + names.len() * 48);
    text.push_str(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta name=\"pypi:repository-version\" content=\"1.4\">\n\
         <title>Simple index</title>\n</head>\n<body>\n",
    );
    for (project, name) in names {
        for piece in ["<a href=\"", project.as_str(), "/\">", &escape(name), "</a><br>\n"] {
            text.push_str(piece);
        }
    }
    text.push_str("</body>\n</html>\n");
    text
}
