-- ?1: now, ?2: condemned no later than this is due, unless a deletion failed a moment ago.
SELECT sha256, size,
       EXISTS (SELECT 1 FROM artifact WHERE artifact.sha256 = blob.sha256)
       OR EXISTS (SELECT 1 FROM blob_reference WHERE child = blob.sha256)
       OR EXISTS (SELECT 1 FROM pin WHERE pin.sha256 = blob.sha256 AND until > ?1) AS needed
FROM blob
WHERE condemned_at <= ?2 AND (
    delete_failed_at IS NULL
    OR delete_failed_at + min(60000 << min(max(delete_failures - 1, 0), 20), 86400000) <= ?1
)
ORDER BY condemned_at
LIMIT ?3
