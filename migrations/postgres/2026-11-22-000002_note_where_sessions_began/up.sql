-- Rewrites no row: takes no time on any database.
ALTER TABLE sessions ADD COLUMN address TEXT;   -- where the login came from; absent: from before this step
