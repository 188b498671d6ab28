-- ?1: a JSON list of repositories, ?2: rows stored or served at or after this moment stay.
SELECT artifact.repository, artifact.path, artifact.variant, size
FROM artifact
LEFT JOIN access
    ON access.repository = artifact.repository
    AND access.path = artifact.path
    AND access.variant = artifact.variant
WHERE artifact.repository IN (SELECT value FROM json_each(?1))
    AND fetched_at < ?2
    AND (accessed_at IS NULL OR accessed_at < ?2)
    AND NOT EXISTS (
        SELECT 1 FROM need
        WHERE need.repository = artifact.repository
            AND needed_path = artifact.path
            AND needed_variant = artifact.variant
    )
ORDER BY coalesce(accessed_at, fetched_at), artifact.repository, artifact.path, artifact.variant
LIMIT ?3
