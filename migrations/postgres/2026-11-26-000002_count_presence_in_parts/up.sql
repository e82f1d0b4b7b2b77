-- Rewrites no row: takes no time on any database.
ALTER TABLE peers ADD COLUMN counted_to BYTEA;   -- holders_up of files beyond this id counts what `up` was before; absent: none does
