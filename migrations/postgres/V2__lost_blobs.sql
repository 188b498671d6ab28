-- Live blobs whose bytes the store was found to have lost. The mark goes with the entry, and when
-- a row is published with the blob: its bytes were stored before.
CREATE TABLE lost_blob (
    sha256   bytea  PRIMARY KEY REFERENCES blob (sha256) ON DELETE CASCADE,
    found_at bigint NOT NULL
);

CREATE FUNCTION artifact_published() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM lost_blob WHERE sha256 = NEW.sha256;
    RETURN NULL;
END $$;
CREATE TRIGGER artifact_published AFTER INSERT OR UPDATE OF fetched_at ON artifact
FOR EACH ROW EXECUTE FUNCTION artifact_published();
