-- Rows that need each other or say something of each other, and uploads in several requests.
--
-- Lock order of every transaction, with what the first migration says of it: configuration, repository,
-- names of rows (advisory locks), artifact, promise, blob, gc_queue, usage. Rows of `artifact` are locked in
-- order of their keys, whatever for: who writes one, who needs one and who removes one alike. Who only
-- needs a row locks it FOR KEY SHARE, who removes it FOR UPDATE, so each sees what the other did. Nobody
-- locks a row of `promise`, `need` or `relation` without a lock of the row that it belongs to.
--
-- What belongs to a row goes with it by a trigger for each statement: a foreign key would look for it
-- once for each of a million rows.

-- Rows that were promised to somebody: they are given up a while later, unless others need them.
CREATE TABLE promise (
    repository  bigint NOT NULL,
    path        text COLLATE "C" NOT NULL,
    variant     text COLLATE "C" NOT NULL,
    promised_at bigint NOT NULL,
    PRIMARY KEY (repository, path, variant)
);
CREATE INDEX promise_promised_at ON promise (promised_at);

-- A row and another one of the same repository that it needs. Only an operator may take away what is
-- needed, hence nothing on that side.
CREATE TABLE need (
    repository     bigint NOT NULL,
    path           text COLLATE "C" NOT NULL,
    variant        text COLLATE "C" NOT NULL,
    needed_path    text COLLATE "C" NOT NULL,
    needed_variant text COLLATE "C" NOT NULL,
    given_up       boolean NOT NULL,
    PRIMARY KEY (repository, path, variant, needed_path, needed_variant)
);
CREATE INDEX need_needed ON need (repository, needed_path, needed_variant);

-- What a row says of another one, which need not exist.
CREATE TABLE relation (
    repository bigint NOT NULL,
    path       text COLLATE "C" NOT NULL,
    variant    text COLLATE "C" NOT NULL,
    subject    text COLLATE "C" NOT NULL,
    descriptor text   NOT NULL,
    PRIMARY KEY (repository, path, variant)
);
CREATE INDEX relation_subject ON relation (repository, subject, path);

-- What was needed is promised at the present, if it exists: giving up finds out whether others need it.
-- Each row is found by its key and locked, in order: it may be about to go.
CREATE FUNCTION need_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ended WHERE given_up) THEN
        RETURN NULL;
    END IF;
    INSERT INTO promise (repository, path, variant, promised_at)
    SELECT needed.repository, needed.path, needed.variant, present_millis()
    FROM (
        SELECT DISTINCT repository, needed_path, needed_variant FROM ended WHERE given_up
        ORDER BY repository, needed_path, needed_variant
    ) AS gone
    CROSS JOIN LATERAL (
        SELECT artifact.repository, artifact.path, artifact.variant
        FROM artifact
        WHERE artifact.repository = gone.repository
            AND artifact.path = gone.needed_path
            AND artifact.variant = gone.needed_variant
        LIMIT 1
        FOR KEY SHARE
    ) AS needed
    ON CONFLICT (repository, path, variant) DO UPDATE
        SET promised_at = greatest(promise.promised_at, excluded.promised_at);
    RETURN NULL;
END $$;
CREATE TRIGGER need_ended AFTER DELETE ON need
REFERENCING OLD TABLE AS ended FOR EACH STATEMENT EXECUTE FUNCTION need_ended();

-- Plans are kept, and the same one must serve one row and a million.
CREATE FUNCTION artifact_belongings_deleted() RETURNS trigger LANGUAGE plpgsql
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
    DELETE FROM relation USING removed
    WHERE relation.repository = removed.repository
        AND relation.path = removed.path
        AND relation.variant = removed.variant;
    DELETE FROM promise USING removed
    WHERE promise.repository = removed.repository
        AND promise.path = removed.path
        AND promise.variant = removed.variant;
    DELETE FROM need USING removed
    WHERE need.repository = removed.repository
        AND need.path = removed.path
        AND need.variant = removed.variant;
    RETURN NULL;
END $$;
-- Called by its name before `artifact_deleted`, which locks blobs.
CREATE TRIGGER artifact_belongings_deleted AFTER DELETE ON artifact
REFERENCING OLD TABLE AS removed FOR EACH STATEMENT
EXECUTE FUNCTION artifact_belongings_deleted();

-- For who changes several rows at once: locks the blobs that they will refer to and those that they
-- referred to in order, before the triggers of each row come to them.
CREATE FUNCTION exchange_blobs(wanted bytea[], former bytea[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    id bytea;
BEGIN
    FOR id IN SELECT DISTINCT unnest(wanted || former) ORDER BY 1 LOOP
        IF id = ANY (wanted) THEN
            PERFORM revive(id);
        END IF;
        IF id = ANY (former) THEN
            PERFORM queue_for_review(id);
        END IF;
    END LOOP;
END $$;

-- The staged bytes of an upload must not be forgotten with its repository: who clears up finds it.
ALTER TABLE upload DROP CONSTRAINT upload_repository_fkey;
ALTER TABLE upload
    ADD COLUMN claimed_by text,
    ADD COLUMN claimed_until bigint,
    ADD COLUMN finished_as text,
    ADD CHECK ((claimed_by IS NULL) = (claimed_until IS NULL));
CREATE INDEX upload_updated_at ON upload (updated_at);
