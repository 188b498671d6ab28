-- ?1: now, ?2: changed no later than this is due for review, ?3: condemned no later than this
-- is due for deletion, ?4: how many of each kind are counted at most.
WITH due AS (
    SELECT blob.size, NOT (
        EXISTS (SELECT 1 FROM artifact WHERE artifact.sha256 = blob.sha256)
        OR EXISTS (SELECT 1 FROM blob_reference WHERE child = blob.sha256)
        OR EXISTS (SELECT 1 FROM pin WHERE pin.sha256 = blob.sha256 AND until > ?1)
    ) AS unreferenced
    FROM gc_queue JOIN blob ON blob.sha256 = gc_queue.sha256
    WHERE changed_at <= ?2 AND state = 'live'
    ORDER BY changed_at
    LIMIT ?4
),
reviews AS (
    SELECT count(*) AS due_for_review,
           coalesce(sum(unreferenced), 0) AS unreferenced,
           coalesce(sum(size) FILTER (WHERE unreferenced), 0) AS unreferenced_bytes
    FROM due
),
condemnations AS (
    SELECT count(*) AS condemned, coalesce(sum(size), 0) AS condemned_bytes
    FROM (SELECT size FROM blob WHERE condemned_at IS NOT NULL ORDER BY condemned_at LIMIT ?4)
),
deletions AS (
    SELECT count(*) AS due_for_deletion, coalesce(sum(size), 0) AS due_for_deletion_bytes
    FROM (
        SELECT size
        FROM blob
        WHERE condemned_at <= ?3 AND (
            delete_failed_at IS NULL
            OR delete_failed_at + min(60000 << min(max(delete_failures - 1, 0), 20), 86400000) <= ?1
        )
        ORDER BY condemned_at
        LIMIT ?4
    )
)
SELECT storage_usage.blobs, storage_usage.bytes, reviews.*, condemnations.*, deletions.*
FROM storage_usage, reviews, condemnations, deletions
WHERE storage_usage.id = 1
