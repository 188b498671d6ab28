//! Listings in memory: everything is folded, then a page is cut out. Simple on purpose, so
//! that it can be trusted against the fast ones.

use std::collections::BTreeMap;

use artifact_core::ports::{ListedRow, Listing, Prefix, RowQuery, StateFilter};

use super::{State, StoredRow};

/// What one path or folded prefix adds to a page.
#[derive(Debug)]
enum Item {
    Rows(Vec<ListedRow>),
    /// The sizes of its rows.
    Group(Vec<u64>),
}

pub(super) fn list(state: &State, query: &RowQuery) -> Listing {
    let mut listing = Listing::default();
    let mut groups = Vec::new();
    let mut last: Option<String> = None;
    for (position, item) in items(state, query) {
        if query.after.as_ref().is_some_and(|after| position <= *after) {
            continue;
        }
        let taken = listing.rows.len() + groups.len();
        if last.is_some() && taken + item.length() > query.limit {
            listing.next = last;
            break;
        }
        match item {
            Item::Rows(rows) => listing.rows.extend(rows),
            Item::Group(sizes) => groups.push((position.clone(), sizes)),
        }
        last = Some(position);
    }
    let share = query.share_of_sums(groups.len());
    listing.prefixes =
        groups.into_iter().map(|(prefix, sizes)| summed(share, prefix, &sizes)).collect();
    listing
}

fn summed(share: usize, prefix: String, sizes: &[u64]) -> Prefix {
    let sums =
        sizes.iter().take(share).fold((0, 0), |(objects, bytes), size| (objects + 1, bytes + size));
    Prefix::of_at_most(share, prefix, sums)
}

fn items(state: &State, query: &RowQuery) -> BTreeMap<String, Item> {
    let mut items = BTreeMap::new();
    for stored in state.rows.values().filter(|stored| is_meant(stored, query)) {
        let path = stored.row.key.path.as_str();
        let group = query.delimiter.and_then(|delimiter| group(path, &query.prefix, delimiter));
        let position = group.unwrap_or(path).to_owned();
        let item = items.entry(position).or_insert_with(|| match group {
            Some(_) => Item::Group(Vec::new()),
            None => Item::Rows(Vec::new()),
        });
        item.add(stored);
    }
    items
}

fn is_meant(stored: &StoredRow, query: &RowQuery) -> bool {
    let row = &stored.row;
    let expires_at = row.expires_at;
    let is_in_state = match query.state {
        None => true,
        Some(StateFilter::FreshAt(moment)) => expires_at.is_none_or(|end| end > moment),
        Some(StateFilter::StaleAt(moment)) => expires_at.is_some_and(|end| end <= moment),
    };
    let is_there =
        row.key.repository == query.repository && row.key.path.as_str().starts_with(&query.prefix);
    is_there && is_in_state
}

fn group<'a>(path: &'a str, prefix: &str, delimiter: char) -> Option<&'a str> {
    let rest = path.strip_prefix(prefix)?;
    let (segment, _) = rest.split_once(delimiter)?;
    path.get(..prefix.len() + segment.len() + delimiter.len_utf8())
}

impl Item {
    fn add(&mut self, stored: &StoredRow) {
        match self {
            Self::Rows(rows) => rows.push(ListedRow {
                row: stored.row.clone(),
                hits: stored.hits,
                accessed_at: stored.accessed_at,
            }),
            Self::Group(sizes) => sizes.push(stored.row.size),
        }
    }

    fn length(&self) -> usize {
        match self {
            Self::Rows(rows) => rows.len(),
            Self::Group(_) => 1,
        }
    }
}
