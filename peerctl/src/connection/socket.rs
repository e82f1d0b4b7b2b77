//! Where the control socket is, and what to say when nobody listens there.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use proto::control::{Failure, FailureCode};

use crate::error::plain_error;

/// The socket: as given, by `$PEERCTL_SOCKET`, or the first of the usual places that exists.
///
/// # Errors
/// None of the usual places exists.
pub(super) fn find(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let named = given.map(Path::to_owned).or_else(|| path_variable("PEERCTL_SOCKET"));
    match named {
        Some(path) => Ok(path),
        None => first_existing(&usual_places(path_variable("XDG_RUNTIME_DIR"))),
    }
}

fn path_variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn usual_places(runtime: Option<PathBuf>) -> Vec<PathBuf> {
    runtime.into_iter().chain([PathBuf::from("/run")]).map(|folder| folder.join("enjambre/peerd.sock")).collect()
}

fn first_existing(places: &[PathBuf]) -> Result<PathBuf, Failure> {
    // A place that may not be looked at is left for the connection to complain about.
    let there = |place: &&PathBuf| !matches!(std::fs::symlink_metadata(place), Err(error) if is_absent(&error));
    places.iter().find(there).cloned().ok_or_else(|| {
        let tried: Vec<String> = places.iter().map(|place| format!("`{}`", place.display())).collect();
        start_it(format!("no daemon: there is no control socket at {}", tried.join(" or ")))
    })
}

fn is_absent(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Whether somebody may yet listen there.
pub(super) fn may_come(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused)
}

/// Why the daemon cannot be reached at a socket.
pub(super) fn unreachable(path: &Path, error: &Error) -> Failure {
    let place = path.display();
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => {
            start_it(format!("no daemon: there is no control socket at `{place}`"))
        }
        ErrorKind::ConnectionRefused => {
            start_it(format!("no daemon: nobody listens on `{place}`, a daemon that died has left it behind"))
        }
        ErrorKind::PermissionDenied => {
            Failure::new(FailureCode::DaemonUnreachable, format!("you may not use the control socket `{place}`"))
                .hint("ask as the user that runs peerd, or start it with `--socket-group GROUP` of a group of yours")
        }
        _ => Failure::new(
            FailureCode::DaemonUnreachable,
            format!("cannot reach the daemon at `{place}`: {}", plain_error(error)),
        )
        .hint("name its socket: `peerctl --socket PATH`"),
    }
}

fn start_it(message: String) -> Failure {
    Failure::new(FailureCode::DaemonUnreachable, message)
        .hint("start it: `peerd --name NAME --directory URL`; or name its socket: `peerctl --socket PATH`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_that_exists_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("a/peerd.sock"), folder.path().join("b/peerd.sock"));
        std::fs::create_dir_all(folder.path().join("b")).unwrap();
        let none = first_existing(&[first.clone(), second.clone()]).unwrap_err();
        assert_eq!(none.code, FailureCode::DaemonUnreachable);
        assert!(none.message.contains("a/peerd.sock` or `"), "{none}");
        std::fs::write(&second, "").unwrap();
        assert_eq!(first_existing(&[first, second.clone()]).unwrap(), second);
    }

    #[test]
    fn each_reason_has_its_sentence() {
        for (kind, said) in [
            (ErrorKind::NotFound, "there is no control socket at `/x`"),
            (ErrorKind::ConnectionRefused, "nobody listens on `/x`"),
            (ErrorKind::PermissionDenied, "you may not use the control socket `/x`"),
            (ErrorKind::InvalidInput, "cannot reach the daemon at `/x`: "),
        ] {
            let failure = unreachable(Path::new("/x"), &kind.into());
            assert_eq!(failure.code, FailureCode::DaemonUnreachable);
            assert!(failure.message.contains(said) && failure.hint.is_some(), "{failure:?}");
        }
    }

    #[test]
    fn the_usual_places_in_their_order() {
        let places = usual_places(Some("/run/user/7".into()));
        assert_eq!(places, ["/run/user/7/enjambre/peerd.sock", "/run/enjambre/peerd.sock"].map(PathBuf::from));
        assert_eq!(usual_places(None).len(), 1);
    }
}
