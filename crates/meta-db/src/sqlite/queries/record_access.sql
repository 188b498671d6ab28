INSERT INTO access (repository, path, variant, hits, accessed_at)
SELECT repository, path, variant, ?4, ?5
FROM artifact
WHERE repository = ?1 AND path = ?2 AND variant = ?3
ON CONFLICT (repository, path, variant) DO UPDATE SET
    hits = hits + excluded.hits,
    accessed_at = max(accessed_at, excluded.accessed_at)
