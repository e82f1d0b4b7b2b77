-- Two tables of a row or two each: takes no time on any database.

-- What this directory is, drawn once, and how long things last as of its last start: `directoryd keys rotate` goes by that.
CREATE TABLE directory (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    audience TEXT    NOT NULL,                  -- what its tickets are for: 32 hex digits
    lease    BIGINT  NOT NULL,                  -- milliseconds
    ticket   BIGINT  NOT NULL                   -- milliseconds
);

-- What tickets are signed with: at most two at a time.
CREATE TABLE signing_keys (
    key_id     TEXT   NOT NULL PRIMARY KEY,
    secret     BYTEA  NOT NULL,                 -- 64 bytes: seed and public key (RFC 8032)
    created_at BIGINT NOT NULL,
    signs_from BIGINT NOT NULL,                 -- until then the one before signs, and peers learn this one
    ends_at    BIGINT                           -- its last ticket has ended by then; absent: the newest
);
CREATE UNIQUE INDEX signing_keys_newest ON signing_keys ((ends_at IS NULL)) WHERE ends_at IS NULL;
