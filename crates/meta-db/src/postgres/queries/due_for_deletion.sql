-- $1: now, $2: condemned no later than this is due, unless a deletion failed a moment ago. What
-- is busy is left for later.
SELECT sha256
FROM blob
WHERE condemned_at <= $2 AND (
    delete_failed_at IS NULL
    OR delete_failed_at + least(60000 << least(greatest(delete_failures - 1, 0), 12), 86400000)
        <= $1
)
ORDER BY condemned_at
LIMIT $3
FOR UPDATE SKIP LOCKED
