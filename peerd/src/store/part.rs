//! The file that a download grows in. It lies in the folder of its destination, under a name that no file is shared
//! under, so that the last step is one rename within one file system.
//!
//! The folder is opened by a path without links, and everything happens beneath that handle: a folder or a link swapped
//! in behind our back changes nothing.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use proto::ids::{ByteCount, FileId};
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};

use super::source::{Stamp, open_unlinked};

/// Where a download is to end: an existing folder and a name in it.
#[derive(Debug)]
pub struct Destination {
    folder: OwnedFd,
    path: PathBuf,
    name: OsString,
}

/// Why a destination will not do. `Display` names the path.
#[derive(Debug, thiserror::Error)]
pub enum BadDestination {
    /// A file is there already.
    #[error("{0} is there already")]
    Taken(PathBuf),
    /// Another download has the same destination.
    #[error("{0} is being written by another download")]
    Busy(PathBuf),
    /// Not enough room.
    #[error("{path} needs {needed}, but its file system has {free} left")]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Bytes that are still to come.
        needed: ByteCount,
        /// Bytes that are free.
        free: ByteCount,
    },
    /// The system said no.
    #[error("{path}: {error}")]
    Io {
        /// Where.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
}

/// The same destination by a path without links, for [`Destination::open`]: what a link in it points to is decided here,
/// once, while whoever chose the path is there.
///
/// # Errors
/// The path names no file, or its folder is not there.
pub fn resolve(path: &Path) -> Result<PathBuf, BadDestination> {
    let (parent, name) = folder_and_name(path)?;
    let folder = parent.canonicalize();
    Ok(folder.map_err(|error| BadDestination::Io { path: parent.to_owned(), error })?.join(name))
}

fn folder_and_name(path: &Path) -> Result<(&Path, &OsStr), BadDestination> {
    let no_name = || io::Error::new(io::ErrorKind::InvalidInput, "names no file");
    let both = path.parent().zip(path.file_name());
    both.ok_or_else(|| BadDestination::Io { path: path.to_owned(), error: no_name() })
}

impl Destination {
    /// Opens the folder that a path lies in; one with a link on the way to it is refused ([`resolve`]).
    pub fn open(path: &Path) -> Result<Self, BadDestination> {
        let (parent, name) = folder_and_name(path)?;
        let folder = open_unlinked(parent, OFlags::DIRECTORY | OFlags::RDONLY);
        let folder = folder.map_err(|error| BadDestination::Io { path: parent.to_owned(), error })?;
        Ok(Self { folder, path: path.to_owned(), name: name.to_owned() })
    }

    /// The path as it was asked for.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses a name that is taken. Only a courtesy: the rename at the end decides.
    pub fn check_vacant(&self) -> Result<(), BadDestination> {
        match rustix::fs::statat(&self.folder, self.name.as_os_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(BadDestination::Taken(self.path.clone())),
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Refuses a file system without room for that much.
    pub fn check_room(&self, needed: ByteCount) -> Result<(), BadDestination> {
        let stat = rustix::fs::fstatvfs(&self.folder).map_err(|error| self.failed(error))?;
        let free = ByteCount::new(stat.f_bavail.saturating_mul(stat.f_frsize));
        if free < needed { Err(BadDestination::NoRoom { path: self.path.clone(), needed, free }) } else { Ok(()) }
    }

    fn failed(&self, error: rustix::io::Errno) -> BadDestination {
        BadDestination::Io { path: self.path.clone(), error: error.into() }
    }
}

/// A file that a download grows in.
#[derive(Debug)]
pub struct Part {
    destination: Destination,
    name: OsString,
    file: File,
}

impl Part {
    /// Name of the part file for a content at a destination: the same at every attempt, so that a later one goes on where
    /// an earlier one stopped; short, whatever the file is called.
    fn name(destination: &Destination, id: FileId) -> OsString {
        let target = FileId::of(destination.name.as_encoded_bytes());
        format!(".enjambre-{}-{}.part", id.short(), target.short()).into()
    }

    /// Begins a part file, or goes on with the one that is there. `true` if it was there.
    ///
    /// # Errors
    /// [`BadDestination::Busy`] while somebody else, of this daemon or another, writes to it.
    pub fn open(destination: Destination, id: FileId, size: ByteCount) -> Result<(Self, bool), BadDestination> {
        let name = Self::name(&destination, id);
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o666);
        let open = |flags| rustix::fs::openat(&destination.folder, name.as_os_str(), flags, mode);
        let (fd, resumed) = match open(flags | OFlags::CREATE | OFlags::EXCL) {
            Ok(fd) => (fd, false),
            Err(rustix::io::Errno::EXIST) => (open(flags).map_err(|error| destination.failed(error))?, true),
            Err(error) => return Err(destination.failed(error)),
        };
        let file = File::from(fd);
        let failed = |error| BadDestination::Io { path: destination.path.clone(), error };
        let meta = file.metadata().map_err(failed)?;
        if !meta.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "the part file is not a regular file")));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(BadDestination::Busy(destination.path)),
            Err(std::fs::TryLockError::Error(error)) => return Err(failed(error)),
        }
        if meta.len() != size.as_u64() {
            file.set_len(size.as_u64()).map_err(failed)?;
        }
        Ok((Self { destination, name, file }, resumed))
    }

    /// Writes a piece at its place. The caller has hashed it.
    pub fn write(&self, mut offset: u64, chunks: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = chunks.iter().map(|chunk| IoSlice::new(chunk)).collect();
        let mut rest = slices.as_mut_slice();
        while !rest.is_empty() {
            // Linux takes 1024 slices at once (`IOV_MAX`).
            let written = match rustix::io::pwritev(&self.file, &rest[..rest.len().min(1024)], offset) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                other => other?,
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut rest, written);
        }
        Ok(())
    }

    /// Reads what is at a place, to hash it again.
    pub fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// The file itself, to hand out pieces of it that are there.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The first byte at or behind a place that was ever written; nothing where the rest is a hole.
    pub fn next_data(&self, from: u64) -> Option<u64> {
        match rustix::fs::seek(&self.file, rustix::fs::SeekFrom::Data(from)) {
            Ok(found) => Some(found),
            Err(rustix::io::Errno::NXIO) => None,
            // A file system without holes: everything may be data.
            Err(_) => Some(from),
        }
    }

    /// Size and time of change, as the shares actor compares them.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Stamp::of(&self.file)
    }

    /// Whether the file system has room for that much more.
    pub fn check_room(&self, needed: ByteCount) -> Result<(), BadDestination> {
        self.destination.check_room(needed)
    }

    /// Gives the file its final name: synced, renamed, the folder synced. What is there already stays, unless `force`.
    pub fn finish(&self, force: bool) -> Result<(), BadDestination> {
        let Destination { folder, path, name } = &self.destination;
        let failed = |error: io::Error| BadDestination::Io { path: path.clone(), error };
        self.file.sync_all().map_err(failed)?;
        if force {
            rustix::fs::renameat(folder, &self.name, folder, name).map_err(|error| self.destination.failed(error))?;
        } else {
            self.rename_to_vacant()?;
        }
        rustix::fs::fsync(folder).map_err(|error| self.destination.failed(error))
    }

    fn rename_to_vacant(&self) -> Result<(), BadDestination> {
        let Destination { folder, path, name } = &self.destination;
        let renamed = match rustix::fs::renameat_with(folder, &self.name, folder, name, RenameFlags::NOREPLACE) {
            // Some file systems cannot rename so; a link and an unlink come to the same.
            Err(rustix::io::Errno::INVAL) => rustix::fs::linkat(folder, &self.name, folder, name, AtFlags::empty())
                .and_then(|()| rustix::fs::unlinkat(folder, &self.name, AtFlags::empty())),
            other => other,
        };
        renamed.map_err(|error| match error {
            rustix::io::Errno::EXIST => BadDestination::Taken(path.clone()),
            error => self.destination.failed(error),
        })
    }

    /// Removes the part file.
    pub fn discard(&self) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.destination.folder, &self.name, AtFlags::empty())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(folder: &Path, target: &str) -> Part {
        let destination = Destination::open(&folder.join(target)).unwrap();
        Part::open(destination, FileId::of(b"x"), ByteCount::new(6)).unwrap().0
    }

    #[test]
    fn pieces_land_at_their_place_and_the_name_comes_last() {
        let folder = tempfile::tempdir().unwrap();
        let part = part(folder.path(), "target");
        part.write(3, &[Bytes::from_static(b"d"), Bytes::from_static(b"ef")]).unwrap();
        part.write(0, &[Bytes::from_static(b"abc")]).unwrap();
        assert!(!folder.path().join("target").exists());
        part.finish(false).unwrap();
        assert_eq!(std::fs::read(folder.path().join("target")).unwrap(), b"abcdef");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_stays_unless_forced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("target"), b"old").unwrap();
        let part = part(folder.path(), "target");
        assert!(matches!(part.finish(false), Err(BadDestination::Taken(_))));
        assert_eq!(std::fs::read(folder.path().join("target")).unwrap(), b"old");
        part.finish(true).unwrap();
        assert_eq!(std::fs::read(folder.path().join("target")).unwrap(), [0; 6]);
    }

    #[test]
    fn a_link_in_its_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        std::fs::write(&outside, b"secret").unwrap();
        let destination = Destination::open(&folder.path().join("target")).unwrap();
        let name = Part::name(&destination, FileId::of(b"x"));
        std::os::unix::fs::symlink(&outside, folder.path().join(&name)).unwrap();
        assert!(Part::open(destination, FileId::of(b"x"), ByteCount::new(6)).is_err());
        assert_eq!(std::fs::read(&outside).unwrap(), b"secret");
    }

    #[test]
    fn a_folder_swapped_for_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (inside, away, outside) = (root.join("inside"), root.join("away"), root.join("outside"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::create_dir(&outside).unwrap();
        // While it is being written: it goes where the folder went.
        let part = part(&inside, "target");
        std::fs::rename(&inside, &away).unwrap();
        std::os::unix::fs::symlink(&outside, &inside).unwrap();
        part.finish(true).unwrap();
        assert!(away.join("target").exists());
        // And before: a path that was resolved is refused, one that a person chose is followed once.
        let refused = Destination::open(&inside.join("target")).unwrap_err().to_string();
        assert!(refused.contains("inside: a symbolic link"), "{refused}");
        assert_eq!(resolve(&inside.join("target")).unwrap(), outside.join("target"));
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn one_writer_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let open = || {
            let destination = Destination::open(&folder.path().join("target")).unwrap();
            Part::open(destination, FileId::of(b"x"), ByteCount::new(6))
        };
        let (first, resumed) = open().unwrap();
        assert!(!resumed);
        assert!(matches!(open(), Err(BadDestination::Busy(_))));
        drop(first);
        assert!(open().unwrap().1);
    }

    #[test]
    fn room_and_vacancy_are_said_beforehand() {
        let folder = tempfile::tempdir().unwrap();
        let destination = Destination::open(&folder.path().join("target")).unwrap();
        destination.check_vacant().unwrap();
        assert!(matches!(destination.check_room(ByteCount::new(1 << 62)), Err(BadDestination::NoRoom { .. })));
        std::os::unix::fs::symlink("/nowhere", folder.path().join("target")).unwrap();
        assert!(matches!(destination.check_vacant(), Err(BadDestination::Taken(_))));
        assert!(Destination::open(&folder.path().join("no/where")).is_err());
    }
}
