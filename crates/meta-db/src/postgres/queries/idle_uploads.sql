-- $1: no progress since, $2: now.
SELECT id, repository, name, size, state, finished_as, created_at, updated_at
FROM upload
WHERE (
        updated_at < $1
        OR NOT EXISTS (SELECT 1 FROM repository WHERE repository.id = upload.repository)
    )
    AND (claimed_until IS NULL OR claimed_until <= $2)
ORDER BY updated_at, id
LIMIT $3
