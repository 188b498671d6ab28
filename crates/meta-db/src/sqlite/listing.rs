//! Pages of rows, with groups folded at a delimiter.
//!
//! A folded group costs one seek behind it, however many rows it holds; only its sums walk
//! through them, in the index and no further than asked for.

use artifact_core::Timestamp;
use artifact_core::ports::{ListedRow, Listing, Prefix, RowQuery};
use rusqlite::types::ToSqlOutput;
use rusqlite::{CachedStatement, Connection, Row, ToSql, params};

use super::range::{End, PathRange, filter_parameters};
use super::{integer, row_columns};
use crate::error::StoreError;
use crate::page::{Page, group_of, start_of};

const LIST: &str = include_str!("queries/list_rows.sql");
const SUM: &str = include_str!("queries/sum_group.sql");

impl ToSql for End {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        match self {
            Self::Before(text) => text.to_sql(),
            // A blob is greater than every text.
            Self::Never => Ok(ToSqlOutput::from(Vec::new())),
        }
    }
}

/// One page.
pub(crate) fn list(connection: &Connection, query: &RowQuery) -> Result<Listing, StoreError> {
    let Some(mut start) = start_of(query) else { return Ok(Listing::default()) };
    let end = PathRange::of_prefix(&query.prefix).end;
    let mut rows = connection.prepare_cached(LIST)?;
    let mut page = Page::new(query.limit);
    while let Some(group) =
        fill(&mut rows, query, &PathRange { start, end: end.clone() }, &mut page)?
    {
        let behind = PathRange::of_prefix(&group).end;
        page.add_group(group);
        match behind {
            End::Before(next) => start = next,
            End::Never => break,
        }
    }
    let (mut listing, groups) = page.finish();
    listing.prefixes = sums(connection, query, groups)?;
    Ok(listing)
}

/// Adds rows until the page is full, the range ends, or a row belongs to a folded group: then
/// returns that group.
fn fill(
    statement: &mut CachedStatement<'_>,
    query: &RowQuery,
    range: &PathRange,
    page: &mut Page,
) -> Result<Option<String>, StoreError> {
    let (state, moment) = filter_parameters(query.state);
    let parameters = params![query.repository.0, range.start, range.end, state, moment];
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let path: String = row.get("path")?;
        if page.ends_before(&path) {
            return Ok(None);
        }
        if let Some(group) = group_of(&path, query) {
            return Ok(Some(group.to_owned()));
        }
        if !page.add_row(path, listed(row)?) {
            return Ok(None);
        }
    }
    Ok(None)
}

fn listed(row: &Row<'_>) -> Result<ListedRow, StoreError> {
    Ok(ListedRow {
        row: row_columns::from_columns(row)?,
        hits: integer::from_sql(row.get("hits")?),
        accessed_at: row.get::<_, Option<i64>>("accessed_at")?.map(Timestamp::from_millis),
    })
}

fn sums(
    connection: &Connection,
    query: &RowQuery,
    groups: Vec<String>,
) -> Result<Vec<Prefix>, StoreError> {
    let share = query.share_of_sums(groups.len());
    let mut statement = connection.prepare_cached(SUM)?;
    let sum = |prefix| sum(&mut statement, query, share, prefix);
    groups.into_iter().map(sum).collect()
}

fn sum(
    statement: &mut CachedStatement<'_>,
    query: &RowQuery,
    share: usize,
    prefix: String,
) -> Result<Prefix, StoreError> {
    let PathRange { start, end } = PathRange::of_prefix(&prefix);
    let (state, moment) = filter_parameters(query.state);
    let parameters = params![query.repository.0, start, end, state, moment, integer::limit(share)];
    let sums = statement.query_row(parameters, |row| {
        Ok((integer::from_sql(row.get(0)?), integer::from_sql(row.get(1)?)))
    })?;
    Ok(Prefix::of_at_most(share, prefix, sums))
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryId;
    use rusqlite::{Params, StatementStatus};

    use super::super::connection::metadata_migrations::migrations;
    use super::super::range::successor;
    use super::*;

    /// A repository with `groups` folders of `files` files each.
    fn database(groups: i64, files: i64) -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrations::runner().run(&mut connection).unwrap();
        connection
            .execute_batch(
                "INSERT INTO blob (sha256, size) VALUES (zeroblob(32), 5);
                 INSERT INTO repository VALUES (1, 'a', 'local', 'generic', '', '', 1, 0, 0, '{}', NULL);",
            )
            .unwrap();
        let insert = "WITH RECURSIVE number (n) AS
                (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < max(?1, ?2))
            INSERT INTO artifact
            SELECT 1, printf('group%03d/file%05d', a.n, b.n), '', zeroblob(32), 5, 'generic',
                   NULL, NULL, NULL, NULL, '[]', 0, 0, NULL, 1
            FROM number a, number b WHERE a.n <= ?1 AND b.n <= ?2";
        connection.execute(insert, [groups, files]).unwrap();
        connection
    }

    fn folded() -> RowQuery {
        RowQuery {
            repository: RepositoryId(1),
            prefix: String::new(),
            delimiter: Some('/'),
            after: None,
            state: None,
            limit: 100,
            summed: 1000,
        }
    }

    fn plan(connection: &Connection, sql: &str, parameters: impl Params) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let lines = statement.query_map(parameters, |row| row.get("detail")).unwrap();
        lines.map(Result::unwrap).collect()
    }

    #[test]
    fn listing_and_summing_search_the_index_and_never_sort_or_scan() {
        let connection = database(1, 1);
        let range = params![1, "a", "b", None::<&str>, 0];
        let bounded_range = params![1, "a", "b", None::<&str>, 0, 10];
        for plan in [plan(&connection, LIST, range), plan(&connection, SUM, bounded_range)] {
            let range = "SEARCH artifact USING PRIMARY KEY (repository=? AND path>? AND path<?)";
            assert!(plan.iter().any(|line| line == range), "{plan:?}");
            // The bounded rows of a sum are read as they are found.
            let is_costly = |line: &String| {
                line.contains("SCAN artifact")
                    || line.contains("B-TREE")
                    || line.contains("MATERIALIZE")
            };
            assert!(!plan.iter().any(is_costly), "{plan:?}");
        }
    }

    #[test]
    fn finding_the_next_group_costs_the_same_however_many_rows_a_group_holds() {
        let steps = |files| {
            let connection = database(20, files);
            let mut statement = connection.prepare_cached(LIST).unwrap();
            let mut start = String::new();
            let mut groups = 0;
            let mut page = Page::new(100);
            while let Some(group) = {
                let range = PathRange { start: start.clone(), end: End::Never };
                fill(&mut statement, &folded(), &range, &mut page).unwrap()
            } {
                groups += 1;
                start = successor(&group).unwrap();
            }
            assert_eq!(groups, 20);
            statement.get_status(StatementStatus::VmStep)
        };
        assert_eq!(steps(2), steps(200));
    }

    #[test]
    fn groups_carry_their_sums() {
        let page = list(&database(3, 7), &folded()).unwrap();
        let group = |name: &str| Prefix::of_at_most(1000, name.to_owned(), (7, 35));
        assert_eq!(page.prefixes, [group("group001/"), group("group002/"), group("group003/")]);
        assert_eq!((page.rows.len(), page.next), (0, None));
    }
}
