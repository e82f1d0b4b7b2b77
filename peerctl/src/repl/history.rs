//! Where the lines of former sessions are kept: `$XDG_STATE_HOME/enjambre/peerctl_history`, readable by its owner only.
//! There are no passwords in it, because no line can hold one.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// Lines kept.
pub(super) const LINES: usize = 1000;

/// The file, its folder made where it is missing; nothing where there is no place for one.
pub(super) fn file() -> Option<PathBuf> {
    let folder = state_folder()?.join("enjambre");
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    Some(folder.join("peerctl_history"))
}

/// XDG base directories: a relative path there counts as unset.
fn state_folder() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))
}
