-- ?1: now, ?2: changed no later than this is due for review, ?3: condemned no later than this
-- is due for deletion.
WITH due AS (
    SELECT blob.size, NOT (
        EXISTS (SELECT 1 FROM artifact WHERE artifact.sha256 = blob.sha256)
        OR EXISTS (SELECT 1 FROM blob_reference WHERE child = blob.sha256)
        OR EXISTS (SELECT 1 FROM pin WHERE pin.sha256 = blob.sha256 AND until > ?1)
    ) AS unreferenced
    FROM gc_queue JOIN blob ON blob.sha256 = gc_queue.sha256
    WHERE changed_at <= ?2 AND state = 'live'
),
reviews AS (
    SELECT count(*) AS due_for_review,
           coalesce(sum(unreferenced), 0) AS unreferenced,
           coalesce(sum(size) FILTER (WHERE unreferenced), 0) AS unreferenced_bytes
    FROM due
),
doomed AS (
    SELECT size, condemned_at <= ?3 AND (
        delete_failed_at IS NULL
        OR delete_failed_at + min(60000 << min(max(delete_failures - 1, 0), 20), 86400000) <= ?1
    ) AS is_due
    FROM blob
    WHERE condemned_at IS NOT NULL
),
deletions AS (
    SELECT count(*) AS condemned,
           coalesce(sum(size), 0) AS condemned_bytes,
           coalesce(sum(is_due), 0) AS due_for_deletion,
           coalesce(sum(size) FILTER (WHERE is_due), 0) AS due_for_deletion_bytes
    FROM doomed
)
SELECT storage_usage.blobs, storage_usage.bytes, reviews.*, deletions.*
FROM storage_usage, reviews, deletions
WHERE storage_usage.id = 1
