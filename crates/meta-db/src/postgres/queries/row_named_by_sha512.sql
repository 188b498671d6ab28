SELECT repository, path, variant, sha256, size, class, content_type, upstream_etag,
       upstream_last_modified, upstream_url, checksums, fetched_at, validated_at, expires_at,
       generation
FROM artifact
WHERE path LIKE '%/sha512:%' AND right(path, 136) = $1 AND repository = $2
    AND right(path, length($3)) = $3
LIMIT 1
