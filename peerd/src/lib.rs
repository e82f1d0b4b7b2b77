//! The peer daemon. Read it in the order of a download's journey: [`control`] takes the request, [`transfers`] carries it
//! out with what [`directory`] knows and [`store`] writes; [`server`] is the other end, at the peer that has the file, and
//! reads what [`shares`] offers. [`node`] starts and supervises them all.

pub mod config;
pub mod control;
pub mod directory;
pub mod figures;
pub mod healthcheck;
pub mod heartbeat;
pub mod mailbox;
pub mod node;
pub mod pages;
pub mod server;
pub mod shares;
pub mod simulation;
pub mod store;
pub mod telemetry;
pub mod throttle;
pub mod transfers;
