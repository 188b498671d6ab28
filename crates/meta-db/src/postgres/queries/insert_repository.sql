INSERT INTO repository (
    name, kind, package_type, description, managed_by, revision, created_at, updated_at,
    definition, secret)
VALUES ($1, $2, $3, $4, $5, 1, $6, $6, $7, $8)
