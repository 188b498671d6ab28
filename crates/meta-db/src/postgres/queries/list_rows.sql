SELECT artifact.repository, artifact.path, artifact.variant, sha256, size, class, content_type,
       upstream_etag, upstream_last_modified, upstream_url, checksums, fetched_at, validated_at,
       expires_at, generation, coalesce(access.hits, 0) AS hits, access.accessed_at
FROM artifact
LEFT JOIN access
    ON access.repository = artifact.repository
    AND access.path = artifact.path
    AND access.variant = artifact.variant
WHERE artifact.repository = $1
    AND (artifact.path, artifact.variant) >= ($2, $3) AND artifact.path < $4
    AND CASE $5::text
        WHEN 'fresh' THEN expires_at IS NULL OR expires_at > $6
        WHEN 'stale' THEN expires_at <= $6
        ELSE TRUE
    END
ORDER BY artifact.path, artifact.variant
LIMIT $7
