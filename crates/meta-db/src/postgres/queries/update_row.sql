UPDATE artifact SET
    sha256 = $4,
    size = $5,
    class = $6,
    content_type = $7,
    upstream_etag = $8,
    upstream_last_modified = $9,
    upstream_url = $10,
    checksums = $11,
    fetched_at = $12,
    validated_at = $13,
    expires_at = $14,
    generation = $15
WHERE repository = $1 AND path = $2 AND variant = $3
