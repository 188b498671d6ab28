-- One row per request. Forgotten by range of `received_at`.
CREATE TABLE access_log (
    received_at     INTEGER NOT NULL,
    request_id      TEXT    NOT NULL,
    principal       TEXT    NOT NULL,
    client          TEXT,
    method          TEXT    NOT NULL,
    repository      TEXT,
    path            TEXT    NOT NULL,
    sha256          BLOB,
    status          INTEGER NOT NULL,
    cache           TEXT    NOT NULL,
    bytes_sent      INTEGER NOT NULL,
    complete        INTEGER NOT NULL,
    duration_micros INTEGER NOT NULL,
    user_agent      TEXT
) STRICT;
CREATE INDEX access_log_received_at ON access_log (received_at);

-- Batches that are in the log, so that none gets in twice; `day` counts from the epoch and is
-- that of the batch's latest record.
CREATE TABLE access_log_batch (
    batch BLOB    PRIMARY KEY CHECK (length(batch) = 16),
    day   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_log_batch_day ON access_log_batch (day);
