-- $1: now, $2: changed no later than this is due for review, $3: condemned no later than this
-- is due for deletion, $4: how many of each kind are counted at most. Not with EXISTS, for which
-- the planner would read whole tables into memory once it no longer looks at the values.
WITH due AS (
    SELECT blob.size,
           (SELECT 1 FROM artifact WHERE artifact.sha256 = blob.sha256 LIMIT 1) IS NULL
           AND (SELECT 1 FROM blob_reference WHERE child = blob.sha256 LIMIT 1) IS NULL
           AND (SELECT 1 FROM pin WHERE pin.sha256 = blob.sha256 AND until > $1 LIMIT 1) IS NULL
               AS unreferenced
    FROM gc_queue JOIN blob ON blob.sha256 = gc_queue.sha256
    WHERE changed_at <= $2 AND state = 'live'
    ORDER BY changed_at
    LIMIT $4
),
reviews AS (
    SELECT count(*) AS due_for_review,
           count(*) FILTER (WHERE unreferenced) AS unreferenced,
           coalesce(sum(size) FILTER (WHERE unreferenced), 0)::bigint AS unreferenced_bytes
    FROM due
),
condemnations AS (
    SELECT count(*) AS condemned, coalesce(sum(size), 0)::bigint AS condemned_bytes
    FROM (
        SELECT size FROM blob WHERE condemned_at IS NOT NULL ORDER BY condemned_at LIMIT $4
    ) AS condemned
),
deletions AS (
    SELECT count(*) AS due_for_deletion,
           coalesce(sum(size), 0)::bigint AS due_for_deletion_bytes
    FROM (
        SELECT size
        FROM blob
        WHERE condemned_at <= $3 AND (
            delete_failed_at IS NULL
            OR delete_failed_at
                + least(60000 << least(greatest(delete_failures - 1, 0), 12), 86400000) <= $1
        )
        ORDER BY condemned_at
        LIMIT $4
    ) AS due
),
stored AS (
    SELECT coalesce(sum(blobs), 0)::bigint AS blobs, coalesce(sum(bytes), 0)::bigint AS bytes
    FROM storage_usage
)
SELECT stored.*, reviews.*, condemnations.*, deletions.*
FROM stored, reviews, condemnations, deletions
