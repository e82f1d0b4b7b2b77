DROP TABLE events;
DROP TABLE names;
DROP TABLE shares;
DROP TABLE holdings;
DROP TABLE files;
DROP TABLE peers;
DROP TABLE sessions;
DROP TABLE users;
