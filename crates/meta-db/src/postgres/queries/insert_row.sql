INSERT INTO artifact (
    repository, path, variant, sha256, size, class, content_type, upstream_etag,
    upstream_last_modified, upstream_url, checksums, fetched_at, validated_at, expires_at,
    generation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT (repository, path, variant) DO NOTHING
