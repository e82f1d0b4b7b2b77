//! The state folder. One daemon at a time holds its lock; every file in it is replaced whole or appended to.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use proto::ids::{FileId, TransferId};

/// Files written so far: tells apart those that are on their way to one place.
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A state folder that this process alone works in. The lock goes with the value.
#[derive(Debug)]
pub struct StateDir {
    root: PathBuf,
    _lock: File,
}

/// Why a state folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Another daemon runs on it.
    #[error("another peerd already runs on the state folder {0}; stop it, or give this one a --state-dir of its own")]
    InUse(PathBuf),
    /// It cannot be made or written.
    #[error("the state folder {path} cannot be used: {error}")]
    Io {
        /// Which path.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl StateDir {
    /// Takes a folder, making it if need be, readable by its owner alone.
    pub fn open(root: &Path) -> Result<Self, Unusable> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| Unusable::Io { path, error }
        };
        for folder in [root.to_owned(), root.join("manifests"), root.join("transfers")] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed(&folder))?;
        }
        let path = root.join("peerd.lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err(fs::TryLockError::WouldBlock) => Err(Unusable::InUse(root.to_owned())),
            Err(fs::TryLockError::Error(error)) => Err(failed(&path)(error)),
        }
    }

    /// The peer's private key.
    pub fn key(root: &Path) -> PathBuf {
        root.join("key.pem")
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the directory gave at the last login.
    pub fn session(&self) -> PathBuf {
        self.root.join("session.json")
    }

    /// What is shared.
    pub fn shares(&self) -> PathBuf {
        self.root.join("shares.jsonl")
    }

    /// What is shared without content.
    pub fn simulated(&self) -> PathBuf {
        self.root.join("simulated.json")
    }

    /// What this machine was measured to make of the simulator's constants.
    pub fn constants(&self) -> PathBuf {
        self.root.join("constants.json")
    }

    /// Piece hashes of a file. 256 folders keep each of them small with 100,000 shares.
    pub fn manifest(&self, id: FileId) -> PathBuf {
        let name = id.to_string();
        self.root.join("manifests").join(&name[..2]).join(name)
    }

    /// Notes of unfinished downloads.
    pub fn transfers(&self) -> PathBuf {
        self.root.join("transfers")
    }

    /// Note of one unfinished download.
    pub fn transfer(&self, id: TransferId) -> PathBuf {
        self.transfers().join(format!("{id}.json"))
    }

    /// The highest number that a transfer ever had.
    pub fn last_transfer(&self) -> PathBuf {
        self.transfers().join("last-id")
    }
}

/// Replaces a file whole: a reader, and a restart after a crash, sees the old content or the new, never a mixture.
/// The file is readable by its owner alone. Who replaces one file at once does not get in each other's way; the last one counts.
/// A crash may leave what was being written beside it, which nobody reads.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}.new", WRITTEN.fetch_add(1, Ordering::Relaxed)));
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(folder)?.sync_all()
}

/// The same for what can be made again: a crash of the machine may leave it empty or cut off, and it costs no wait for the
/// disk.
pub fn replace_unsynced(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let open = || OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&temporary);
    let mut file = match open() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            open()?
        }
        other => other?,
    };
    file.write_all(content)?;
    fs::rename(&temporary, path)
}

/// Removes a file; one that is not there is no fault.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_daemon_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let first = StateDir::open(folder.path()).unwrap();
        assert!(matches!(StateDir::open(folder.path()), Err(Unusable::InUse(_))));
        drop(first);
        assert!(StateDir::open(folder.path()).is_ok());
    }

    #[test]
    fn replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        remove(&path).unwrap();
        remove(&path).unwrap();
        // As two files of the same content have one manifest.
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..50).for_each(|_| replace(&path, b"three").unwrap()));
            }
        });
        assert_eq!(fs::read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }
}
