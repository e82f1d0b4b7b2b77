//! Who sits at the other end of the control socket. The socket's mode says who may connect; the system says which user that
//! is. The user whom the daemon runs as, and root, may name any path. Others, whom `--socket-group` lets in, drive the daemon
//! with rights that they do not have: they share from beneath the share roots and fetch into the download folder alone.

use std::path::{Path, PathBuf};
use std::{fmt, io};

use interprocess::local_socket::tokio::Stream;
use interprocess::local_socket::traits::StreamCommon as _;
use proto::control::{Failure, FailureCode};

use crate::shares::scan;

const ROOT: u32 = 0;

/// The user at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    user: u32,
    is_owner: bool,
}

impl Caller {
    /// As the system knows it; nothing that the caller says is believed.
    pub(super) fn of(stream: &Stream) -> io::Result<Self> {
        let user = stream.peer_creds()?.euid().ok_or(io::ErrorKind::Unsupported)?;
        Ok(Self { user, is_owner: user == ROOT || user == rustix::process::geteuid().as_raw() })
    }

    /// Refuses to share a file that this caller may not name. The path is resolved: no link in it leads elsewhere. Blocks.
    pub(super) fn may_share(self, path: &Path, roots: &[PathBuf]) -> Result<(), Failure> {
        if self.is_owner || scan::is_beneath(path, roots) {
            return Ok(());
        }
        let failure = Failure::new(
            FailureCode::Forbidden,
            format!("{} does not lie beneath a share root, and {self} may share from there only", path.display()),
        );
        Err(failure.hint(match roots {
            [] => "start peerd with --share FOLDER to let other users share from that folder".to_owned(),
            roots => format!("put it beneath {}", listed(roots)),
        }))
    }

    /// Refuses to write a file where this caller may not; the path is resolved. Blocks.
    pub(super) fn may_write(self, path: &Path, downloads: &Path) -> Result<(), Failure> {
        let roots = [downloads.to_owned()];
        if self.is_owner || scan::is_beneath(path, &roots) {
            return Ok(());
        }
        let failure = Failure::new(
            FailureCode::Forbidden,
            format!("{} does not lie in the download folder, and {self} may fetch to there only", path.display()),
        );
        Err(failure.hint(format!("leave -o out, or choose a place beneath {}", downloads.display())))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "uid {}, which is not that of peerd,", self.user)
    }
}

fn listed(roots: &[PathBuf]) -> String {
    let roots: Vec<_> = roots.iter().map(|root| root.display().to_string()).collect();
    roots.join(" or ")
}
