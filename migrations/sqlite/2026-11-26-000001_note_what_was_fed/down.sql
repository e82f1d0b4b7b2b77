ALTER TABLE directory DROP COLUMN events_fed;
