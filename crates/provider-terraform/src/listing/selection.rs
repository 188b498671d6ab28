//! Which versions are shown, and their list as it is written.

use std::collections::HashSet;

use artifact_core::{DocumentError, Template};
use formats::json::{Span, Splice};
use semver::Version;

use super::{Entry, List};
use crate::name::Platform;
use crate::output::Output;

/// What becomes of one version.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It is shown with these of its platforms, if it lists any.
    Shown(Vec<Span>),
    /// A policy refuses all of it.
    Denied,
    /// Clients would not understand it.
    Unusable,
}

/// A version that is shown.
#[derive(Debug)]
pub(super) struct Shown<'p, 't> {
    /// The number of the document that it comes from.
    pub(super) document: usize,
    pub(super) entry: &'p Entry<'t>,
    text: &'t str,
    /// Which of its platforms are shown.
    pub(super) platforms: Vec<Span>,
}

impl Shown<'_, '_> {
    /// The first of its platforms that is shown.
    pub(super) fn first_platform(&self) -> Option<&Platform> {
        let first = self.platforms.first()?;
        let platforms = self.entry.platforms.as_ref()?;
        platforms.known.iter().find(|(span, _)| span == first).map(|(_, platform)| platform)
    }
}

/// What is shown of one or more lists.
#[derive(Debug)]
pub(super) struct Selection<'p, 't> {
    /// The document that everything but the list comes from.
    base: &'p List<'t>,
    pub(super) shown: Vec<Shown<'p, 't>>,
    is_changed: bool,
}

impl<'p, 't> Selection<'p, 't> {
    /// Unites `lists`, where the first that has a version wins it.
    pub(super) fn of(
        lists: &'p [List<'t>],
        judge: impl Fn(&Entry<'t>) -> Verdict,
    ) -> Result<Self, DocumentError> {
        let Some(base) = lists.first() else {
            return Err(DocumentError::Malformed("there is no document".to_owned()));
        };
        let mut selection = Self { base, shown: Vec::new(), is_changed: lists.len() > 1 };
        let (mut seen, mut is_denied) = (HashSet::new(), false);
        for (document, list) in lists.iter().enumerate() {
            for entry in &list.entries {
                match judge(entry) {
                    Verdict::Shown(platforms) if !seen.contains(entry.version.as_ref()) => {
                        seen.insert(entry.version.as_ref());
                        selection.show(Shown { document, entry, text: list.text, platforms });
                    }
                    Verdict::Denied => {
                        (is_denied, selection.is_changed) = (true, true);
                    }
                    Verdict::Shown(_) | Verdict::Unusable => selection.is_changed = true,
                }
            }
        }
        if selection.shown.is_empty() && is_denied {
            return Err(DocumentError::AllDenied);
        }
        if lists.len() > 1 {
            selection.shown.sort_by_cached_key(|shown| rank(&shown.entry.version));
        }
        Ok(selection)
    }

    fn show(&mut self, shown: Shown<'p, 't>) {
        let listed = shown.entry.platforms.as_ref().map_or(0, |platforms| platforms.count);
        self.is_changed |= shown.platforms.len() < listed;
        self.shown.push(shown);
    }

    /// The base document with what is shown in the place of its list.
    pub(super) fn write(&self) -> Template {
        let text = self.base.text;
        let Some(span) = self.base.span.filter(|_| self.is_changed) else {
            return Template::fixed(text.to_owned());
        };
        let mut splice = Splice::new(text);
        let mut out = Output::default();
        out.push(splice.up_to(span));
        out.push("[");
        out.list(&self.shown, |out, shown| shown.write(out));
        out.push("]");
        out.push(splice.rest());
        out.finish()
    }
}

impl Shown<'_, '_> {
    fn write(&self, out: &mut Output) {
        let mut splice = Splice::within(self.text, self.entry.span);
        if let Some(platforms) = &self.entry.platforms
            && self.platforms.len() < platforms.count
        {
            out.push(splice.up_to(platforms.span));
            out.push("[");
            out.list(&self.platforms, |out, span| out.push(span.of(self.text)));
            out.push("]");
        }
        out.push(splice.rest());
    }
}

/// Ascending by precedence; what is no version comes last.
fn rank(version: &str) -> (bool, Option<Version>, String) {
    let parsed = Version::parse(version).ok();
    (parsed.is_none(), parsed, version.to_owned())
}
