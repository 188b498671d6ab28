-- $2 to $3: the range of paths, $4: the length of the prefix, $5: the delimiter, $6: what a group
-- ends with instead of it to be behind all of its paths, $9: how many entries.
-- Every entry is one seek: to the first path behind the previous entry.
WITH RECURSIVE entry (number, name, is_group, next) AS (
    SELECT 0::bigint, ''::text COLLATE "C", FALSE, $2::text COLLATE "C"
    UNION ALL
    SELECT entry.number + 1,
           CASE WHEN position > 0 THEN left(path, $4 + position) ELSE path END,
           position > 0,
           CASE WHEN position > 0 THEN left(path, $4 + position - 1) || $6::text
                ELSE path || chr(1) END
    FROM entry
    CROSS JOIN LATERAL (
        SELECT path
        FROM artifact
        WHERE repository = $1 AND path >= entry.next AND path < $3
            AND CASE $7::text
                WHEN 'fresh' THEN expires_at IS NULL OR expires_at > $8
                WHEN 'stale' THEN expires_at <= $8
                ELSE TRUE
            END
        ORDER BY path
        LIMIT 1
    ) AS found
    CROSS JOIN LATERAL (SELECT strpos(substr(path, $4::integer + 1), $5::text)) AS d (position)
    WHERE entry.number < $9::bigint
)
SELECT name, is_group FROM entry WHERE number > 0 ORDER BY number
