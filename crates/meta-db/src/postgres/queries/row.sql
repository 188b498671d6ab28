SELECT repository, path, variant, sha256, size, class, content_type, upstream_etag,
       upstream_last_modified, upstream_url, checksums, fetched_at, validated_at, expires_at,
       generation
FROM artifact
WHERE repository = $1 AND path = $2 AND variant = $3
