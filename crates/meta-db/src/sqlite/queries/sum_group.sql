-- ?6: how many rows are added up at most.
SELECT count(*), coalesce(sum(size), 0)
FROM (
    SELECT size
    FROM artifact
    WHERE repository = ?1 AND path >= ?2 AND path < ?3
        AND CASE ?4
            WHEN 'fresh' THEN expires_at IS NULL OR expires_at > ?5
            WHEN 'stale' THEN expires_at <= ?5
            ELSE TRUE
        END
    LIMIT ?6
)
