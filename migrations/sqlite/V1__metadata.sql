-- Metadata of an embedded server. Times are milliseconds since the Unix epoch, UTC.
-- Rules about references live here and not in code, so that every writer obeys them.

CREATE TABLE configuration (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    generation INTEGER NOT NULL
) STRICT;
INSERT INTO configuration (id, generation) VALUES (1, 0);

-- Written by health checks.
CREATE TABLE probe (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    checked_at INTEGER NOT NULL
) STRICT;
INSERT INTO probe (id, checked_at) VALUES (1, 0);

-- AUTOINCREMENT: what was cached for a deleted repository must never answer for a new one.
CREATE TABLE repository (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT    NOT NULL UNIQUE,
    kind         TEXT    NOT NULL CHECK (kind IN ('remote', 'local', 'virtual')),
    package_type TEXT    NOT NULL,
    description  TEXT    NOT NULL,
    managed_by   TEXT    NOT NULL,
    revision     INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL,
    definition   TEXT    NOT NULL,
    secret       BLOB
) STRICT;

-- One physical object, whichever repositories refer to it.
CREATE TABLE blob (
    sha256       BLOB    PRIMARY KEY CHECK (length(sha256) = 32),
    size         INTEGER NOT NULL CHECK (size >= 0),
    state        TEXT    NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'condemned')),
    condemned_at INTEGER,
    created_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    CHECK ((state = 'condemned') = (condemned_at IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE artifact (
    repository             INTEGER NOT NULL REFERENCES repository (id) ON DELETE CASCADE,
    path                   TEXT    NOT NULL,
    variant                TEXT    NOT NULL,
    sha256                 BLOB    NOT NULL REFERENCES blob (sha256),
    size                   INTEGER NOT NULL,
    class                  TEXT    NOT NULL,
    content_type           TEXT,
    upstream_etag          TEXT,
    upstream_last_modified TEXT,
    upstream_url           TEXT,
    checksums              TEXT    NOT NULL,
    fetched_at             INTEGER NOT NULL,
    validated_at           INTEGER NOT NULL,
    expires_at             INTEGER,
    generation             INTEGER NOT NULL,
    PRIMARY KEY (repository, path, variant)
) STRICT, WITHOUT ROWID;
CREATE INDEX artifact_sha256 ON artifact (sha256);

-- Apart from `artifact`, so that counting an access rewrites a narrow row.
CREATE TABLE access (
    repository  INTEGER NOT NULL,
    path        TEXT    NOT NULL,
    variant     TEXT    NOT NULL,
    hits        INTEGER NOT NULL,
    accessed_at INTEGER NOT NULL,
    PRIMARY KEY (repository, path, variant),
    FOREIGN KEY (repository, path, variant)
        REFERENCES artifact (repository, path, variant) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- Counters kept by triggers: a million rows are never added up to answer a question.
CREATE TABLE repository_usage (
    repository    INTEGER PRIMARY KEY REFERENCES repository (id) ON DELETE CASCADE,
    objects       INTEGER NOT NULL DEFAULT 0,
    logical_bytes INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE storage_usage (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    blobs INTEGER NOT NULL,
    bytes INTEGER NOT NULL
) STRICT;
INSERT INTO storage_usage (id, blobs, bytes) VALUES (1, 0, 0);

-- Blobs to review for garbage, each not before a day after its last change.
CREATE TABLE gc_queue (
    sha256       BLOB    PRIMARY KEY REFERENCES blob (sha256) ON DELETE CASCADE,
    review_after INTEGER NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX gc_queue_review_after ON gc_queue (review_after);

CREATE TRIGGER repository_inserted AFTER INSERT ON repository BEGIN
    INSERT INTO repository_usage (repository) VALUES (NEW.id);
END;

CREATE TRIGGER blob_inserted AFTER INSERT ON blob BEGIN
    UPDATE storage_usage SET blobs = blobs + 1, bytes = bytes + NEW.size;
    INSERT INTO gc_queue (sha256, review_after)
    VALUES (NEW.sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER) + 86400000)
    ON CONFLICT (sha256) DO UPDATE
        SET review_after = max(review_after, excluded.review_after), attempts = 0;
END;

CREATE TRIGGER blob_deleted AFTER DELETE ON blob BEGIN
    UPDATE storage_usage SET blobs = blobs - 1, bytes = bytes - OLD.size;
END;

CREATE TRIGGER blob_revived AFTER UPDATE OF state ON blob
WHEN OLD.state = 'condemned' AND NEW.state = 'live' BEGIN
    INSERT INTO gc_queue (sha256, review_after)
    VALUES (NEW.sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER) + 86400000)
    ON CONFLICT (sha256) DO UPDATE
        SET review_after = max(review_after, excluded.review_after), attempts = 0;
END;

CREATE TRIGGER artifact_inserted AFTER INSERT ON artifact BEGIN
    UPDATE blob SET state = 'live', condemned_at = NULL
    WHERE sha256 = NEW.sha256 AND state = 'condemned';
    UPDATE repository_usage
    SET objects = objects + 1, logical_bytes = logical_bytes + NEW.size
    WHERE repository = NEW.repository;
END;

CREATE TRIGGER artifact_deleted AFTER DELETE ON artifact BEGIN
    UPDATE repository_usage
    SET objects = objects - 1, logical_bytes = logical_bytes - OLD.size
    WHERE repository = OLD.repository;
    INSERT INTO gc_queue (sha256, review_after)
    VALUES (OLD.sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER) + 86400000)
    ON CONFLICT (sha256) DO UPDATE
        SET review_after = max(review_after, excluded.review_after), attempts = 0;
END;

CREATE TRIGGER artifact_repointed AFTER UPDATE OF sha256 ON artifact
WHEN OLD.sha256 <> NEW.sha256 BEGIN
    UPDATE blob SET state = 'live', condemned_at = NULL
    WHERE sha256 = NEW.sha256 AND state = 'condemned';
    INSERT INTO gc_queue (sha256, review_after)
    VALUES (OLD.sha256, CAST(unixepoch('subsec') * 1000 AS INTEGER) + 86400000)
    ON CONFLICT (sha256) DO UPDATE
        SET review_after = max(review_after, excluded.review_after), attempts = 0;
END;

CREATE TRIGGER artifact_resized AFTER UPDATE OF size ON artifact
WHEN OLD.size <> NEW.size BEGIN
    UPDATE repository_usage
    SET logical_bytes = logical_bytes - OLD.size + NEW.size
    WHERE repository = NEW.repository;
END;
