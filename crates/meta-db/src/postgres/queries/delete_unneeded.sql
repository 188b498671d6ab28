-- Run after the rows are locked, so that it sees every need that was committed before.
WITH removed AS (
    DELETE FROM artifact
    USING unnest($1::bigint[], $2::text[], $3::text[]) AS chosen (repository, path, variant)
    WHERE artifact.repository = chosen.repository
        AND artifact.path = chosen.path
        AND artifact.variant = chosen.variant
        AND (
            SELECT 1 FROM need
            WHERE need.repository = chosen.repository
                AND needed_path = chosen.path
                AND needed_variant = chosen.variant
            LIMIT 1
        ) IS NULL
    RETURNING artifact.size
)
SELECT count(*), coalesce(sum(size), 0)::bigint FROM removed
