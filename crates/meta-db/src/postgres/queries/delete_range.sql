-- Locked in order of the key, so that two evictions never wait for each other in a circle.
WITH chosen AS (
    SELECT repository, path, variant
    FROM artifact
    WHERE repository = $1 AND path >= $2 AND path < $3
    ORDER BY repository, path, variant
    FOR UPDATE
),
removed AS (
    DELETE FROM artifact
    USING chosen
    WHERE artifact.repository = chosen.repository
        AND artifact.path = chosen.path
        AND artifact.variant = chosen.variant
    RETURNING artifact.size
)
SELECT count(*), coalesce(sum(size), 0)::bigint FROM removed
