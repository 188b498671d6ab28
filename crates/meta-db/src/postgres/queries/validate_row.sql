UPDATE artifact SET
    validated_at = $5,
    expires_at = $6,
    upstream_etag = coalesce($7, upstream_etag),
    upstream_last_modified = coalesce($8, upstream_last_modified),
    generation = generation + 1
WHERE repository = $1 AND path = $2 AND variant = $3 AND generation = $4
RETURNING repository, path, variant, sha256, size, class, content_type, upstream_etag,
          upstream_last_modified, upstream_url, checksums, fetched_at, validated_at, expires_at,
          generation
