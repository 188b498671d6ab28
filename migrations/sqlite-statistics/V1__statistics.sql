-- Counters over time, in a file of their own so that they can neither fill nor lock the
-- metadata. Keyed by the end of a span: "since" and "before" are then plain ranges.
CREATE TABLE statistic (
    ends_at       INTEGER NOT NULL,
    repository    INTEGER NOT NULL,
    width         INTEGER NOT NULL,
    hits          INTEGER NOT NULL,
    misses        INTEGER NOT NULL,
    stale         INTEGER NOT NULL,
    revalidated   INTEGER NOT NULL,
    negative      INTEGER NOT NULL,
    denied        INTEGER NOT NULL,
    errors        INTEGER NOT NULL,
    bytes_served  INTEGER NOT NULL,
    bytes_fetched INTEGER NOT NULL,
    bytes_hit     INTEGER NOT NULL,
    PRIMARY KEY (ends_at, repository, width)
) STRICT, WITHOUT ROWID;
