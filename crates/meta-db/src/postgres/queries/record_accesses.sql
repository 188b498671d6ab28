-- Rows that are being removed are left out and not waited for. The rest is locked in order of
-- the key, like everywhere.
WITH served AS (
    SELECT repository, path COLLATE "C" AS path, variant COLLATE "C" AS variant,
           sum(hits)::bigint AS hits, max(accessed_at) AS accessed_at
    FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
        AS flushed (repository, path, variant, hits, accessed_at)
    GROUP BY 1, 2, 3
),
present AS (
    SELECT artifact.repository, artifact.path, artifact.variant, served.hits, served.accessed_at
    FROM served
    JOIN artifact
        ON artifact.repository = served.repository
        AND artifact.path = served.path
        AND artifact.variant = served.variant
    ORDER BY artifact.repository, artifact.path, artifact.variant
    FOR KEY SHARE OF artifact SKIP LOCKED
)
INSERT INTO access (repository, path, variant, hits, accessed_at)
SELECT repository, path, variant, hits, accessed_at
FROM present
ORDER BY repository, path, variant
ON CONFLICT (repository, path, variant) DO UPDATE SET
    hits = access.hits + excluded.hits,
    accessed_at = greatest(access.accessed_at, excluded.accessed_at)
