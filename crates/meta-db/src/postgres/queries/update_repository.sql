UPDATE repository SET
    description = $2,
    managed_by = $3,
    revision = revision + 1,
    updated_at = $4,
    definition = $5,
    secret = $6
WHERE id = $1
