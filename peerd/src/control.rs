//! The control socket: how people drive this peer. The actor owns the socket; each connection is a task that decodes
//! requests, and [`dispatch`] carries them out, asking actors and the directory on the caller's behalf.
//!
//! The socket's mode decides who may connect; what other users than the daemon's own may name, [`callers`]. A failure closes
//! the connections; the socket comes back under its name, and what was asked for goes on where it was cast.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, ToFsName};
use interprocess::os::unix::local_socket::ListenerOptionsExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

mod callers;
mod checkup;
mod complete;
mod connection;
pub mod dispatch;
mod events;
mod failures;
mod fetching;
mod news;
mod pages;
mod queries;
mod sharing;
mod simulate;
mod simulated;
mod through;

pub use callers::Caller;
pub use dispatch::Desk;

/// Connections at a time. People and scripts have a few; a runaway script must not eat the descriptors of transfers.
const CONNECTIONS: usize = 256;

/// The control actor.
pub struct Control;

/// What it hears.
pub enum Msg {
    /// The accept loop has ended although nobody asked it to.
    Ended(String),
    /// Panic, for tests of the supervision.
    Crash,
}

/// What it is started with.
pub struct Args {
    /// Where the socket is.
    pub socket: PathBuf,
    /// Group that may use it.
    pub group: Option<String>,
    /// Carries requests out.
    pub desk: Desk,
}

/// What it knows: dropping it ends accept loop and connections.
pub struct State {
    accepting: AbortOnDropHandle<()>,
    socket: PathBuf,
}

impl Actor for Control {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let listener = listen(&args.socket, args.group.as_deref()).map_err(|error| error.to_string())?;
        let desk = Arc::new(args.desk);
        let accepting = tokio::spawn(async move {
            let error = accept(&listener, &desk).await;
            let _ = me.cast(Msg::Ended(error.to_string()));
        });
        Ok(State { accepting: AbortOnDropHandle::new(accepting), socket: args.socket })
    }

    async fn handle(&self, _: ActorRef<Msg>, message: Msg, _: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Ended(error) => Err(format!("the control socket failed: {error}").into()),
            Msg::Crash => panic!("crash was asked for"),
        }
    }

    /// An orderly stop leaves no socket behind: whoever looks for a daemon sees at once that there is none.
    async fn post_stop(&self, _: ActorRef<Msg>, state: &mut State) -> Result<(), ActorProcessingErr> {
        state.accepting.abort();
        let _ = (&mut state.accepting).await;
        let _ = crate::store::layout::remove(&state.socket);
        Ok(())
    }
}

/// Why there is no control socket. `Display` is one line with the path.
#[derive(Debug, thiserror::Error)]
pub enum NoSocket {
    /// Another daemon listens there.
    #[error("another peerd listens on the control socket {0}; stop it, or give this one a --socket of its own")]
    InUse(PathBuf),
    /// The group is not one.
    #[error("the group `{0}` of the control socket does not exist")]
    NoGroup(String),
    /// The system said no.
    #[error("the control socket {path} cannot be made: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// Refuses a socket on which another daemon answers. A stale one, left by a daemon that was killed, is no obstacle.
pub async fn check_free(socket: &Path) -> Result<(), NoSocket> {
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_) => Err(NoSocket::InUse(socket.to_owned())),
        Err(_) => Ok(()),
    }
}

/// Binds over whatever is left of an earlier daemon; [`check_free`] has seen that nobody answers there.
fn listen(socket: &Path, group: Option<&str>) -> Result<Listener, NoSocket> {
    let failed = |error| NoSocket::Io { path: socket.to_owned(), error };
    if let Some(folder) = socket.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o755).create(folder).map_err(failed)?;
    }
    if std::fs::symlink_metadata(socket).is_ok_and(|meta| !is_socket(&meta)) {
        return Err(failed(io::Error::new(io::ErrorKind::AlreadyExists, "something else than a socket is there")));
    }
    let name = socket.to_fs_name::<GenericFilePath>().map_err(failed)?;
    let mode = if group.is_some() { 0o660 } else { 0o600 };
    let listener = ListenerOptions::new().name(name).mode(mode).try_overwrite(true).create_tokio().map_err(failed)?;
    if let Some(group) = group {
        let gid = group_id(group).ok_or_else(|| NoSocket::NoGroup(group.to_owned()))?;
        std::os::unix::fs::chown(socket, None, Some(gid)).map_err(failed)?;
        // Binding took the bits of the umask away.
        std::fs::set_permissions(socket, Permissions::from_mode(mode)).map_err(failed)?;
    }
    Ok(listener)
}

fn is_socket(meta: &std::fs::Metadata) -> bool {
    std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type())
}

/// By number, or by name from the system's list of groups.
fn group_id(group: &str) -> Option<u32> {
    if let Ok(number) = group.parse() {
        return Some(number);
    }
    let groups = std::fs::read_to_string("/etc/group").ok()?;
    groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == group).then(|| fields.nth(1)?.parse().ok()).flatten()
    })
}

/// Accepts until the listener fails. Connections are owned here, so that none outlives this.
async fn accept(listener: &Listener, desk: &Arc<Desk>) -> io::Error {
    let mut connections = tokio::task::JoinSet::new();
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let mut failures = 0;
    loop {
        let seat = Arc::clone(&seats).acquire_owned().await;
        match listener.accept().await {
            Ok(stream) => {
                failures = 0;
                let desk = Arc::clone(desk);
                connections.spawn(async move {
                    serve(stream, &desk).await;
                    drop(seat);
                });
            }
            // No descriptors left, or a client that went away: others may fare better in a moment.
            Err(error) if failures < 50 => {
                failures += 1;
                tracing::debug!(%error, "a connection to the control socket was not accepted");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
            Err(error) => return error,
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: Stream, desk: &Desk) {
    let caller = match Caller::of(&stream) {
        Ok(caller) => caller,
        Err(error) => return tracing::warn!(%error, "closed a control connection: the system does not say whose it is"),
    };
    if let Err(error) = connection::run(stream, desk, caller).await {
        tracing::debug!(%error, "a control connection ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stale_socket_is_no_obstacle_and_a_live_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/s.sock");
        check_free(&path).await.unwrap();
        let live = listen(&path, None).unwrap();
        assert!(matches!(check_free(&path).await, Err(NoSocket::InUse(_))));
        std::mem::forget(live);
        let stale = folder.path().join("stale.sock");
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        check_free(&stale).await.unwrap();
        listen(&stale, None).unwrap();
    }

    #[tokio::test]
    async fn only_the_owner_may_connect_and_files_are_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.sock");
        let _listener = listen(&path, None).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        let shared = folder.path().join("shared.sock");
        let _listener = listen(&shared, Some(&rustix::process::getegid().as_raw().to_string())).unwrap();
        assert_eq!(mode(&shared), 0o660, "to connect takes permission to write");
        let file = folder.path().join("precious");
        std::fs::write(&file, "x").unwrap();
        assert!(listen(&file, None).is_err());
        assert!(matches!(listen(&folder.path().join("g.sock"), Some("no such group")), Err(NoSocket::NoGroup(_))));
    }
}
