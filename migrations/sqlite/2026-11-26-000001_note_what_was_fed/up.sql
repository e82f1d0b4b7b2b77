-- One row: takes no time on any database.
ALTER TABLE directory ADD COLUMN events_fed BIGINT;   -- NATS has all events up to this number; absent: it never had any
