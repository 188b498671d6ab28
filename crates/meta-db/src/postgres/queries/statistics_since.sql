SELECT repository,
       sum(hits)::bigint,
       sum(misses)::bigint,
       sum(stale)::bigint,
       sum(revalidated)::bigint,
       sum(negative)::bigint,
       sum(denied)::bigint,
       sum(errors)::bigint,
       sum(bytes_served)::bigint,
       sum(bytes_fetched)::bigint,
       sum(bytes_hit)::bigint
FROM statistic
WHERE ends_at > $1
GROUP BY repository
ORDER BY repository
