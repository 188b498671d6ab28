-- A row that needs one of these and is none of them, and which one. Run after they are locked.
SELECT need.repository, need.path, need.variant, needed_path, needed_variant
FROM unnest($2::text[], $3::text[]) AS chosen (path, variant)
JOIN need
    ON need.repository = $1
    AND needed_path = chosen.path
    AND needed_variant = chosen.variant
WHERE NOT EXISTS (
    SELECT 1
    FROM unnest($2::text[], $3::text[]) AS other (path, variant)
    WHERE other.path = need.path AND other.variant = need.variant
)
ORDER BY need.path, need.variant
LIMIT 1
