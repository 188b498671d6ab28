-- $2: rows stored or served at or after this moment stay, $3: at most so many rows, $4: until
-- their sizes add up to so much. Rows that somebody is writing are left alone. Whether somebody
-- needs one of them is asked again when they are locked.
WITH oldest AS (
    SELECT artifact.repository, artifact.path, artifact.variant, size,
           coalesce(accessed_at, fetched_at) AS used_at
    FROM artifact
    LEFT JOIN access
        ON access.repository = artifact.repository
        AND access.path = artifact.path
        AND access.variant = artifact.variant
    WHERE artifact.repository = ANY ($1)
        AND fetched_at < $2
        AND (accessed_at IS NULL OR accessed_at < $2)
        AND (
            SELECT 1 FROM need
            WHERE need.repository = artifact.repository
                AND needed_path = artifact.path
                AND needed_variant = artifact.variant
            LIMIT 1
        ) IS NULL
    ORDER BY used_at, artifact.repository, artifact.path, artifact.variant
    LIMIT $3
),
ranked AS (
    SELECT repository, path, variant,
           sum(size) OVER (ORDER BY used_at, repository, path, variant) - size AS room_made
    FROM oldest
)
SELECT artifact.repository, artifact.path, artifact.variant
FROM artifact
JOIN ranked
    ON ranked.repository = artifact.repository
    AND ranked.path = artifact.path
    AND ranked.variant = artifact.variant
WHERE room_made < $4::bigint AND fetched_at < $2
ORDER BY artifact.repository, artifact.path, artifact.variant
FOR UPDATE OF artifact SKIP LOCKED
