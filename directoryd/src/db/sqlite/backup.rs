//! A copy of the database, taken while others read and write it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use diesel::connection::SimpleConnection;
use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::connection::open;
use crate::db::StoreError;

/// Why there is no backup. Nothing stands under its name then.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// Something is there already, and a backup takes nobody's place.
    #[error("{} is there already: name another file", .0.display())]
    Exists(PathBuf),
    /// It cannot be written.
    #[error("cannot write {}: {why}", path.display())]
    Write {
        /// What.
        path: PathBuf,
        /// What the system says.
        why: io::Error,
    },
    /// The database cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Writes the database as it is at one moment into a new file, which appears under its name when all of it is on disk. Mode
/// 0600: it holds what the database holds.
pub(in crate::db) fn backup(database: &Path, to: &Path) -> Result<(), BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.to_owned()));
    }
    let unwritten = |why| BackupError::Write { path: to.to_owned(), why };
    let part = Part::create(to).map_err(unwritten)?;
    // SQLite takes an empty file, and keeps its mode.
    let text = part.0.to_str().ok_or_else(|| unwritten(io::Error::other("its path is not UTF-8")))?;
    let copy = format!("VACUUM INTO '{}'", text.replace('\'', "''"));
    open(database)?.batch_execute(&copy).map_err(StoreError::from)?;
    part.publish(to).map_err(|why| match why.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists(to.to_owned()),
        _ => unwritten(why),
    })
}

/// A file that is not finished yet; it goes away unless it is.
struct Part(PathBuf);

impl Part {
    fn create(to: &Path) -> io::Result<Self> {
        let name = to.file_name().ok_or_else(|| io::Error::other("it is not the name of a file"))?;
        let part = to.with_file_name(format!(".{}.{}.part", name.to_string_lossy(), std::process::id()));
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        Ok(Self(part))
    }

    fn publish(self, to: &Path) -> io::Result<()> {
        File::open(&self.0)?.sync_all()?;
        // Not `rename`, which would take the place of what has come there meanwhile.
        renameat_with(CWD, &self.0, CWD, to, RenameFlags::NOREPLACE)?;
        let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        // After it was published there is nothing here any more.
        let _ = std::fs::remove_file(&self.0);
    }
}
