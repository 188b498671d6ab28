//! The names of a repository, found by walking the tree of its paths.
//!
//! Invariant: no more pages are read than one page of names needs.

use std::cmp::Ordering;

use artifact_core::ports::{Listing, RowQuery};
use artifact_core::{CatalogRequest, Definition, MountPoint, Result};

use crate::shared::Shared;
use crate::snapshot::{Mounted, Snapshot};

/// Entries of a directory that are read at once.
const PAGE: usize = 1000;

/// A page of names of several repositories.
pub(crate) struct Page {
    pub(crate) names: Vec<String>,
    pub(crate) has_more: bool,
}

/// The names of the hosted repositories of the registry that `may_read` admits, each with the name of its
/// repository in front.
pub(crate) async fn catalog(
    shared: &Shared,
    snapshot: &Snapshot,
    request: &CatalogRequest,
    may_read: &(dyn Fn(&Mounted) -> bool + Send + Sync),
) -> Result<Page> {
    let (first, mut behind) = match request.after.as_deref() {
        Some(after) => {
            after.split_once('/').map_or((after, None), |(name, rest)| (name, Some(rest)))
        }
        None => ("", None),
    };
    let mut names_found = Vec::new();
    for mounted in hosted(snapshot, may_read) {
        let behind = match mounted.name().cmp(first) {
            Ordering::Less => continue,
            Ordering::Equal => behind.take(),
            Ordering::Greater => None,
        };
        // One more than asked for, to know whether there are more.
        let wanted = (request.limit + 1).saturating_sub(names_found.len());
        let found = names(shared, mounted, behind, wanted).await?;
        names_found.extend(found.iter().map(|name| format!("{}/{name}", mounted.name())));
        if names_found.len() > request.limit {
            break;
        }
    }
    Ok(Page::of(names_found, request))
}

/// The names of one repository, if it is hosted and `may_read` admits it.
pub(crate) async fn catalog_of(
    shared: &Shared,
    mounted: &Mounted,
    request: &CatalogRequest,
    may_read: &(dyn Fn(&Mounted) -> bool + Send + Sync),
) -> Result<Page> {
    if !is_hosted(mounted) || !may_read(mounted) {
        return Ok(Page::of(Vec::new(), request));
    }
    let after = request.after.as_deref();
    let found = names(shared, mounted, after, request.limit + 1).await?;
    Ok(Page::of(found, request))
}

impl Page {
    /// The first of `names`, which are more than asked for if there are more.
    fn of(mut names: Vec<String>, request: &CatalogRequest) -> Self {
        let has_more = request.limit > 0 && names.len() > request.limit;
        names.truncate(request.limit);
        Self { names, has_more }
    }
}

fn is_hosted(mounted: &Mounted) -> bool {
    matches!(mounted.repository.definition, Definition::Local(_))
        && mounted.provider.mount_point() == MountPoint::Registry
}

fn hosted<'s>(
    snapshot: &'s Snapshot,
    may_read: &(dyn Fn(&Mounted) -> bool + Send + Sync),
) -> Vec<&'s Mounted> {
    let is_shown = |mounted: &&Mounted| is_hosted(mounted) && may_read(mounted);
    let mut hosted: Vec<&Mounted> =
        snapshot.all().map(|mounted| &**mounted).filter(is_shown).collect();
    hosted.sort_unstable_by(|one, other| one.name().cmp(other.name()));
    hosted
}

/// Up to `limit` names of a repository behind `after`, in the order of their paths with a slash
/// behind each segment.
async fn names(
    shared: &Shared,
    mounted: &Mounted,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<String>> {
    let mut found = Vec::new();
    // Directories still to be read, each from where its listing is to be continued; the last is next.
    let mut waiting = resume(after);
    while let Some(Directory { path, from }) = waiting.pop() {
        if found.len() >= limit {
            break;
        }
        let listing = shared.parts.meta.list(&query(mounted, &path, from)).await?;
        if let Some(next) = listing.next.clone() {
            waiting.push(Directory { path: path.clone(), from: Some(next) });
        }
        let mut below = children(&listing, &path);
        let name = path.trim_end_matches('/');
        // What a name has may be spread over two pages.
        let is_news = after != Some(name) && !found.iter().any(|known| known == name);
        if below.is_name && is_news {
            found.push(name.to_owned());
        }
        below.directories.reverse();
        waiting.extend(below.directories.into_iter().map(|path| Directory { path, from: None }));
    }
    found.truncate(limit);
    Ok(found)
}

#[derive(Debug, Eq, PartialEq)]
struct Directory {
    path: String,
    from: Option<String>,
}

/// The directories that are left behind a name: what follows it in each directory on the way to it, and
/// what is below it.
fn resume(after: Option<&str>) -> Vec<Directory> {
    let root = Directory { path: String::new(), from: None };
    let Some(after) = after else { return vec![root] };
    let mut waiting = Vec::new();
    let mut path = String::new();
    for segment in after.split('/') {
        let below = format!("{path}{segment}/");
        waiting.push(Directory { path, from: Some(below.clone()) });
        path = below;
    }
    waiting.push(Directory { path, from: None });
    waiting
}

struct Children {
    is_name: bool,
    directories: Vec<String>,
}

fn children(listing: &Listing, path: &str) -> Children {
    let mut is_name = false;
    let mut directories = Vec::new();
    for prefix in &listing.prefixes {
        // What begins with an underscore is what the name has, not another name.
        match prefix.prefix.strip_prefix(path) {
            Some(rest) if rest.starts_with('_') => is_name = !path.is_empty(),
            _ => directories.push(prefix.prefix.clone()),
        }
    }
    Children { is_name, directories }
}

fn query(mounted: &Mounted, path: &str, from: Option<String>) -> RowQuery {
    RowQuery {
        repository: mounted.id(),
        prefix: path.to_owned(),
        delimiter: Some('/'),
        after: from,
        state: None,
        limit: PAGE,
        summed: 0,
    }
}
