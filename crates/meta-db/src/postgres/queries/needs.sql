-- $1: blobs, $2: now. Run after the blobs are locked, so that it sees everything that was
-- committed before.
SELECT blob.sha256, size,
       EXISTS (SELECT 1 FROM artifact WHERE artifact.sha256 = blob.sha256)
       OR EXISTS (SELECT 1 FROM blob_reference WHERE child = blob.sha256) AS is_referenced,
       (SELECT max(until) FROM pin WHERE pin.sha256 = blob.sha256 AND until > $2) AS pinned_until
FROM blob
WHERE blob.sha256 = ANY ($1)
ORDER BY blob.sha256
