//! Pages of rows, with groups folded at a delimiter.
//!
//! A folded group costs one seek behind it, however many rows it holds; only its sums walk
//! through them, in the index.

use artifact_core::Timestamp;
use artifact_core::ports::{ListedRow, Listing, Prefix, RowQuery};
use rusqlite::types::ToSqlOutput;
use rusqlite::{CachedStatement, Connection, Row, ToSql, params};

use super::range::{End, PathRange, filter_parameters};
use super::{integer, row_columns};
use crate::error::StoreError;
use crate::page::{Page, group_of, start_of};

const LIST: &str = include_str!("queries/list_rows.sql");
const SUM: &str = include_str!("queries/sum_rows.sql");

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
    let mut sums = connection.prepare_cached(SUM)?;
    let mut page = Page::new(query.limit);
    while let Some(group) =
        fill(&mut rows, query, &PathRange { start, end: end.clone() }, &mut page)?
    {
        let range = PathRange::of_prefix(&group);
        page.add_group(sum(&mut sums, query, &range, group)?);
        match range.end {
            End::Before(next) => start = next,
            End::Never => break,
        }
    }
    Ok(page.listing)
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

fn sum(
    statement: &mut CachedStatement<'_>,
    query: &RowQuery,
    range: &PathRange,
    prefix: String,
) -> Result<Prefix, StoreError> {
    let (state, moment) = filter_parameters(query.state);
    let parameters = params![query.repository.0, range.start, range.end, state, moment];
    let (objects, bytes) = statement.query_row(parameters, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Prefix { prefix, objects: integer::from_sql(objects), bytes: integer::from_sql(bytes) })
}

#[cfg(test)]
mod tests {
    use artifact_core::RepositoryId;
    use rusqlite::StatementStatus;

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
        }
    }

    fn plan(connection: &Connection, sql: &str) -> Vec<String> {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let parameters = params![1, "a", "b", None::<&str>, 0];
        let lines = statement.query_map(parameters, |row| row.get("detail")).unwrap();
        lines.map(Result::unwrap).collect()
    }

    #[test]
    fn listing_and_summing_search_the_index_and_never_sort_or_scan() {
        let connection = database(1, 1);
        for sql in [LIST, SUM] {
            let plan = plan(&connection, sql);
            let range = "SEARCH artifact USING PRIMARY KEY (repository=? AND path>? AND path<?)";
            assert_eq!(plan.first().map(String::as_str), Some(range), "{plan:?}");
            let is_costly = |line: &String| line.contains("SCAN") || line.contains("B-TREE");
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
        let group = |name: &str| Prefix { prefix: name.to_owned(), objects: 7, bytes: 35 };
        assert_eq!(page.prefixes, [group("group001/"), group("group002/"), group("group003/")]);
        assert_eq!((page.rows.len(), page.next), (0, None));
    }
}
