-- Run after the rows are locked. Before any of them is deleted: that may end needs, and what was
-- needed is promised again then.
DELETE FROM promise
USING unnest($1::bigint[], $2::text[], $3::text[]) AS due (repository, path, variant)
WHERE promise.repository = due.repository
    AND promise.path = due.path
    AND promise.variant = due.variant
    AND EXISTS (
        SELECT 1 FROM need
        WHERE need.repository = due.repository
            AND needed_path = due.path
            AND needed_variant = due.variant
    )
