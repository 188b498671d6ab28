-- What a garbage collector needs, and tables of features to come.

ALTER TABLE blob ADD COLUMN delete_failures INTEGER NOT NULL DEFAULT 0;
ALTER TABLE blob ADD COLUMN delete_failed_at INTEGER;
CREATE INDEX blob_condemned_at ON blob (condemned_at) WHERE condemned_at IS NOT NULL;

-- The queue keeps the moment of the last change: how long a blob is left alone after it is
-- the collector's business. Only live blobs are queued.
DROP TRIGGER blob_inserted;
DROP TRIGGER blob_revived;
DROP TRIGGER artifact_deleted;
DROP TRIGGER artifact_repointed;
DROP INDEX gc_queue_review_after;
ALTER TABLE gc_queue DROP COLUMN attempts;
ALTER TABLE gc_queue RENAME COLUMN review_after TO changed_at;
UPDATE gc_queue SET changed_at = changed_at - 86400000;
CREATE INDEX gc_queue_changed_at ON gc_queue (changed_at);

-- Blobs that name other blobs: the parent needs the child.
CREATE TABLE blob_reference (
    parent BLOB NOT NULL REFERENCES blob (sha256) ON DELETE CASCADE,
    child  BLOB NOT NULL REFERENCES blob (sha256),
    PRIMARY KEY (parent, child),
    CHECK (parent <> child)
) STRICT, WITHOUT ROWID;
CREATE INDEX blob_reference_child ON blob_reference (child);

-- Who is about to refer to a blob. No foreign key: a pin may precede the blob.
CREATE TABLE pin (
    sha256 BLOB    NOT NULL CHECK (length(sha256) = 32),
    owner  TEXT    NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (sha256, owner)
) STRICT, WITHOUT ROWID;

-- The collector's books.
CREATE TABLE collector (
    id              INTEGER PRIMARY KEY CHECK (id = 1),
    epoch           INTEGER NOT NULL,
    swept_at        INTEGER,
    reclaimed_blobs INTEGER NOT NULL,
    reclaimed_bytes INTEGER NOT NULL,
    last_run        TEXT
) STRICT;
INSERT INTO collector (id, epoch, reclaimed_blobs, reclaimed_bytes) VALUES (1, 0, 0, 0);

-- For uploads in several requests, signed indexes and access by token.
CREATE TABLE upload (
    id         TEXT    PRIMARY KEY,
    repository INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    name       TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    size       INTEGER NOT NULL CHECK (size >= 0),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_repository ON upload (repository);

CREATE TABLE signing_key (
    kind       TEXT    PRIMARY KEY,
    public_key BLOB    NOT NULL,
    sealed_key BLOB    NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id            TEXT    PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    secret_sha256 BLOB    NOT NULL UNIQUE CHECK (length(secret_sha256) = 32),
    scopes        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER,
    last_used_at  INTEGER,
    revoked_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE TRIGGER blob_inserted AFTER INSERT ON blob BEGIN
    UPDATE storage_usage SET blobs = blobs + 1, bytes = bytes + NEW.size;
    INSERT INTO gc_queue (sha256, changed_at)
    SELECT NEW.sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    WHERE NEW.state = 'live';
END;

CREATE TRIGGER blob_condemned AFTER UPDATE OF state ON blob
WHEN OLD.state = 'live' AND NEW.state = 'condemned' BEGIN
    DELETE FROM gc_queue WHERE sha256 = NEW.sha256;
END;

CREATE TRIGGER blob_revived AFTER UPDATE OF state ON blob
WHEN OLD.state = 'condemned' AND NEW.state = 'live' BEGIN
    INSERT INTO gc_queue (sha256, changed_at)
    VALUES (NEW.sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER))
    ON CONFLICT (sha256) DO UPDATE SET changed_at = max(changed_at, excluded.changed_at);
END;

CREATE TRIGGER artifact_deleted AFTER DELETE ON artifact BEGIN
    UPDATE repository_usage
    SET objects = objects - 1, logical_bytes = logical_bytes - OLD.size
    WHERE repository = OLD.repository;
    INSERT INTO gc_queue (sha256, changed_at)
    SELECT sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM blob WHERE sha256 = OLD.sha256 AND state = 'live'
    ON CONFLICT (sha256) DO UPDATE SET changed_at = max(changed_at, excluded.changed_at);
END;

CREATE TRIGGER artifact_repointed AFTER UPDATE OF sha256 ON artifact
WHEN OLD.sha256 <> NEW.sha256 BEGIN
    UPDATE blob SET state = 'live', condemned_at = NULL
    WHERE sha256 = NEW.sha256 AND state = 'condemned';
    INSERT INTO gc_queue (sha256, changed_at)
    SELECT sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM blob WHERE sha256 = OLD.sha256 AND state = 'live'
    ON CONFLICT (sha256) DO UPDATE SET changed_at = max(changed_at, excluded.changed_at);
END;

CREATE TRIGGER blob_reference_inserted AFTER INSERT ON blob_reference BEGIN
    UPDATE blob SET state = 'live', condemned_at = NULL
    WHERE sha256 = NEW.child AND state = 'condemned';
END;

CREATE TRIGGER blob_reference_deleted AFTER DELETE ON blob_reference BEGIN
    INSERT INTO gc_queue (sha256, changed_at)
    SELECT sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM blob WHERE sha256 = OLD.child AND state = 'live'
    ON CONFLICT (sha256) DO UPDATE SET changed_at = max(changed_at, excluded.changed_at);
END;

-- A changed reference would need both rules at once; nobody has a reason to change one.
CREATE TRIGGER blob_reference_changed BEFORE UPDATE ON blob_reference BEGIN
    SELECT raise(ABORT, 'a reference between blobs is made and removed, never changed');
END;
