-- The lock keeps the row from being given up until the promise is committed.
WITH held AS (
    SELECT repository, path, variant
    FROM artifact
    WHERE repository = $1 AND path = $2 AND variant = $3
    FOR KEY SHARE
),
renewed AS (
    UPDATE promise SET promised_at = $4
    FROM held
    WHERE promise.repository = held.repository
        AND promise.path = held.path
        AND promise.variant = held.variant
        AND promised_at < $4
)
SELECT EXISTS (SELECT 1 FROM held)
