//! Lists: a page that is passed on, and a page of what the pages of several members are together.

use std::collections::HashSet;

use artifact_core::{DocumentError, RepoPath, RewriteContext, SourceDocument, Target, Variant};
use formats::json::quote;

use super::module::{Listing, changes};
use super::order::{Order, identity};
use super::read::{Body, Document, Entry, List};
use super::text::{Edit, join};
use super::{Admits, Unreadable};
use crate::fields::Fields;
use crate::paging::{MemberPage, Window};
use crate::query::Query;
use crate::route;

/// The page that follows a member's page, if that is needed.
pub(super) fn following(
    path: &RepoPath,
    list: &List<'_>,
    page: &MemberPage,
) -> Result<Option<Target>, Unreadable> {
    let Some(next) = &list.next else { return Ok(None) };
    let query = next.split_once('?').map_or("", |(_, query)| query);
    let offset = Query::of(query).get("offset").and_then(|offset| offset.parse().ok());
    let offset = offset.ok_or(Unreadable::NextPage)?;
    let page = page.following(offset).map_err(|_| Unreadable::NextPage)?;
    Ok(page.map(|page| route::following(path, &page)))
}

/// A page as it came, without what a policy refuses.
pub(super) fn page(
    documents: &mut [Document<'_>],
    admits: Admits<'_>,
) -> Result<Option<String>, DocumentError> {
    let document = documents.first_mut().ok_or(Unreadable::Nothing)?;
    let kept = prune(document, admits);
    let Body::List(list) = &document.body else { return Ok(document.edited()) };
    if kept.iter().all(|is_kept| *is_kept) {
        return Ok(document.edited());
    }
    let is_whole = list.next.is_none() && list.previous.is_none();
    if is_whole && !kept.contains(&true) {
        return Err(DocumentError::AllDenied);
    }
    let mut text = String::from("[");
    let entries = list.entries.iter().zip(&kept).filter(|(_, is_kept)| **is_kept);
    join(entries, &mut text, |(entry, _), out| document.write(entry.span, out));
    text.push(']');
    let span = list.results;
    document.edits.add([Edit { span, text }]);
    Ok(document.edited())
}

/// Takes out of modules what a policy refuses, and says which entries are left at all.
fn prune(document: &mut Document<'_>, admits: Admits<'_>) -> Vec<bool> {
    let Body::List(list) = &document.body else { return Vec::new() };
    let mut edits = Vec::new();
    let mut kept = Vec::with_capacity(list.entries.len());
    for entry in &list.entries {
        let is_admitted = entry.path.as_deref().is_none_or(admits);
        let pruned = changes(&[Listing { document, module: entry }], admits);
        kept.push(is_admitted && pruned.is_ok());
        edits.extend(pruned.unwrap_or_default());
    }
    document.edits.add(edits);
    kept
}

/// An entry of a united list.
#[derive(Clone, Copy, Debug)]
struct Item<'d, 't> {
    document: &'d Document<'t>,
    entry: &'d Entry<'t>,
    /// Whose it is.
    position: usize,
    /// Its place in the list of that member.
    rank: usize,
}

/// The page that a query asks for of all lists together.
pub(super) fn unite(
    sources: &[SourceDocument<'_>],
    documents: &mut [Document<'_>],
    query: &Query,
    context: &RewriteContext<'_>,
) -> Result<Option<String>, DocumentError> {
    let end = end_of(sources, documents)?;
    let kept: Vec<_> =
        documents.iter_mut().map(|document| prune(document, context.admits)).collect();
    let items = items(sources, documents, &kept);
    let had_any = kept.iter().any(|kept| !kept.is_empty());
    if items.is_empty() && had_any && end == End::Reached {
        return Err(DocumentError::AllDenied);
    }
    let is_whole = sources
        .first()
        .and_then(|source| MemberPage::of_source(source.source))
        .is_some_and(|page| page.is_of_whole());
    let items = if is_whole { whole(items, Order::of(query)) } else { beginnings(items) };
    let window = Window::of(query).map_err(|reject| DocumentError::Absent(reject.message))?;
    let total = match end {
        End::Reached => items.len() as u64,
        End::Ahead { total } => total.max(items.len() as u64 + 1),
    };
    Ok(Some(write(&items, total, &Page { query, window, path: context.path })))
}

/// Whether members have more than was asked of them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Reached,
    Ahead {
        /// How many entries all members claim to have.
        total: u64,
    },
}

/// Makes sure that no page is missing, and finds out whether there are more.
fn end_of(sources: &[SourceDocument<'_>], documents: &[Document<'_>]) -> Result<End, Unreadable> {
    let present: HashSet<(usize, &Variant)> =
        sources.iter().map(|source| (source.position, source.source)).collect();
    let mut end = End::Reached;
    let mut total: u64 = 0;
    let mut counted = HashSet::new();
    for (source, document) in sources.iter().zip(documents) {
        let (Body::List(list), Some(page)) = (&document.body, MemberPage::of_source(source.source))
        else {
            continue;
        };
        if counted.insert(source.position) {
            total = total.saturating_add(list.total.unwrap_or(0));
        }
        match following(source.path, list, &page)? {
            Some(next) if !present.contains(&(source.position, &next.source)) => {
                return Err(Unreadable::NextPage);
            }
            None if list.next.is_some() => end = End::Ahead { total: 0 },
            Some(_) | None => {}
        }
    }
    Ok(if end == End::Reached { end } else { End::Ahead { total } })
}

fn items<'d, 't>(
    sources: &[SourceDocument<'_>],
    documents: &'d [Document<'t>],
    kept: &[Vec<bool>],
) -> Vec<Item<'d, 't>> {
    let mut items = Vec::new();
    let (mut position, mut rank) = (0, 0);
    for ((source, document), kept) in sources.iter().zip(documents).zip(kept) {
        let Body::List(list) = &document.body else { continue };
        if source.position != position {
            (position, rank) = (source.position, 0);
        }
        for (entry, is_kept) in list.entries.iter().zip(kept) {
            if *is_kept {
                items.push(Item { document, entry, position, rank });
            }
            rank += 1;
        }
    }
    items
}

/// Everything that anybody has; of equal entries that of the first member.
fn whole<'d, 't>(items: Vec<Item<'d, 't>>, order: Order) -> Vec<Item<'d, 't>> {
    let mut items = distinct(items);
    items.sort_by_cached_key(|item| order.key(item.entry));
    items
}

/// The first of every member, then the second of every member and so on. A page of this is the
/// same whatever follows it, so that nobody has to be asked for a whole list.
fn beginnings<'d, 't>(mut items: Vec<Item<'d, 't>>) -> Vec<Item<'d, 't>> {
    items.sort_by_key(|item| (item.rank, item.position));
    distinct(items)
}

fn distinct<'d, 't>(mut items: Vec<Item<'d, 't>>) -> Vec<Item<'d, 't>> {
    let mut seen = HashSet::new();
    items.retain(|item| identity(item.entry).is_none_or(|identity| seen.insert(identity)));
    items
}

/// What a client asked for.
struct Page<'a> {
    query: &'a Query,
    window: Window,
    path: &'a RepoPath,
}

impl Page<'_> {
    fn link(&self, offset: Option<u64>, out: &mut String) {
        let Some(offset) = offset else { return out.push_str("null") };
        let query = self.query.clone().with("limit", &self.window.limit).with("offset", &offset);
        let path = self.path.to_encoded();
        quote(&format!("/{}", query.below(path.trim_end_matches('/'))), out);
    }
}

fn write(items: &[Item<'_, '_>], total: u64, page: &Page<'_>) -> String {
    let Window { limit, offset } = page.window;
    let mut out = format!("{{\"pagination\":{{\"limit\":{limit},\"offset\":{offset}");
    let end = page.window.end();
    let links = [
        ("first", Some(0)),
        ("previous", (offset > 0).then(|| offset.saturating_sub(limit))),
        ("current", Some(offset)),
        ("next", (end < total).then_some(end)),
    ];
    for (name, offset) in links {
        out.push_str(",\"");
        out.push_str(name);
        out.push_str("\":");
        page.link(offset, &mut out);
    }
    out.push_str(",\"total\":");
    out.push_str(&total.to_string());
    out.push_str("},\"results\":[");
    let fields = Fields::of(page.query);
    let skipped = usize::try_from(offset).unwrap_or(usize::MAX);
    let shown = items.iter().skip(skipped).take(usize::try_from(limit).unwrap_or(usize::MAX));
    join(shown, &mut out, |item, out| write_entry(item, &fields, out));
    out.push_str("]}");
    out
}

fn write_entry(item: &Item<'_, '_>, fields: &Fields, out: &mut String) {
    if fields.is_everything() {
        return item.document.write(item.entry.span, out);
    }
    let mut whole = String::new();
    item.document.write(item.entry.span, &mut whole);
    // What is no object has no fields.
    out.push_str(&fields.select(&whole).unwrap_or(whole));
}
