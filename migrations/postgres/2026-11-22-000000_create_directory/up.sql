-- Times are unix milliseconds. Ids and keys are raw bytes. Names compare byte by byte, as in SQLite: hence "C".

CREATE TABLE users (
    name          TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    password_hash TEXT    NOT NULL,             -- argon2id, PHC string
    role          TEXT    NOT NULL,             -- user | admin
    disabled      BOOLEAN NOT NULL,
    created_at    BIGINT  NOT NULL
);

CREATE TABLE sessions (
    token_hash BYTEA  NOT NULL PRIMARY KEY,     -- BLAKE3 of the token; the token itself is nowhere
    user_name  TEXT COLLATE "C" NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_name);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE peers (
    peer_id    BYTEA   NOT NULL PRIMARY KEY,
    user_name  TEXT COLLATE "C" NOT NULL REFERENCES users (name) ON DELETE CASCADE,
    key        BYTEA   NOT NULL,
    name       TEXT COLLATE "C" NOT NULL,
    address    TEXT    NOT NULL,
    instance   BYTEA,                           -- absent after a logout: nobody speaks for the peer
    version    TEXT    NOT NULL,
    up         BOOLEAN NOT NULL,
    files      BIGINT  NOT NULL,                -- kept: complete holdings of this peer
    last_seen  BIGINT  NOT NULL,                -- written in batches; the lease in memory is fresher
    created_at BIGINT  NOT NULL
);
CREATE INDEX peers_by_name ON peers (name, peer_id);
CREATE INDEX peers_by_user ON peers (user_name);

CREATE TABLE files (
    file_id    BYTEA   NOT NULL PRIMARY KEY,
    size       BIGINT  NOT NULL,
    simulated  BOOLEAN NOT NULL,
    url        TEXT,
    holders    BIGINT  NOT NULL,                -- kept: peers with a complete holding
    holders_up BIGINT  NOT NULL                 -- kept: those of them that are up
);

-- Which peer has how much of which file.
CREATE TABLE holdings (
    peer_id  BYTEA   NOT NULL REFERENCES peers (peer_id),
    file_id  BYTEA   NOT NULL REFERENCES files (file_id),
    complete BOOLEAN NOT NULL,
    PRIMARY KEY (peer_id, file_id)
);
CREATE INDEX holdings_by_file ON holdings (file_id, peer_id, complete);

-- Under which names a peer shares its holdings; a holding has at least one.
CREATE TABLE shares (
    peer_id BYTEA NOT NULL,
    name    TEXT COLLATE "C" NOT NULL,
    file_id BYTEA NOT NULL,
    PRIMARY KEY (peer_id, name, file_id),
    FOREIGN KEY (peer_id, file_id) REFERENCES holdings (peer_id, file_id) ON DELETE CASCADE
);
CREATE INDEX shares_by_file ON shares (file_id, name);
CREATE INDEX shares_by_holding ON shares (peer_id, file_id);

-- The listing: each name that at least one share gives a file.
CREATE TABLE names (
    name    TEXT COLLATE "C" NOT NULL,
    file_id BYTEA NOT NULL REFERENCES files (file_id),
    folded  TEXT COLLATE "C" NOT NULL,          -- lower case by Unicode, for searching
    PRIMARY KEY (name, file_id)
);
CREATE INDEX names_by_file ON names (file_id, name);

-- Every change of state, in the order of its commit: whoever writes holds a lock from before the number is drawn.
CREATE TABLE events (
    seq       BIGINT  NOT NULL GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        BIGINT  NOT NULL,
    kind      TEXT    NOT NULL,
    peer_id   BYTEA,
    file_id   BYTEA,
    user_name TEXT
);
CREATE INDEX events_by_file ON events (file_id, seq) WHERE file_id IS NOT NULL;
