-- $1: promised before this is due. What is busy is left for later; that of a repository about to be
-- deleted, too.
SELECT promise.repository, promise.path, promise.variant
FROM promise
JOIN artifact
    ON artifact.repository = promise.repository
    AND artifact.path = promise.path
    AND artifact.variant = promise.variant
JOIN repository ON repository.id = promise.repository
WHERE promised_at < $1
ORDER BY promised_at
LIMIT $2
FOR UPDATE OF promise, artifact SKIP LOCKED
FOR KEY SHARE OF repository SKIP LOCKED
