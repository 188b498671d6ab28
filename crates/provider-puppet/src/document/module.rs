//! One module: the releases that it lists, and the one that it recommends.

use std::collections::HashSet;

use artifact_core::{DocumentError, RepositoryKind, RewriteContext};
use formats::json::Span;

use super::order::{Order, identity, merit};
use super::read::{Body, Document, Entry};
use super::text::{Edit, join};
use super::{Admits, Unreadable};
use crate::fields::Fields;
use crate::query::Query;

/// Unites the documents of one module. The first is the base: what is not united comes from it.
/// `None`: the base stays as it is.
pub(super) fn unite(
    documents: &mut [Document<'_>],
    query: &Query,
    context: &RewriteContext<'_>,
) -> Result<Option<String>, DocumentError> {
    let edits = {
        let of = |document| match document {
            &Document { body: Body::Entry(ref module), .. } => Some(Listing { document, module }),
            _ => None,
        };
        let listings: Vec<_> = documents.iter().filter_map(of).collect();
        changes(&listings, context.admits)?
    };
    let base = documents.first_mut().ok_or(Unreadable::Nothing)?;
    base.edits.add(edits);
    let edited = base.edited();
    // A remote has already been asked for what the client wants.
    if context.kind != RepositoryKind::Virtual {
        return Ok(edited);
    }
    let fields = Fields::of(query);
    if fields.is_everything() {
        return Ok(edited);
    }
    let whole = edited.as_deref().unwrap_or(base.text);
    Ok(Some(fields.select(whole).map_err(Unreadable::Json)?))
}

/// A module as one document describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listing<'d, 't> {
    pub(super) document: &'d Document<'t>,
    pub(super) module: &'d Entry<'t>,
}

/// A release that a module could show.
#[derive(Clone, Copy, Debug)]
struct Candidate<'d, 't> {
    document: &'d Document<'t>,
    release: &'d Entry<'t>,
    /// Whether the base has it.
    is_own: bool,
    /// Whether it is in a list, and not recommended only.
    is_listed: bool,
}

impl Candidate<'_, '_> {
    fn is_admitted(&self, admits: Admits<'_>) -> bool {
        self.release.path.as_deref().is_none_or(admits)
    }
}

/// What has to change in the first of `listings` so that it shows the releases of all, but those
/// that a policy refuses.
pub(super) fn changes(
    listings: &[Listing<'_, '_>],
    admits: Admits<'_>,
) -> Result<Vec<Edit>, DocumentError> {
    let Some(base) = listings.first() else { return Ok(Vec::new()) };
    let all = candidates(listings);
    let (shown, hidden): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|candidate| candidate.is_admitted(admits));
    if shown.is_empty() {
        return if hidden.is_empty() { Ok(Vec::new()) } else { Err(DocumentError::AllDenied) };
    }
    let has_more = shown.iter().any(|candidate| !candidate.is_own);
    let has_less = hidden.iter().any(|candidate| candidate.is_own && candidate.is_listed);
    let mut edits = Vec::new();
    if has_more || has_less {
        let at = place(base.module.releases_at, base.module, "releases");
        edits.push(at.filled(|out| write_list(&shown, out)));
    }
    let current = base.module.current.as_deref();
    let is_denied =
        current.and_then(|release| release.path.as_deref()).is_some_and(|path| !admits(path));
    if has_more || is_denied {
        edits.extend(recommend(listings, &shown));
    }
    Ok(edits)
}

/// Every release once, the first of equal ones.
fn candidates<'d, 't>(listings: &[Listing<'d, 't>]) -> Vec<Candidate<'d, 't>> {
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for (index, Listing { document, module }) in listings.iter().enumerate() {
        let listed = module.releases.iter().flatten().map(|release| (release, true));
        let current = module.current.as_deref().map(|release| (release, false));
        for (release, is_listed) in listed.chain(current) {
            if identity(release).is_none_or(|identity| seen.insert(identity)) {
                all.push(Candidate { document, release, is_own: index == 0, is_listed });
            }
        }
    }
    all
}

fn write_list(shown: &[Candidate<'_, '_>], out: &mut String) {
    let mut listed: Vec<_> = shown.iter().collect();
    listed.sort_by_cached_key(|candidate| Order::Version.key(candidate.release));
    out.push('[');
    join(listed, out, |candidate, out| candidate.document.write(candidate.release.span, out));
    out.push(']');
}

/// Recommends the best of the releases that are shown, unless that is so already. Where a member
/// recommends it too, that description is taken: it says more than a list does.
fn recommend(listings: &[Listing<'_, '_>], shown: &[Candidate<'_, '_>]) -> Option<Edit> {
    let base = listings.first()?.module;
    let best = shown.iter().max_by_key(|candidate| merit(candidate.release))?;
    let name = identity(best.release)?;
    let is_best = |release: &Entry<'_>| identity(release).is_some_and(|other| other == name);
    if base.current.as_deref().is_some_and(is_best) {
        return None;
    }
    let described = listings.iter().find_map(|listing| {
        let release = listing.module.current.as_deref().filter(|release| is_best(release))?;
        Some((listing.document, release))
    });
    let (document, release) = described.unwrap_or((best.document, best.release));
    let at = place(base.current_at, base, "current_release");
    Some(at.filled(|out| document.write(release.span, out)))
}

/// Where the value of a member stands or has to be added.
struct Place {
    span: Span,
    before: String,
}

/// The place of a member of `module`, which has other members.
fn place(known: Option<Span>, module: &Entry<'_>, name: &str) -> Place {
    let end = module.span.end.saturating_sub(1);
    match known {
        Some(span) => Place { span, before: String::new() },
        None => Place { span: Span { start: end, end }, before: format!(",\"{name}\":") },
    }
}

impl Place {
    fn filled(self, write: impl FnOnce(&mut String)) -> Edit {
        let mut text = self.before;
        write(&mut text);
        Edit { span: self.span, text }
    }
}
