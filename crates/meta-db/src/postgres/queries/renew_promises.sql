-- Locked in order of the key, like everywhere.
WITH chosen AS (
    SELECT promise.repository, promise.path, promise.variant
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS published (repository, path, variant)
    JOIN promise
        ON promise.repository = published.repository
        AND promise.path = published.path
        AND promise.variant = published.variant
    ORDER BY promise.repository, promise.path, promise.variant
    FOR UPDATE OF promise
)
UPDATE promise SET promised_at = greatest(promised_at, $4)
FROM chosen
WHERE promise.repository = chosen.repository
    AND promise.path = chosen.path
    AND promise.variant = chosen.variant
