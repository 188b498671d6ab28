SELECT id, repository, name, size, state, finished_as, created_at, updated_at, claimed_by,
       claimed_until
FROM upload
WHERE id = ?1
