//! One spelling of names: readers of RPM metadata look at prefixes, not at what they stand for.

use std::borrow::Cow;

use artifact_core::DocumentError;
use formats::xml::{Event, Reader, Tag, escape};

use crate::failure::{in_xml, malformed};

const RPM: &str = "http://linux.duke.edu/metadata/rpm";

/// A kind of list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schema {
    /// The list in error texts.
    pub(crate) what: &'static str,
    /// The name of its root element.
    pub(crate) root: &'static str,
    /// What names without a prefix belong to.
    pub(crate) namespace: &'static str,
}

/// What the prefixes of one document mean, as its root element declares them.
#[derive(Debug)]
pub(crate) struct Names {
    schema: Schema,
    /// Prefix and namespace, the innermost declaration last.
    declared: Vec<(String, String)>,
    is_standard: bool,
}

impl Names {
    /// Of the list of this kind with the root element `root`.
    pub(crate) fn of(root: &Tag<'_>, schema: Schema) -> Result<Self, DocumentError> {
        if root.local_name() != schema.root {
            return Err(malformed(schema.what, "another root element"));
        }
        let mut names = Self { schema, declared: Vec::new(), is_standard: true };
        names.declare(root);
        let prefix = prefix_of(root.name);
        let is_undeclared = names.declared.is_empty();
        if !is_undeclared && names.meaning(prefix) != Some(Meaning::Default) {
            return Err(malformed(schema.what, "a root element of another namespace"));
        }
        let is_usual = |(prefix, space): &(String, String)| match prefix.as_str() {
            "" => space == schema.namespace,
            "rpm" => space == RPM,
            _ => false,
        };
        names.is_standard =
            prefix.is_empty() && names.declared.iter().all(is_usual) || is_undeclared;
        Ok(names)
    }

    /// `element` with names as everybody expects them. Elements and attributes of other namespaces
    /// are left out.
    pub(crate) fn normalised<'t>(&self, element: &'t str) -> Result<Cow<'t, str>, DocumentError> {
        if self.is_standard && !element.contains("xmlns") {
            return Ok(Cow::Borrowed(element));
        }
        let mut scope = Self { declared: self.declared.clone(), ..*self };
        let mut reader = Reader::new(element);
        let mut out = String::with_capacity(element.len());
        let mut open: Vec<(String, usize)> = Vec::new();
        while let Some(event) = reader.next().map_err(in_xml(self.schema.what))? {
            match event {
                Event::Text(text) => escape_text(&text.decoded(), &mut out),
                Event::End { .. } => {
                    if let Some((name, declared)) = open.pop() {
                        out.extend(["</", &name, ">"]);
                        scope.declared.truncate(declared);
                    }
                }
                Event::Start(tag) => {
                    let declared = scope.declared.len();
                    scope.declare(&tag);
                    if let Some(name) = scope.standard_name(tag.name) {
                        scope.open_tag(&name, &tag, &mut out);
                        open.push((name, declared));
                    } else {
                        scope.declared.truncate(declared);
                        reader.skip().map_err(in_xml(self.schema.what))?;
                    }
                }
            }
        }
        Ok(Cow::Owned(out))
    }

    fn declare(&mut self, tag: &Tag<'_>) {
        for (name, space) in tag.raw_attributes() {
            let prefix = match name.strip_prefix("xmlns") {
                Some("") => "",
                Some(rest) => match rest.strip_prefix(':') {
                    Some(prefix) => prefix,
                    None => continue,
                },
                None => continue,
            };
            self.declared.push((prefix.to_owned(), space.to_owned()));
        }
    }

    fn meaning(&self, prefix: &str) -> Option<Meaning> {
        let declared = self.declared.iter().rev().find(|(known, _)| known == prefix);
        match (declared.map(|(_, space)| space.as_str()), prefix) {
            (Some(space), _) if space == self.schema.namespace => Some(Meaning::Default),
            (Some(RPM), _) | (None, "rpm") => Some(Meaning::Rpm),
            (None, "") => Some(Meaning::Default),
            _ => None,
        }
    }

    fn standard_name(&self, name: &str) -> Option<String> {
        let local = name.rsplit(':').next().unwrap_or(name);
        match self.meaning(prefix_of(name))? {
            Meaning::Default => Some(local.to_owned()),
            Meaning::Rpm => Some(format!("rpm:{local}")),
        }
    }

    fn open_tag(&self, name: &str, tag: &Tag<'_>, out: &mut String) {
        out.extend(["<", name]);
        for (raw, _) in tag.raw_attributes() {
            let written = match prefix_of(raw) {
                _ if raw.starts_with("xmlns") => continue,
                "" | "xml" => raw.to_owned(),
                prefix if self.meaning(prefix) == Some(Meaning::Rpm) => {
                    format!("rpm:{}", raw.rsplit(':').next().unwrap_or(raw))
                }
                _ => continue,
            };
            out.extend([" ", &written, "=\""]);
            escape(&tag.attribute(raw).unwrap_or_default(), out);
            out.push('"');
        }
        out.push('>');
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Meaning {
    Default,
    Rpm,
}

fn prefix_of(name: &str) -> &str {
    name.split_once(':').map_or("", |(prefix, _)| prefix)
}

/// Text between tags, whose line breaks may stay.
fn escape_text(text: &str, out: &mut String) {
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        escape(line, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMON: &str = "http://linux.duke.edu/metadata/common";

    fn normalised(root: &str, element: &str) -> Result<String, DocumentError> {
        let mut reader = Reader::new(root);
        let Some(Event::Start(tag)) = reader.next().unwrap() else { panic!("no element") };
        let names = Names::of(&tag, crate::primary::SCHEMA)?;
        names.normalised(element).map(Cow::into_owned)
    }

    #[test]
    fn usual_names_are_left_alone() {
        let element = "<package  type='rpm'><rpm:a x=\"1\"/>&gt;</package>";
        let root = format!("<metadata xmlns='{COMMON}' xmlns:rpm='{RPM}' packages='1'/>");
        assert_eq!(normalised(&root, element).unwrap(), element);
        assert_eq!(normalised("<metadata/>", element).unwrap(), element);
    }

    #[test]
    fn unusual_prefixes_are_replaced_and_strangers_left_out() {
        let root = format!("<c:metadata xmlns:c='{COMMON}' xmlns:r='{RPM}' xmlns:s='urn:s'/>");
        let element = "<c:package s:x='1' r:y='2' xml:lang='en'><r:a b='&lt;'/><s:t>x<c:u/></s:t>\
                       <c:v>1 &amp;\n2</c:v></c:package>";
        let expected = "<package rpm:y=\"2\" xml:lang=\"en\"><rpm:a b=\"&lt;\"></rpm:a>\
                        <v>1 &amp;\n2</v></package>";
        assert_eq!(normalised(&root, element).unwrap(), expected);
    }

    #[test]
    fn declarations_of_an_element_end_with_it() {
        let root = format!("<metadata xmlns='{COMMON}'/>");
        let element = format!(
            "<package xmlns='{COMMON}'><x xmlns='urn:s'/><y xmlns:z='{RPM}'><z:a/></y><z:b/></package>"
        );
        assert_eq!(
            normalised(&root, &element).unwrap(),
            "<package><y><rpm:a></rpm:a></y></package>"
        );
    }

    #[test]
    fn another_kind_of_document_is_refused() {
        assert!(normalised("<metadata xmlns='urn:x'/>", "<package/>").is_err());
        assert!(normalised("<p:metadata xmlns:rpm='urn:x'/>", "<package/>").is_err());
        assert!(normalised("<html/>", "<package/>").is_err());
    }
}
