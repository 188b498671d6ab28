-- Followed by what for.
SELECT artifact.repository, artifact.path, artifact.variant, sha256, size, class, content_type,
       upstream_etag, upstream_last_modified, upstream_url, checksums, fetched_at, validated_at,
       expires_at, generation
FROM unnest($2::text[], $3::text[]) AS wanted (path, variant)
JOIN artifact
    ON artifact.repository = $1
    AND artifact.path = wanted.path
    AND artifact.variant = wanted.variant
ORDER BY artifact.path, artifact.variant
