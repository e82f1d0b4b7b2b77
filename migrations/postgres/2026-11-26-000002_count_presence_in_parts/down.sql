-- What a peer's files do not count yet stays uncounted: meant for a directory that has stopped in peace.
ALTER TABLE peers DROP COLUMN counted_to;
