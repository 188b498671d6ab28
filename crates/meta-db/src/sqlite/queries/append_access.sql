INSERT INTO access_log (
    received_at, request_id, principal, client, method, repository, path, sha256, status, cache,
    bytes_sent, complete, duration_micros, user_agent)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
