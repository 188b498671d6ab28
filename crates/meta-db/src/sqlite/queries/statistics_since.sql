SELECT repository, sum(hits), sum(misses), sum(stale), sum(revalidated), sum(negative),
       sum(denied), sum(errors), sum(bytes_served), sum(bytes_fetched), sum(bytes_hit)
FROM statistic
WHERE ends_at > ?1
GROUP BY repository
ORDER BY repository
