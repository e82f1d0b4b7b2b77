//! Pieces of a shared file. The file belongs to somebody else and may change at any time, so every piece is hashed again
//! before it leaves.

use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use bytes::Bytes;
use proto::ids::ByteCount;
use proto::manifest::{Manifest, PieceCheck};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, ReadWriteFlags};
use serde::{Deserialize, Serialize};

use super::buffers::Buffers;

/// What `statfs` calls a file system whose pages are memory (`linux/magic.h`).
const TMPFS: i64 = 0x0102_1994;

/// Bytes that are read, then hashed, of what is in memory: little enough to be in the nearer cache from the one to the other. A
/// disk is asked for all of a piece at once.
const HASHED_AT_ONCE: usize = 128 << 10;

/// Size and time of change of a file: as long as they stay, it is not hashed anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Stamp {
    /// Bytes.
    pub size: ByteCount,
    /// Time of the last change, in nanoseconds since 1970.
    pub modified_ns: i128,
}

impl Stamp {
    /// Of an open file.
    pub fn of(file: &File) -> io::Result<Self> {
        let meta = file.metadata()?;
        let modified_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Ok(Self { size: ByteCount::new(meta.len()), modified_ns })
    }
}

/// Why a piece cannot be handed out.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system said no, or the file is shorter than it was.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is there, but not what was shared.
    #[error("the content is no longer what was shared")]
    Changed,
}

/// Whether reading may wait for a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// As long as it takes.
    ForDisk,
    /// Not at all: what is not in memory is an error (`RESOLVE_CACHED`, Linux 5.12; `RWF_NOWAIT`).
    Never,
}

/// Opens a regular file for reading, at a path that was resolved before (`shares::scan::resolve`). A link anywhere in it,
/// put there since, leads nowhere. A pipe or a device in its place is refused, without waiting for it.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_waiting(path, Wait::ForDisk)
}

/// The same, with a word on waiting.
pub fn open_waiting(path: &Path, wait: Wait) -> io::Result<File> {
    let how = if wait == Wait::Never { ResolveFlags::CACHED } else { ResolveFlags::empty() };
    let file = File::from(open_resolved(path, OFlags::RDONLY | OFlags::NONBLOCK, how)?);
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Opens what lies at a path, and nothing that a link in it points to: whatever is swapped in behind our back, before the
/// call or during it, is refused by the system (`openat2`, Linux 5.6).
pub(super) fn open_unlinked(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    open_resolved(path, flags, ResolveFlags::empty())
}

fn open_resolved(path: &Path, flags: OFlags, how: ResolveFlags) -> io::Result<OwnedFd> {
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS | how;
    match rustix::fs::openat2(CWD, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
        Err(Errno::LOOP) => Err(io::Error::new(io::ErrorKind::InvalidInput, "a symbolic link is in its way")),
        other => Ok(other?),
    }
}

/// Reads one piece and hashes it.
///
/// # Errors
/// [`Unreadable::Changed`] for bytes that are not that piece: nobody must get them.
pub fn read_piece(
    file: &File,
    manifest: &Manifest,
    piece: u32,
    buffers: &Buffers,
    wait: Wait,
) -> Result<Bytes, Unreadable> {
    let geometry = manifest.geometry();
    let mut buffer = buffers.take(geometry.len(piece) as usize);
    let (mut check, mut offset) = (PieceCheck::new(&geometry, piece), geometry.offset(piece));
    let step = if wait == Wait::Never { HASHED_AT_ONCE } else { usize::MAX };
    // Where there is no disk to wait for there is no way to ask for not waiting.
    let wait = if rustix::fs::fstatfs(file).is_ok_and(|system| system.f_type == TMPFS) { Wait::ForDisk } else { wait };
    let read = buffer.as_mut().chunks_mut(step).try_for_each(|part| {
        match wait {
            Wait::ForDisk => file.read_exact_at(part, offset)?,
            Wait::Never => read_at_once(file, part, offset)?,
        }
        check.update(part);
        offset += part.len() as u64;
        io::Result::Ok(())
    });
    match read {
        Ok(()) if manifest.accepts(piece, &check) => Ok(buffer.freeze()),
        Ok(()) => Err(Unreadable::Changed),
        // It is shorter than it was.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(Unreadable::Changed),
        Err(error) => Err(error.into()),
    }
}

fn read_at_once(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    let mut filled = 0;
    while filled < buffer.len() {
        let mut rest = [IoSliceMut::new(&mut buffer[filled..])];
        match rustix::io::preadv2(file, &mut rest, offset + filled as u64, ReadWriteFlags::NOWAIT) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => filled += read,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;

    use proto::manifest::Builder;

    use super::*;

    #[test]
    fn a_changed_piece_does_not_leave() {
        // Pages of tmpfs are always in memory; elsewhere the system may have let go of them.
        let (disk, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm").unwrap());
        for (folder, wait) in [(disk, Wait::ForDisk), (memory, Wait::Never)] {
            let path = folder.path().join("f");
            let content: Vec<u8> = (0..40_000_u32).map(|at| at.to_le_bytes()[0]).collect();
            std::fs::write(&path, &content).unwrap();
            let mut builder = Builder::new(ByteCount::new(40_000)).unwrap();
            builder.update(&content);
            let manifest = builder.finish().unwrap();
            let file = open_waiting(&path, wait).unwrap();
            let buffers = Buffers::default();
            let read = |piece| read_piece(&file, &manifest, piece, &buffers, wait);
            assert_eq!(read(1).unwrap(), content[16_384..32_768]);
            assert_eq!(read(2).unwrap(), content[32_768..]);
            OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"x", 20_000).unwrap();
            assert!(matches!(read(1), Err(Unreadable::Changed)));
            assert!(read(2).is_ok());
            OpenOptions::new().write(true).open(&path).unwrap().set_len(33_000).unwrap();
            assert!(matches!(read(2), Err(Unreadable::Changed)));
        }
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        rustix::fs::mknodat(CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        for path in [pipe.as_path(), link.as_path(), folder.path(), Path::new("/dev/zero")] {
            assert!(open_regular(path).is_err(), "{}", path.display());
            assert!(open_waiting(path, Wait::Never).is_err(), "{}", path.display());
        }
    }

    #[test]
    fn a_link_on_the_way_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        std::fs::write(real.join("f"), b"secret").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        assert!(open_regular(&real.join("f")).is_ok());
        let refused = open_regular(&link.join("f")).unwrap_err();
        assert!(refused.to_string().contains("symbolic link"), "{refused}");
    }
}
