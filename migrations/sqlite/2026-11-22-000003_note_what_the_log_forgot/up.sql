-- One row: takes no time on any database.
ALTER TABLE directory ADD COLUMN events_gone BIGINT NOT NULL DEFAULT 0;   -- events up to this number are forgotten
