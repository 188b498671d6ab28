-- ?1: now, ?2: changed no later than this is due.
SELECT gc_queue.sha256,
       EXISTS (SELECT 1 FROM artifact WHERE artifact.sha256 = gc_queue.sha256)
       OR EXISTS (SELECT 1 FROM blob_reference WHERE child = gc_queue.sha256) AS referenced,
       (SELECT max(until) FROM pin WHERE pin.sha256 = gc_queue.sha256 AND until > ?1)
           AS pinned_until
FROM gc_queue JOIN blob ON blob.sha256 = gc_queue.sha256
WHERE changed_at <= ?2 AND state = 'live'
ORDER BY changed_at
LIMIT ?3
