//! Statements that must stay cheap however many rows there are.

use tokio_postgres::Client;

use crate::support::Database;

/// Two repositories of 5000 rows, in folders, each row served once.
async fn fill(client: &Client) {
    let fill = "
        INSERT INTO repository
            (name, kind, package_type, description, managed_by, revision, created_at, updated_at,
             definition)
        VALUES ('a', 'local', 'generic', '', '', 1, 0, 0, '{}'),
               ('b', 'local', 'generic', '', '', 1, 0, 0, '{}');
        INSERT INTO blob (sha256, size)
        SELECT sha256(n::text::bytea), 5 FROM generate_series(1, 5000) AS n;
        INSERT INTO artifact
        SELECT id, 'folder' || n % 50 || '/file' || n, '', sha256(n::text::bytea), 5, 'generic',
               NULL, NULL, NULL, NULL, '[]', n, n, NULL, 1
        FROM repository, generate_series(1, 5000) AS n;
        INSERT INTO access SELECT repository, path, variant, 1, 1 FROM artifact;
        ANALYZE";
    client.batch_execute(fill).await.unwrap();
}

async fn plan(client: &Client, mode: &str, sql: &str, types: &str, values: &str) -> String {
    let explain = format!(
        "DEALLOCATE ALL; SET plan_cache_mode = {mode}; PREPARE statement ({types}) AS {sql}"
    );
    client.batch_execute(&explain).await.unwrap();
    let messages = client.simple_query(&format!("EXPLAIN EXECUTE statement ({values})")).await;
    let lines = messages.unwrap().into_iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => Some(format!("{}\n", row.get(0).unwrap())),
        _ => None,
    });
    lines.collect()
}

/// Asserts that a statement is planned without reading whole tables, whether the planner looks
/// at the values or not.
async fn assert_seeks(client: &Client, sql: &str, types: &str, values: &str, index: &str) {
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let plan = plan(client, mode, sql, types, values).await;
        assert!(plan.contains(index), "{mode}: {sql}\n{plan}");
        assert!(!reads_a_whole_table(&plan), "{mode}: {sql}\n{plan}");
    }
}

/// Of the tables that were filled.
fn reads_a_whole_table(plan: &str) -> bool {
    let tables = ["artifact", "access", "blob", "gc_queue"];
    plan.lines()
        .any(|line| tables.iter().any(|table| line.contains(&format!("Seq Scan on {table} "))))
}

#[tokio::test]
async fn listings_sums_and_lookups_search_the_index() {
    let Some(database) = Database::migrated().await else { return };
    let client = database.client().await;
    fill(&client).await;
    let key = "artifact_pkey";
    let row = include_str!("../../src/postgres/queries/row.sql");
    assert_seeks(&client, row, "bigint, text, text", "1, 'folder1/file1', ''", key).await;
    let list = include_str!("../../src/postgres/queries/list_rows.sql");
    let types = "bigint, text, text, text, text, bigint, bigint";
    assert_seeks(&client, list, types, "1, '', '', 'g', NULL, 0, 100", key).await;
    assert_seeks(&client, list, types, "1, 'folder2', '', 'g', 'fresh', 5, 100", key).await;
    let folded = include_str!("../../src/postgres/queries/folded_entries.sql");
    let types = "bigint, text, text, integer, text, text, text, bigint, bigint";
    assert_seeks(&client, folded, types, "1, '', 'g', 0, '/', '0', NULL, 0, 100", key).await;
    let sums = include_str!("../../src/postgres/queries/sum_groups.sql");
    let types = "bigint, text[], text[], text, bigint, bigint";
    assert_seeks(&client, sums, types, "1, '{folder1/}', '{folder10}', NULL, 0, 10", key).await;
    let sum = include_str!("../../src/postgres/queries/sum_range.sql");
    assert_seeks(&client, sum, "bigint, text, text", "1, 'folder1/', 'folder10'", key).await;
    let paths = include_str!("../../src/postgres/queries/list_paths.sql");
    let types = "bigint, text[], text, bigint";
    assert_seeks(&client, paths, types, "1, '{folder1/file1}', NULL, 0", key).await;
}

#[tokio::test]
async fn a_page_is_read_in_the_order_of_the_index_and_never_sorted() {
    let Some(database) = Database::migrated().await else { return };
    let client = database.client().await;
    fill(&client).await;
    let list = include_str!("../../src/postgres/queries/list_rows.sql");
    let types = "bigint, text, text, text, text, bigint, bigint";
    for mode in ["force_custom_plan", "force_generic_plan"] {
        let plan = plan(&client, mode, list, types, "1, '', '', 'g', NULL, 0, 100").await;
        assert!(!plan.contains("Sort"), "{mode}\n{plan}");
    }
}

#[tokio::test]
async fn the_collector_searches_indexes() {
    let Some(database) = Database::migrated().await else { return };
    let client = database.client().await;
    fill(&client).await;
    let condemn = "UPDATE gc_queue SET changed_at = 1 WHERE sha256 = sha256('1'); ANALYZE";
    client.batch_execute(condemn).await.unwrap();
    let due = include_str!("../../src/postgres/queries/due_for_review.sql");
    let plan = plan(&client, "force_custom_plan", due, "bigint, bigint", "1, 10").await;
    assert!(plan.contains("gc_queue_changed_at") && !reads_a_whole_table(&plan), "{plan}");
    let survey = include_str!("../../src/postgres/queries/survey_garbage.sql");
    let types = "bigint, bigint, bigint, bigint";
    for index in ["gc_queue_changed_at", "blob_condemned_at"] {
        assert_seeks(&client, survey, types, "1, 1, 1, 10", index).await;
    }
    let needs = include_str!("../../src/postgres/queries/needs.sql");
    let values = "ARRAY[sha256('1'), sha256('2')], 0";
    assert_seeks(&client, needs, "bytea[], bigint", values, "artifact_sha256").await;
}

#[tokio::test]
async fn row_sets_search_indexes() {
    let Some(database) = Database::migrated().await else { return };
    let client = database.client().await;
    fill(&client).await;
    let more = "
        INSERT INTO promise SELECT repository, path, variant, 5 FROM artifact;
        INSERT INTO need SELECT repository, 'user', '', path, variant, TRUE FROM artifact;
        ANALYZE";
    client.batch_execute(more).await.unwrap();
    let key = "artifact_pkey";
    let lock = include_str!("../../src/postgres/queries/lock_rows.sql");
    let values = "1, '{folder1/file1,folder2/file2}', '{\"\",\"\"}'";
    assert_seeks(&client, lock, "bigint, text[], text[]", values, key).await;
    let delete = include_str!("../../src/postgres/queries/delete_unneeded.sql");
    let values = "'{1}', '{folder1/file1}', '{\"\"}'";
    for index in [key, "need_needed"] {
        assert_seeks(&client, delete, "bigint[], text[], text[]", values, index).await;
    }
    let named = include_str!("../../src/postgres/queries/row_named_by_sha512.sql");
    let index = "artifact_named_by_sha512";
    assert_seeks(&client, named, "text, bigint, text", "'/sha512:1', 1, 'x'", index).await;
    let due = include_str!("../../src/postgres/queries/due_promises.sql");
    let plan = plan(&client, "force_custom_plan", due, "bigint, bigint", "6, 10").await;
    assert!(plan.contains("promise_promised_at") && !reads_a_whole_table(&plan), "{plan}");
}
