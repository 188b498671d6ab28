INSERT INTO need (repository, path, variant, needed_path, needed_variant, given_up)
SELECT $1, $2, $3, path, variant, given_up
FROM unnest($4::text[], $5::text[], $6::boolean[]) AS needed (path, variant, given_up)
ON CONFLICT (repository, path, variant, needed_path, needed_variant) DO UPDATE
    SET given_up = excluded.given_up
