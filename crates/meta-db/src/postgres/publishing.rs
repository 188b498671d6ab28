//! Publishing rows together: locks first, then a decision, then whatever follows from it, in the order
//! of locks that everybody keeps.

use std::collections::BTreeMap;

use artifact_core::ports::{PublishedSet, Relation, RowSet};
use artifact_core::{BlobId, RowKey, Timestamp};
use deadpool_postgres::ClientWrapper;

use super::locks::{self, KeyColumns, Purpose, Wanted};
use super::{needs, row_columns, rows, statement};
use crate::crash_point::crash_point;
use crate::error::StoreError;
use crate::integer;
use crate::row_set::{Change, Decision, Found, Needed, Written, decide};

const NEEDS: &str = "SELECT repository, needed_path AS path, needed_variant AS variant, given_up
    FROM need WHERE repository = $1 AND path = $2 AND variant = $3";
const BEGIN_NEEDS: &str = include_str!("queries/begin_needs.sql");
const END_NEEDS: &str = "DELETE FROM need
    USING unnest($4::text[], $5::text[]) AS former (path, variant)
    WHERE need.repository = $1 AND need.path = $2 AND need.variant = $3
        AND needed_path = former.path AND needed_variant = former.variant";
const RELATE: &str = "INSERT INTO relation (repository, path, variant, subject, descriptor)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (repository, path, variant) DO UPDATE
        SET subject = excluded.subject, descriptor = excluded.descriptor";
const END_RELATION: &str =
    "DELETE FROM relation WHERE repository = $1 AND path = $2 AND variant = $3";
const BEGIN_PROMISES: &str = include_str!("queries/begin_promises.sql");
const RENEW_PROMISES: &str = include_str!("queries/renew_promises.sql");
const END_PROMISES: &str = include_str!("queries/end_promises.sql");
const INSERT_BLOBS: &str = "INSERT INTO blob (sha256, size)
    SELECT sha256, size FROM unnest($1::bytea[], $2::bigint[]) AS stored (sha256, size)
    ORDER BY sha256 ON CONFLICT DO NOTHING";
const BLOB_SIZES: &str =
    "SELECT sha256, size FROM blob WHERE sha256 = ANY ($1) ORDER BY sha256 FOR KEY SHARE";
const EXCHANGE_BLOBS: &str = "SELECT exchange_blobs($1, $2)";
/// A row that is published again has its bytes.
const FOUND_BLOBS: &str = "DELETE FROM lost_blob WHERE sha256 = ANY ($1)";
const ANNOUNCE: &str = include_str!("queries/announce_rows.sql");

/// Publishes `set`, which is as it should be, in a transaction.
pub(crate) async fn publish(
    client: &ClientWrapper,
    set: &RowSet,
) -> Result<PublishedSet, StoreError> {
    let keys: Vec<_> = set.rows.iter().map(|(row, _)| &row.key).collect();
    let Some(first) = keys.first() else { return Ok(PublishedSet::Stored(Vec::new())) };
    if !locks::repository(client, first.repository).await? {
        return Err(StoreError::NoSuchRepository);
    }
    locks::names(client, first.repository, &keys).await?;
    let former = needs_of(client, first).await?;
    let found = lock(client, set, &former).await?;
    let (written, needed) = match decide(set, &found) {
        Decision::Refused(refused) => return Ok(refused),
        Decision::Write(written, needed) => (written, needed),
    };
    // A row that is gone has left no needs behind.
    let former = if found.contains_key(*first) { former } else { Needed::new() };
    end_needs(client, first, &former, &needed).await?;
    change_promises(client, set.promised_at, &written).await?;
    enter_blobs(client, set).await?;
    exchange_blobs(client, &written).await?;
    crash_point!("inside-publish-set-tx");
    write(client, &written).await?;
    begin_needs(client, first, &former, needed).await?;
    relate(client, first, set.relation.as_ref(), &found).await?;
    begin_promises(client, set.promised_at, &written, |change| change == Change::New).await?;
    announce(client, &written).await?;
    Ok(PublishedSet::Stored(written.into_iter().map(|written| written.row).collect()))
}

/// What a row needs.
pub(crate) async fn needs_of(client: &ClientWrapper, key: &RowKey) -> Result<Needed, StoreError> {
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    let rows = statement::rows(client, NEEDS, &[&key.repository.0, &path, &variant]).await?;
    let need = |row: &tokio_postgres::Row| -> Result<(RowKey, bool), StoreError> {
        Ok((row_columns::key_from_columns(row)?, row.try_get("given_up")?))
    };
    rows.iter().map(need).collect()
}

async fn lock(client: &ClientWrapper, set: &RowSet, former: &Needed) -> Result<Found, StoreError> {
    let mut wanted = Wanted::default();
    // What was needed may be promised by a trigger, which locks it.
    let former = former.iter().filter(|(_, given_up)| **given_up).map(|(key, _)| key);
    for key in set.needs.iter().flat_map(|need| &need.any_of).chain(former) {
        wanted.add(key, Purpose::Needed);
    }
    for (row, _) in &set.rows {
        wanted.add(&row.key, Purpose::Written);
    }
    let Some((row, _)) = set.rows.first() else { return Ok(Found::new()) };
    locks::rows(client, row.key.repository, &wanted).await
}

async fn end_needs(
    client: &ClientWrapper,
    key: &RowKey,
    former: &Needed,
    needed: &Needed,
) -> Result<(), StoreError> {
    let ended: Vec<_> = former.keys().filter(|key| !needed.contains_key(*key)).collect();
    if ended.is_empty() {
        return Ok(());
    }
    let KeyColumns { paths, variants, .. } = KeyColumns::of(&ended);
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    let parameters: statement::Parameters<'_> =
        &[&key.repository.0, &path, &variant, &paths, &variants];
    statement::execute(client, END_NEEDS, parameters).await.map(|_| ())
}

async fn begin_needs(
    client: &ClientWrapper,
    key: &RowKey,
    former: &Needed,
    needed: Needed,
) -> Result<(), StoreError> {
    let begun: BTreeMap<_, _> =
        needed.into_iter().filter(|(key, given_up)| former.get(key) != Some(given_up)).collect();
    if begun.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = begun.keys().collect();
    let given_up: Vec<_> = begun.values().copied().collect();
    let KeyColumns { paths, variants, .. } = KeyColumns::of(&keys);
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    let parameters: statement::Parameters<'_> =
        &[&key.repository.0, &path, &variant, &paths, &variants, &given_up];
    statement::execute(client, BEGIN_NEEDS, parameters).await.map(|_| ())
}

async fn relate(
    client: &ClientWrapper,
    key: &RowKey,
    relation: Option<&Relation>,
    found: &Found,
) -> Result<(), StoreError> {
    let (path, variant) = (key.path.as_str(), key.variant.as_str());
    if let Some(Relation { subject, descriptor }) = relation {
        let parameters: statement::Parameters<'_> =
            &[&key.repository.0, &path, &variant, subject, descriptor];
        statement::execute(client, RELATE, parameters).await?;
    } else if found.contains_key(key) {
        let parameters: statement::Parameters<'_> = &[&key.repository.0, &path, &variant];
        statement::execute(client, END_RELATION, parameters).await?;
    }
    Ok(())
}

/// What becomes of the promises of rows that are stored already.
async fn change_promises(
    client: &ClientWrapper,
    promised_at: Option<Timestamp>,
    written: &[Written],
) -> Result<(), StoreError> {
    let Some(moment) = promised_at else {
        return with_rows(client, END_PROMISES, written, |change| change != Change::New, None)
            .await;
    };
    let is_the_same = |change| matches!(change, Change::Nothing | Change::Description);
    with_rows(client, RENEW_PROMISES, written, is_the_same, Some(moment)).await?;
    let is_replaced = |change| matches!(change, Change::Bytes(_));
    begin_promises(client, promised_at, written, is_replaced).await
}

async fn begin_promises(
    client: &ClientWrapper,
    promised_at: Option<Timestamp>,
    written: &[Written],
    is_meant: impl Fn(Change) -> bool,
) -> Result<(), StoreError> {
    if promised_at.is_none() {
        return Ok(());
    }
    with_rows(client, BEGIN_PROMISES, written, is_meant, promised_at).await
}

/// Runs a statement about those rows whose change is meant, if there are any.
async fn with_rows(
    client: &ClientWrapper,
    sql: &'static str,
    written: &[Written],
    is_meant: impl Fn(Change) -> bool,
    moment: Option<Timestamp>,
) -> Result<(), StoreError> {
    let meant = written.iter().filter(|written| is_meant(written.change));
    let keys: Vec<_> = meant.map(|written| &written.row.key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let KeyColumns { repositories, paths, variants } = KeyColumns::of(&keys);
    let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> =
        vec![&repositories, &paths, &variants];
    let moment = moment.map(Timestamp::as_millis);
    if let Some(moment) = &moment {
        parameters.push(moment);
    }
    statement::execute(client, sql, &parameters).await.map(|_| ())
}

/// The blobs' entries, which nobody condemns or deletes until the transaction ends.
async fn enter_blobs(client: &ClientWrapper, set: &RowSet) -> Result<(), StoreError> {
    let mut entries: BTreeMap<BlobId, i64> = BTreeMap::new();
    for (row, _) in &set.rows {
        let size = integer::to_sql(row.size);
        if *entries.entry(row.blob).or_insert(size) != size {
            return Err(StoreError::OtherSize);
        }
    }
    let ids: Vec<_> = entries.keys().copied().collect();
    let (ids, sizes) = (needs::bytes_of(&ids), entries.values().copied().collect::<Vec<_>>());
    for _ in 0..rows::ATTEMPTS {
        statement::execute(client, INSERT_BLOBS, &[&ids, &sizes]).await?;
        // Waits for the collector, which may have deleted an entry afterwards.
        let stored = statement::rows(client, BLOB_SIZES, &[&ids]).await?;
        let stored: Vec<i64> =
            stored.iter().map(|row| row.try_get("size")).collect::<Result<_, _>>()?;
        if stored.len() == sizes.len() {
            return if stored == sizes { Ok(()) } else { Err(StoreError::OtherSize) };
        }
    }
    Err(StoreError::Unsettled)
}

/// Locks the blobs in order that the triggers of the rows would come to one by one.
async fn exchange_blobs(client: &ClientWrapper, written: &[Written]) -> Result<(), StoreError> {
    let wanted: Vec<_> = written.iter().map(|written| written.row.blob).collect();
    let former = written.iter().filter_map(|written| match written.change {
        Change::Bytes(former) => Some(former),
        Change::Nothing | Change::Description | Change::New => None,
    });
    let former: Vec<_> = former.collect();
    if written.len() > 1 {
        let parameters: statement::Parameters<'_> =
            &[&needs::bytes_of(&wanted), &needs::bytes_of(&former)];
        statement::rows(client, EXCHANGE_BLOBS, parameters).await?;
    }
    statement::execute(client, FOUND_BLOBS, &[&needs::bytes_of(&wanted)]).await.map(|_| ())
}

async fn write(client: &ClientWrapper, written: &[Written]) -> Result<(), StoreError> {
    let mut in_order: Vec<_> = written.iter().collect();
    in_order.sort_by(|left, right| left.row.key.cmp(&right.row.key));
    for Written { row, change } in in_order {
        match change {
            Change::Nothing => {}
            Change::Description | Change::Bytes(_) => row_columns::update(client, row).await?,
            Change::New => {
                // Somebody who locks no names was faster: the next attempt finds their row.
                if !row_columns::insert(client, row).await? {
                    return Err(StoreError::Overtaken);
                }
            }
        }
    }
    Ok(())
}

/// Tells of rows that a trigger does not tell of, because their bytes are the same.
async fn announce(client: &ClientWrapper, written: &[Written]) -> Result<(), StoreError> {
    let changed = written.iter().filter(|written| written.change == Change::Description);
    let keys: Vec<_> = changed.map(|written| &written.row.key).collect();
    if keys.is_empty() {
        return Ok(());
    }
    let KeyColumns { repositories, paths, .. } = KeyColumns::of(&keys);
    statement::rows(client, ANNOUNCE, &[&repositories, &paths]).await.map(|_| ())
}
