WITH changed AS (
    INSERT INTO row_change (repository, path, changed_at)
    SELECT DISTINCT repository, path, present_millis()
    FROM unnest($1::bigint[], $2::text[]) AS described (repository, path)
)
SELECT pg_notify('artifactapi_changes', '')
