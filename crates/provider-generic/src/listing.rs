//! The listing of a hosted directory, for people and for programs.

use artifact_core::{Entry, Rendition, RepoPath, Template, Timestamp, encode_path};
use formats::html::escape;
use serde_json::{Value, json};

use crate::route::{HTML, JSON};

pub(crate) fn renditions(directory: &RepoPath, entries: &[Entry]) -> Vec<Rendition> {
    let entries = sorted(entries);
    vec![
        Rendition {
            variant: HTML,
            content_type: "text/html; charset=utf-8",
            body: Template::fixed(to_html(directory, &entries)),
        },
        Rendition {
            variant: JSON,
            content_type: "application/json",
            body: Template::fixed(to_json(directory, &entries)),
        },
    ]
}

/// Directories first, then by name; the order does not depend on how the entries were found.
fn sorted(entries: &[Entry]) -> Vec<&Entry> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (!is_directory(entry), entry.name.as_str()));
    sorted
}

fn is_directory(entry: &Entry) -> bool {
    entry.name.ends_with('/')
}

fn to_html(directory: &RepoPath, entries: &[&Entry]) -> String {
    let title = format!("Index of /{}", escape(directory.as_str()));
    let mut html = format!(
        "<!DOCTYPE html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         </head>\n<body>\n<h1>{title}</h1>\n<table>\n"
    );
    if !directory.is_root() {
        html.push_str("<tr><td><a href=\"../\">../</a></td><td></td><td></td></tr>\n");
    }
    for entry in entries {
        html.push_str(&html_row(entry));
    }
    html.push_str("</table>\n</body>\n</html>\n");
    html
}

/// The link begins with `./`, because a name may hold a colon and would pass for a scheme.
fn html_row(entry: &Entry) -> String {
    let size = entry.size.map(|size| size.to_string()).unwrap_or_default();
    let modified = entry.modified_at.map(Timestamp::to_rfc3339).unwrap_or_default();
    format!(
        "<tr><td><a href=\"./{}\">{}</a></td><td>{size}</td><td>{modified}</td></tr>\n",
        escape(&encode_path(&entry.name)),
        escape(&entry.name),
    )
}

fn to_json(directory: &RepoPath, entries: &[&Entry]) -> String {
    let entries: Vec<Value> = entries.iter().map(|entry| json_entry(entry)).collect();
    let mut json = json!({ "path": directory.as_str(), "entries": entries }).to_string();
    json.push('\n');
    json
}

fn json_entry(entry: &Entry) -> Value {
    let kind = if is_directory(entry) { "directory" } else { "file" };
    let mut value = json!({ "name": entry.name.trim_end_matches('/'), "type": kind });
    if let Some(members) = value.as_object_mut() {
        members.extend(entry.size.map(|size| ("size".to_owned(), size.into())));
        let modified = entry.modified_at.map(Timestamp::to_rfc3339);
        members.extend(modified.map(|text| ("modified".to_owned(), text.into())));
    }
    value
}

#[cfg(test)]
mod tests {
    use formats::html::{Limits, read};

    use super::*;

    fn file(name: &str) -> Entry {
        let modified_at = Some(Timestamp::from_seconds(1_767_323_045));
        Entry { name: name.to_owned(), size: Some(7), modified_at }
    }

    fn directory(name: &str) -> Entry {
        Entry { name: name.to_owned(), size: None, modified_at: None }
    }

    fn listing(path: &str, entries: &[Entry]) -> (String, Value) {
        let renditions = renditions(&RepoPath::from_decoded(path).unwrap(), entries);
        let text =
            |index: usize| String::from_utf8(renditions[index].body.fill("").to_vec()).unwrap();
        assert_eq!(renditions[0].variant.as_str(), "html");
        assert_eq!(renditions[1].variant.as_str(), "json");
        (text(0), serde_json::from_str(&text(1)).unwrap())
    }

    #[test]
    fn directories_come_first_and_the_parent_before_them() {
        let (html, json) = listing("a/", &[file("b.zip"), directory("z/"), file("a.zip")]);
        let links = read(html.as_bytes(), Limits::default()).unwrap().anchors;
        let hrefs: Vec<&str> = links.iter().map(|anchor| anchor.href.as_str()).collect();
        assert_eq!(hrefs, ["../", "./z/", "./a.zip", "./b.zip"]);
        assert_eq!(
            json,
            json!({"path": "a/", "entries": [
                {"name": "z", "type": "directory"},
                {"name": "a.zip", "type": "file", "size": 7, "modified": "2026-01-02T03:04:05Z"},
                {"name": "b.zip", "type": "file", "size": 7, "modified": "2026-01-02T03:04:05Z"},
            ]})
        );
    }

    #[test]
    fn the_root_has_no_parent() {
        let (html, json) = listing("", &[]);
        assert!(!html.contains("../"));
        assert_eq!(json, json!({"path": "", "entries": []}));
    }

    #[test]
    fn a_name_is_text_and_its_link_leads_to_it() {
        let name = "<script>'\"&: a+b?#%.txt";
        let (html, _) = listing("<d>/", &[file(name)]);
        assert!(!html.contains("<script>") && !html.contains("<d>"));
        let page = read(html.as_bytes(), Limits::default()).unwrap();
        let link = &page.anchors[1];
        assert_eq!(link.text, name);
        let encoded = link.href.strip_prefix("./").unwrap();
        let path = RepoPath::from_encoded(encoded, artifact_core::PathRules::default()).unwrap();
        assert_eq!(path.as_str(), name);
    }
}
