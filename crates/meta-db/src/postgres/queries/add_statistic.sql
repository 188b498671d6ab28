INSERT INTO statistic (
    ends_at, repository, width, hits, misses, stale, revalidated, negative, denied, errors,
    bytes_served, bytes_fetched, bytes_hit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (ends_at, repository, width) DO UPDATE SET
    hits = statistic.hits + excluded.hits,
    misses = statistic.misses + excluded.misses,
    stale = statistic.stale + excluded.stale,
    revalidated = statistic.revalidated + excluded.revalidated,
    negative = statistic.negative + excluded.negative,
    denied = statistic.denied + excluded.denied,
    errors = statistic.errors + excluded.errors,
    bytes_served = statistic.bytes_served + excluded.bytes_served,
    bytes_fetched = statistic.bytes_fetched + excluded.bytes_fetched,
    bytes_hit = statistic.bytes_hit + excluded.bytes_hit
