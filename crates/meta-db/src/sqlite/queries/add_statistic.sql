INSERT INTO statistic (
    ends_at, repository, width, hits, misses, stale, revalidated, negative, denied, errors,
    bytes_served, bytes_fetched, bytes_hit)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
ON CONFLICT (ends_at, repository, width) DO UPDATE SET
    hits = hits + excluded.hits,
    misses = misses + excluded.misses,
    stale = stale + excluded.stale,
    revalidated = revalidated + excluded.revalidated,
    negative = negative + excluded.negative,
    denied = denied + excluded.denied,
    errors = errors + excluded.errors,
    bytes_served = bytes_served + excluded.bytes_served,
    bytes_fetched = bytes_fetched + excluded.bytes_fetched,
    bytes_hit = bytes_hit + excluded.bytes_hit
