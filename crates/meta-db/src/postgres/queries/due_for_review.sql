-- $1: changed no later than this is due. What is busy is left for later.
SELECT gc_queue.sha256
FROM gc_queue JOIN blob ON blob.sha256 = gc_queue.sha256
WHERE changed_at <= $1 AND state = 'live'
ORDER BY changed_at
LIMIT $2
FOR UPDATE OF gc_queue, blob SKIP LOCKED
