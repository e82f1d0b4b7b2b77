//! `peerctl` as a program, against a daemon that says what a test wants it to say: answers that a real one gives rarely or
//! never. What the real daemons do is tested end to end elsewhere.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking, as tests do")]

mod daemon;
mod downloads;
mod failures;
mod goldens;
mod listings;
mod news;
mod outputs;
mod places;
mod samples;
mod screens;
mod scripts;
mod sessions;
mod shells;
mod terminal;
mod uploads;
