-- Rows whose names are the SHA-512 of their bytes: 136 characters from the slash on. Whoever knows no other
-- digest finds them by it.
CREATE INDEX artifact_named_by_sha512 ON artifact (repository, substr(path, -136))
    WHERE instr(path, '/sha512:') > 0;
