//! Pages of rows, with groups folded at a delimiter.
//!
//! A folded group costs one seek behind it, however many rows it holds; only its sums walk
//! through them, in the index and no further than asked for.

use artifact_core::Timestamp;
use artifact_core::ports::{ListedRow, Listing, Prefix, RowQuery};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;

use super::{paths, row_columns, statement};
use crate::error::StoreError;
use crate::integer;
use crate::page::{Page, start_of};
use crate::range::{filter_parameters, just_behind, successor};

const LIST: &str = include_str!("queries/list_rows.sql");
const FOLDED_ENTRIES: &str = include_str!("queries/folded_entries.sql");
const LIST_PATHS: &str = include_str!("queries/list_paths.sql");
const SUM_GROUPS: &str = include_str!("queries/sum_groups.sql");

/// One page.
pub(crate) async fn list(client: &ClientWrapper, query: &RowQuery) -> Result<Listing, StoreError> {
    let mut page = Page::new(query.limit);
    if let Some(range) = range_of(query) {
        match query.delimiter.filter(|delimiter| *delimiter != '\0') {
            Some(delimiter) => fill_folded(client, query, &range, delimiter, &mut page).await?,
            None => fill(client, query, &range, &mut page).await?,
        }
    }
    let (mut listing, groups) = page.finish();
    listing.prefixes = sums(client, query, groups).await?;
    Ok(listing)
}

/// The paths that a page may hold.
struct Range {
    start: String,
    end: String,
}

/// `None` if there can be no such path.
fn range_of(query: &RowQuery) -> Option<Range> {
    let (_, end) = paths::of_prefix(&query.prefix)?;
    let start = start_of(query)?;
    // No path holds NUL: the first one behind such a text is behind what precedes the NUL.
    let start = match start.split_once('\0') {
        Some((before, _)) => just_behind(before),
        None => start,
    };
    Some(Range { start, end })
}

async fn fill(
    client: &ClientWrapper,
    query: &RowQuery,
    range: &Range,
    page: &mut Page,
) -> Result<(), StoreError> {
    // One more than the page holds tells whether there is another page.
    let portion = integer::limit(query.limit.max(1)).saturating_add(1);
    let (state, moment) = filter_parameters(query.state);
    let (mut path, mut variant) = (range.start.clone(), String::new());
    loop {
        let parameters: statement::Parameters<'_> =
            &[&query.repository.0, &path, &variant, &range.end, &state, &moment, &portion];
        let rows = statement::rows(client, LIST, parameters).await?;
        for row in &rows {
            let path: String = row.try_get("path")?;
            if page.ends_before(&path) || !page.add_row(path, listed(row)?) {
                return Ok(());
            }
        }
        // Only the many variants of one path can leave a page open.
        match rows.last() {
            Some(last) if integer::limit(rows.len()) == portion => {
                path = last.try_get("path")?;
                variant = just_behind(last.try_get("variant")?);
            }
            _ => return Ok(()),
        }
    }
}

/// A path, or a group of paths.
struct Entry {
    name: String,
    is_group: bool,
}

async fn fill_folded(
    client: &ClientWrapper,
    query: &RowQuery,
    range: &Range,
    delimiter: char,
    page: &mut Page,
) -> Result<(), StoreError> {
    let entries = entries(client, query, range, delimiter).await?;
    let mut rows = rows_of(client, query, &entries).await?.into_iter().peekable();
    for Entry { name, is_group } in entries {
        if page.ends_before(&name) {
            return Ok(());
        }
        if is_group {
            page.add_group(name);
            continue;
        }
        while let Some(listed) = rows.next_if(|listed| listed.row.key.path.as_str() == name) {
            if !page.add_row(name.clone(), listed) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The entries of the page and one more.
async fn entries(
    client: &ClientWrapper,
    query: &RowQuery,
    range: &Range,
    delimiter: char,
) -> Result<Vec<Entry>, StoreError> {
    let prefix_length = i32::try_from(query.prefix.chars().count()).unwrap_or(i32::MAX);
    let delimiter = delimiter.to_string();
    let behind = successor(&delimiter).unwrap_or_else(|| paths::behind(&delimiter));
    let (state, moment) = filter_parameters(query.state);
    let limit = integer::limit(query.limit.max(1)).saturating_add(1);
    let parameters: statement::Parameters<'_> = &[
        &query.repository.0,
        &range.start,
        &range.end,
        &prefix_length,
        &delimiter,
        &behind,
        &state,
        &moment,
        &limit,
    ];
    let rows = statement::rows(client, FOLDED_ENTRIES, parameters).await?;
    let entry = |row: &Row| -> Result<Entry, StoreError> {
        Ok(Entry { name: row.try_get("name")?, is_group: row.try_get("is_group")? })
    };
    rows.iter().map(entry).collect()
}

async fn rows_of(
    client: &ClientWrapper,
    query: &RowQuery,
    entries: &[Entry],
) -> Result<Vec<ListedRow>, StoreError> {
    let paths: Vec<_> =
        entries.iter().filter(|entry| !entry.is_group).map(|entry| &entry.name).collect();
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    let (state, moment) = filter_parameters(query.state);
    let parameters: statement::Parameters<'_> = &[&query.repository.0, &paths, &state, &moment];
    statement::rows(client, LIST_PATHS, parameters).await?.iter().map(listed).collect()
}

async fn sums(
    client: &ClientWrapper,
    query: &RowQuery,
    groups: Vec<String>,
) -> Result<Vec<Prefix>, StoreError> {
    let share = query.share_of_sums(groups.len());
    if groups.is_empty() || share == 0 {
        let unknown = |group| Prefix::of_at_most(share, group, (0, 0));
        return Ok(groups.into_iter().map(unknown).collect());
    }
    let ends: Vec<_> = groups.iter().map(|group| paths::behind(group)).collect();
    let (state, moment) = filter_parameters(query.state);
    let parameters: statement::Parameters<'_> =
        &[&query.repository.0, &groups, &ends, &state, &moment, &integer::limit(share)];
    let sums = statement::rows(client, SUM_GROUPS, parameters).await?;
    groups.into_iter().zip(&sums).map(|(group, sums)| summed(share, group, sums)).collect()
}

fn summed(share: usize, group: String, sums: &Row) -> Result<Prefix, StoreError> {
    let sum = |column| -> Result<u64, StoreError> { Ok(integer::from_sql(sums.try_get(column)?)) };
    Ok(Prefix::of_at_most(share, group, (sum("objects")?, sum("bytes")?)))
}

fn listed(row: &Row) -> Result<ListedRow, StoreError> {
    Ok(ListedRow {
        row: row_columns::from_columns(row)?,
        hits: integer::from_sql(row.try_get("hits")?),
        accessed_at: row.try_get::<_, Option<i64>>("accessed_at")?.map(Timestamp::from_millis),
    })
}
