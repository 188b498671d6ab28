-- $6: how many rows of each group are added up at most. In the order of the index, which the
-- planner would otherwise leave for a scan of the table that it hopes to end early.
SELECT objects, bytes
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS bounds (start, behind, number)
CROSS JOIN LATERAL (
    SELECT count(*) AS objects, coalesce(sum(size), 0)::bigint AS bytes
    FROM (
        SELECT size
        FROM artifact
        WHERE repository = $1 AND path >= bounds.start AND path < bounds.behind
            AND CASE $4::text
                WHEN 'fresh' THEN expires_at IS NULL OR expires_at > $5
                WHEN 'stale' THEN expires_at <= $5
                ELSE TRUE
            END
        ORDER BY path
        LIMIT $6
    ) AS counted
) AS sums
ORDER BY number
