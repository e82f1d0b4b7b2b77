//! Pieces of a shared file. The file belongs to somebody else and may change at any time, so every piece is hashed again
//! before it leaves.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use bytes::Bytes;
use proto::ids::ByteCount;
use proto::manifest::Manifest;
use serde::{Deserialize, Serialize};

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

/// Opens a regular file for reading. A link, a pipe or a device in its place is refused, without waiting for it.
pub fn open_regular(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

/// Reads one piece and hashes it.
///
/// # Errors
/// [`Unreadable::Changed`] for bytes that are not that piece: nobody must get them.
pub fn read_piece(file: &File, manifest: &Manifest, piece: u32) -> Result<Bytes, Unreadable> {
    let geometry = manifest.geometry();
    let mut bytes = vec![0; geometry.len(piece) as usize];
    match file.read_exact_at(&mut bytes, geometry.offset(piece)) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Unreadable::Changed),
        other => other?,
    }
    if manifest.verify(piece, &bytes) { Ok(bytes.into()) } else { Err(Unreadable::Changed) }
}

#[cfg(test)]
mod tests {
    use proto::manifest::Builder;

    use super::*;

    #[test]
    fn a_changed_piece_does_not_leave() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let content = vec![3_u8; 40_000];
        std::fs::write(&path, &content).unwrap();
        let mut builder = Builder::new(ByteCount::new(40_000)).unwrap();
        builder.update(&content);
        let manifest = builder.finish().unwrap();
        let file = open_regular(&path).unwrap();
        assert_eq!(read_piece(&file, &manifest, 2).unwrap(), content[32_768..]);
        OpenOptions::new().write(true).open(&path).unwrap().write_all_at(b"x", 20_000).unwrap();
        assert!(matches!(read_piece(&file, &manifest, 1), Err(Unreadable::Changed)));
        assert!(read_piece(&file, &manifest, 2).is_ok());
        OpenOptions::new().write(true).open(&path).unwrap().set_len(33_000).unwrap();
        assert!(matches!(read_piece(&file, &manifest, 2), Err(Unreadable::Changed)));
    }

    #[test]
    fn only_regular_files_are_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (pipe, link) = (folder.path().join("pipe"), folder.path().join("link"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
        for path in [pipe.as_path(), link.as_path(), folder.path(), Path::new("/dev/zero")] {
            assert!(open_regular(path).is_err(), "{}", path.display());
        }
    }
}
