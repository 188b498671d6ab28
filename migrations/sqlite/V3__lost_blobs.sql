-- Live blobs whose bytes the store was found to have lost. The mark goes with the entry, and when
-- a row is published with the blob: its bytes were stored before.
CREATE TABLE lost_blob (
    sha256   BLOB    PRIMARY KEY REFERENCES blob (sha256) ON DELETE CASCADE,
    found_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER artifact_inserted_with_bytes AFTER INSERT ON artifact BEGIN
    DELETE FROM lost_blob WHERE sha256 = NEW.sha256;
END;

CREATE TRIGGER artifact_updated_with_bytes AFTER UPDATE OF fetched_at ON artifact BEGIN
    DELETE FROM lost_blob WHERE sha256 = NEW.sha256;
END;
