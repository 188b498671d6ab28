-- Rows that need each other or say something of each other, and uploads in several requests.

-- Rows that were promised to somebody: they are given up a while later, unless others need them.
CREATE TABLE promise (
    repository  INTEGER NOT NULL,
    path        TEXT    NOT NULL,
    variant     TEXT    NOT NULL,
    promised_at INTEGER NOT NULL,
    PRIMARY KEY (repository, path, variant),
    FOREIGN KEY (repository, path, variant)
        REFERENCES artifact (repository, path, variant) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX promise_promised_at ON promise (promised_at);

-- A row and another one of the same repository that it needs. Only an operator may take away what is
-- needed, hence nothing on that side.
CREATE TABLE need (
    repository     INTEGER NOT NULL,
    path           TEXT    NOT NULL,
    variant        TEXT    NOT NULL,
    needed_path    TEXT    NOT NULL,
    needed_variant TEXT    NOT NULL,
    given_up       INTEGER NOT NULL CHECK (given_up IN (0, 1)),
    PRIMARY KEY (repository, path, variant, needed_path, needed_variant),
    FOREIGN KEY (repository, path, variant)
        REFERENCES artifact (repository, path, variant) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX need_needed ON need (repository, needed_path, needed_variant);

-- What a row says of another one, which need not exist.
CREATE TABLE relation (
    repository INTEGER NOT NULL,
    path       TEXT    NOT NULL,
    variant    TEXT    NOT NULL,
    subject    TEXT    NOT NULL,
    descriptor TEXT    NOT NULL,
    PRIMARY KEY (repository, path, variant),
    FOREIGN KEY (repository, path, variant)
        REFERENCES artifact (repository, path, variant) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
CREATE INDEX relation_subject ON relation (repository, subject, path);

-- What was needed is promised at the present, if it exists: giving up finds out whether others need it.
CREATE TRIGGER need_ended AFTER DELETE ON need WHEN OLD.given_up = 1 BEGIN
    INSERT INTO promise (repository, path, variant, promised_at)
    SELECT repository, path, variant, CAST(unixepoch('subsec') * 1000 AS INTEGER)
    FROM artifact
    WHERE repository = OLD.repository
        AND path = OLD.needed_path
        AND variant = OLD.needed_variant
    ON CONFLICT (repository, path, variant) DO UPDATE
        SET promised_at = max(promised_at, excluded.promised_at);
END;

-- The staged bytes of an upload must not be forgotten with its repository: who clears up finds it.
-- Nothing has used the former table yet.
DROP TABLE upload;
CREATE TABLE upload (
    id            TEXT    PRIMARY KEY,
    repository    INTEGER NOT NULL,
    name          TEXT    NOT NULL,
    state         TEXT    NOT NULL,
    size          INTEGER NOT NULL CHECK (size >= 0),
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL,
    claimed_by    TEXT,
    claimed_until INTEGER,
    finished_as   TEXT,
    CHECK ((claimed_by IS NULL) = (claimed_until IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_updated_at ON upload (updated_at);
