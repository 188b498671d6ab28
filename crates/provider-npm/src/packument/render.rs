//! Writing the forms of a packument.

use artifact_core::{DocumentError, Template, Variant};
use formats::json::{Span, Splice};

use super::manifest::{Link, LinkTarget};
use super::output::Output;
use super::read::{Packument, Part};
use super::select::{Hidden, Selection, Shown};
use super::times;
use crate::route::VERSION_PREFIX;

/// The revision of a merged document, which no member could take a write for.
const MERGED_REVISION: &str = "\"0-virtual\"";

/// Writes what was selected.
#[derive(Debug)]
pub(super) struct Renderer<'s, 'p, 't> {
    selection: &'s Selection<'p, 't>,
}

impl<'s, 'p, 't> Renderer<'s, 'p, 't> {
    pub(super) fn new(selection: &'s Selection<'p, 't>) -> Self {
        Self { selection }
    }

    /// Everything, byte for byte as the base has it but for what had to change.
    pub(super) fn full(&self) -> Template {
        let Some(base) = self.selection.base() else { return Template::default() };
        let mut out = self.output(base.text.len());
        let mut splice = Splice::new(base.text);
        for (part, span) in &base.parts {
            out.push(splice.up_to(*span));
            self.write_part(&mut out, *part, Some((base, *span)));
        }
        out.push(splice.up_to(Span { start: base.closing, end: base.closing }));
        for part in self.parts_from_others(base) {
            out.push(",");
            write_key(&mut out, part.key());
            self.write_part(&mut out, part, None);
        }
        out.push(splice.rest());
        out.finish()
    }

    /// What an installation needs, and `time`, without which age filters fail or pass everything.
    pub(super) fn abbreviated(&self) -> Template {
        let Some(base) = self.selection.base() else { return Template::default() };
        let mut out = self.output(base.text.len() / 4);
        out.push("{");
        write_key(&mut out, "name");
        out.push(base.name.of(base.text));
        for part in [Part::Modified, Part::Tags, Part::Versions, Part::Time] {
            self.write_abbreviated_part(&mut out, base, part);
        }
        out.push("}");
        out.finish()
    }

    /// The tags as an object of their own.
    pub(super) fn dist_tags(&self) -> Template {
        let mut out = Output::default();
        self.write_tags(&mut out);
        out.finish()
    }

    /// The manifest of the version or tag that a variant asks for.
    pub(super) fn manifest(&self, wanted: &Variant) -> Result<Template, DocumentError> {
        let label = wanted.as_str().strip_prefix(VERSION_PREFIX).ok_or_else(|| {
            DocumentError::Absent(format!("a packument has no form \"{wanted}\""))
        })?;
        let selection = self.selection;
        let version = selection.by_label.get(label).or_else(|| {
            selection.tags.version(label).and_then(|version| selection.by_label.get(version))
        });
        let Some(shown) = version.and_then(|at| selection.shown.get(*at)) else {
            return Err(self.absence(label));
        };
        let mut out =
            Output::with_capacity(shown.version.manifest.end - shown.version.manifest.start, 2);
        self.write_manifest(&mut out, shown);
        Ok(out.finish())
    }

    /// Why there is nothing under a version or tag: it is refused, or unknown.
    fn absence(&self, label: &str) -> DocumentError {
        let mut tags = self.selection.sources.iter().flat_map(|source| &source.packument.tags);
        let version = tags.find(|tag| tag.name == label).map_or(label, |tag| &tag.version);
        if self.selection.hidden.get(version) == Some(&Hidden::Denied) {
            return DocumentError::AllDenied;
        }
        let name = self.selection.name;
        DocumentError::Absent(format!("the package {name} has no version or tag \"{label}\""))
    }

    fn output(&self, text: usize) -> Output {
        Output::with_capacity(text, 2 * self.selection.shown.len())
    }

    /// The parts that the base lacks and other documents have.
    fn parts_from_others(&self, base: &Packument<'t>) -> impl Iterator<Item = Part> {
        let has_tags = self.selection.tags.is_changed && !self.selection.tags.list.is_empty();
        let has_times = self.selection.times.is_some();
        [(Part::Tags, has_tags), (Part::Time, has_times)]
            .into_iter()
            .filter(|(part, exists)| *exists && base.part(*part).is_none())
            .map(|(part, _)| part)
    }

    /// Writes the value of a part, which is `written` in the base.
    fn write_part(&self, out: &mut Output, part: Part, written: Option<(&Packument<'t>, Span)>) {
        let selection = self.selection;
        match (part, written) {
            (Part::Tags, _) if selection.tags.is_changed => self.write_tags(out),
            (Part::Versions, _) if selection.is_changed() => {
                out.object(&selection.shown, |out, shown| {
                    self.write_label(out, shown);
                    self.write_manifest(out, shown);
                });
            }
            (Part::Versions, Some((base, span))) => self.write_unchanged(out, base, span),
            (Part::Time, _) if selection.times.is_some() => self.write_times(out),
            (Part::Revision, _) if selection.is_merged() => out.push(MERGED_REVISION),
            (_, Some((base, span))) => out.push(span.of(base.text)),
            (_, None) => out.push("{}"),
        }
    }

    fn write_abbreviated_part(&self, out: &mut Output, base: &Packument<'t>, part: Part) {
        let written = base.part(part).map(|span| (base, span));
        let modified = if part == Part::Modified { times::modified(self.selection) } else { None };
        if written.is_none()
            && modified.is_none()
            && !self.parts_from_others(base).any(|other| other == part)
        {
            return;
        }
        out.push(",");
        write_key(out, part.key());
        match (part, modified) {
            (_, Some(modified)) => out.push(modified),
            (Part::Versions, _) if base.versions.is_some() => {
                out.object(&self.selection.shown, |out, shown| {
                    self.write_label(out, shown);
                    self.write_abbreviated_manifest(out, shown);
                });
            }
            _ => self.write_part(out, part, written),
        }
    }

    /// Copies all versions and turns their links.
    fn write_unchanged(&self, out: &mut Output, base: &Packument<'t>, span: Span) {
        let mut splice = Splice::within(base.text, span);
        for shown in &self.selection.shown {
            for link in &shown.version.links {
                out.push(splice.up_to(link.span));
                self.write_link(out, shown, link);
            }
        }
        out.push(splice.rest());
    }

    fn write_label(&self, out: &mut Output, shown: &Shown<'p, 't>) {
        let Some(packument) = self.selection.packument_of(shown) else { return };
        out.push(shown.version.key.of(packument.text));
        out.push(":");
    }

    fn write_manifest(&self, out: &mut Output, shown: &Shown<'p, 't>) {
        let Some(packument) = self.selection.packument_of(shown) else { return };
        self.copy(out, packument.text, shown.version.manifest, shown);
    }

    fn write_abbreviated_manifest(&self, out: &mut Output, shown: &Shown<'p, 't>) {
        let Some(packument) = self.selection.packument_of(shown) else { return };
        let version = shown.version;
        let Some(kept) = version.kept.clone().and_then(|kept| packument.kept.get(kept)) else {
            return self.write_manifest(out, shown);
        };
        let computed = version.runs_scripts.computed();
        let said = version.runs_scripts.said.filter(|_| !computed);
        let members = kept.iter().copied().chain(said).map(Some).chain(computed.then_some(None));
        out.object(members, |out, member| match member {
            Some(span) => self.copy(out, packument.text, span, shown),
            None => out.push("\"hasInstallScript\":true"),
        });
    }

    /// Copies a span of a version and turns the links in it.
    fn copy(&self, out: &mut Output, text: &str, span: Span, shown: &Shown<'p, 't>) {
        let mut splice = Splice::within(text, span);
        for link in &shown.version.links {
            if span.start <= link.span.start && link.span.end <= span.end {
                out.push(splice.up_to(link.span));
                self.write_link(out, shown, link);
            }
        }
        out.push(splice.rest());
    }

    fn write_link(&self, out: &mut Output, shown: &Shown<'p, 't>, link: &Link) {
        let name = self.selection.name.as_str();
        match link.to {
            LinkTarget::Tarball => out.link(&["/", &shown.path]),
            LinkTarget::Attestations => {
                out.link(&["/-/npm/v1/attestations/", name, "@", &shown.version.label]);
            }
        }
    }

    fn write_tags(&self, out: &mut Output) {
        out.object(&self.selection.tags.list, |out, (name, version)| {
            write_key(out, name);
            out.quote(version);
        });
    }

    fn write_times(&self, out: &mut Output) {
        let members = self.selection.times.iter().flat_map(|times| &times.members);
        out.object(members, |out, (key, value)| {
            out.push(key);
            out.push(":");
            out.push(value);
        });
    }
}

fn write_key(out: &mut Output, key: &str) {
    out.quote(key);
    out.push(":");
}
