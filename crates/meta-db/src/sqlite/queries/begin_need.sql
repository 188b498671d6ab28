INSERT INTO need (repository, path, variant, needed_path, needed_variant, given_up)
VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (repository, path, variant, needed_path, needed_variant) DO UPDATE
    SET given_up = excluded.given_up
