INSERT INTO promise (repository, path, variant, promised_at)
SELECT repository, path COLLATE "C", variant COLLATE "C", $4
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS published (repository, path, variant)
ORDER BY 1, 2, 3
ON CONFLICT (repository, path, variant) DO UPDATE
    SET promised_at = greatest(promise.promised_at, excluded.promised_at)
