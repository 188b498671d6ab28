//! Running a statement that is prepared once per connection.

use deadpool_postgres::ClientWrapper;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::error::StoreError;

/// Values for the parameters of a statement.
pub(crate) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

/// All rows.
pub(crate) async fn rows(
    client: &ClientWrapper,
    sql: &'static str,
    parameters: Parameters<'_>,
) -> Result<Vec<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query(&statement, parameters).await?)
}

/// The row, if there is one.
pub(crate) async fn row_if_any(
    client: &ClientWrapper,
    sql: &'static str,
    parameters: Parameters<'_>,
) -> Result<Option<Row>, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_opt(&statement, parameters).await?)
}

/// The only row.
pub(crate) async fn row(
    client: &ClientWrapper,
    sql: &'static str,
    parameters: Parameters<'_>,
) -> Result<Row, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.query_one(&statement, parameters).await?)
}

/// How many rows were changed.
pub(crate) async fn execute(
    client: &ClientWrapper,
    sql: &'static str,
    parameters: Parameters<'_>,
) -> Result<u64, StoreError> {
    let statement = client.prepare_cached(sql).await?;
    Ok(client.execute(&statement, parameters).await?)
}
