//! What the serving process asks of the system for itself.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that the directory itself has open: database, log, listener, and some to spare.
const OWN: u64 = 128;

/// Each connection is an open file, and the usual soft limit of 1,024 (for programs that still use `select`) is far from
/// enough for thousands of peers: takes as many as the system allows, and says so if that is too few for `connections`.
pub(super) fn raise_open_files(connections: usize) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        tracing::warn!(%error, "cannot raise the number of open files");
    }
    let Some(allowed) = getrlimit(Resource::Nofile).current else { return };
    if allowed < connections as u64 + OWN {
        tracing::warn!(
            open_files = allowed,
            max_connections = connections,
            "the system allows too few open files for so many connections: raise the hard limit (`ulimit -Hn`, \
             LimitNOFILE= under systemd), or lower --max-connections"
        );
    }
}
