SELECT count(*), coalesce(sum(size), 0)::bigint
FROM artifact
WHERE repository = $1 AND path >= $2 AND path < $3
