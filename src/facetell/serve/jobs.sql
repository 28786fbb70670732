-- The jobs of a server. A store that was written before webhooks has no column for them until it is opened again.
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    key TEXT UNIQUE,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed')),
    size INTEGER NOT NULL,
    duration REAL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    created REAL NOT NULL,
    started REAL,
    finished REAL,
    crashes INTEGER NOT NULL DEFAULT 0,
    stops INTEGER NOT NULL DEFAULT 0,
    message TEXT NOT NULL DEFAULT '',
    summary TEXT,
    policy TEXT NOT NULL DEFAULT '',
    sha256 TEXT,
    webhook TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS by_state ON jobs (state, crashes, number);
CREATE INDEX IF NOT EXISTS by_end ON jobs (finished);
