SELECT repository.id,
       coalesce(sum(objects), 0)::bigint AS objects,
       coalesce(sum(logical_bytes), 0)::bigint AS logical_bytes
FROM repository
LEFT JOIN repository_usage ON repository_usage.repository = repository.id
GROUP BY repository.id
ORDER BY repository.id
