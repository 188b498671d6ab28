INSERT INTO gc_queue (sha256, changed_at)
SELECT sha256, ?2
FROM blob
WHERE sha256 = ?1 AND state = 'live'
ON CONFLICT (sha256) DO UPDATE SET changed_at = max(changed_at, excluded.changed_at)
