DELETE FROM artifact
WHERE repository = ?1 AND path = ?2 AND variant = ?3 AND fetched_at < ?4
    AND NOT EXISTS (
        SELECT 1 FROM access
        WHERE repository = ?1 AND path = ?2 AND variant = ?3 AND accessed_at >= ?4
    )
    AND NOT EXISTS (
        SELECT 1 FROM need WHERE repository = ?1 AND needed_path = ?2 AND needed_variant = ?3
    )
RETURNING size
