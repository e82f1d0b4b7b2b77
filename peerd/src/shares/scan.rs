//! Hashing files and looking after them. All of it blocks; the actor runs it on threads of its own.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use proto::ids::{ByteCount, FileName};
use proto::manifest::{Builder, Manifest, Mismatch};

use super::catalog::Share;
use crate::store::source::{Stamp, open_regular};

/// Why a file cannot be shared. `Display` is a whole sentence but for the path.
#[derive(Debug, thiserror::Error)]
pub enum Unshareable {
    /// The system said no, or it is no regular file.
    #[error("{path}: {error}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What it said.
        error: io::Error,
    },
    /// Its name is not one that a file can be shared under.
    #[error("{0}")]
    Name(#[from] proto::ids::Malformed),
    /// It changed while it was hashed.
    #[error("{0} changed while it was read; share it when it is complete")]
    Changing(PathBuf),
    /// It is too large.
    #[error("{path}: {mismatch}")]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// The limit.
        mismatch: Mismatch,
    },
}

/// The path without links, for [`hash`]: what a link in it points to is decided here, once.
///
/// # Errors
/// There is nothing.
pub fn resolve(path: &Path) -> Result<PathBuf, Unshareable> {
    path.canonicalize().map_err(|error| Unshareable::Io { path: path.to_owned(), error })
}

/// Hashes a file into pieces. `progress` hears of every so many bytes. The path is one that was resolved ([`resolve`]): a
/// link that was put in it since is refused, so that what is hashed now and opened later is what somebody meant.
pub fn hash(
    path: &Path,
    name: Option<FileName>,
    mut progress: impl FnMut(ByteCount, ByteCount),
) -> Result<(Share, Manifest), Unshareable> {
    let failed = |error| Unshareable::Io { path: path.to_owned(), error };
    let name = name.map_or_else(|| name_of(path), Ok)?;
    let mut file = open_regular(path).map_err(failed)?;
    let stamp = Stamp::of(&file).map_err(failed)?;
    let mut builder =
        Builder::new(stamp.size).map_err(|mismatch| Unshareable::TooLarge { path: path.to_owned(), mismatch })?;
    let mut buffer = vec![0; 1 << 20];
    let mut done = ByteCount::ZERO;
    progress(done, stamp.size);
    loop {
        // Whole buffers: the hasher is twice as fast on aligned input.
        let filled = fill(&mut file, &mut buffer).map_err(failed)?;
        builder.update(&buffer[..filled]);
        done += ByteCount::new(filled as u64);
        progress(done, stamp.size);
        if filled < buffer.len() || done > stamp.size {
            break;
        }
    }
    match builder.finish() {
        Some(manifest) if Stamp::of(&file).map_err(failed)? == stamp => {
            Ok((Share { file_id: manifest.id(), name, path: path.to_owned(), stamp }, manifest))
        }
        _ => Err(Unshareable::Changing(path.to_owned())),
    }
}

fn name_of(path: &Path) -> Result<FileName, Unshareable> {
    let failed =
        |why| Unshareable::Io { path: path.to_owned(), error: io::Error::new(io::ErrorKind::InvalidInput, why) };
    let name = path.file_name().ok_or_else(|| failed("names no file"))?;
    let text = name.to_str().ok_or_else(|| failed("its name is not UTF-8; give it another with --name"))?;
    Ok(text.parse()?)
}

fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// What became of a shared file since it was hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It looks as it did.
    Same,
    /// It is there, with another size or time.
    Touched,
    /// It cannot be opened.
    Missing,
}

/// Looks at a shared file without reading it.
pub fn look(share: &Share) -> Fate {
    match open_regular(&share.path).and_then(|file| Stamp::of(&file)) {
        Ok(stamp) if stamp == share.stamp => Fate::Same,
        Ok(_) => Fate::Touched,
        Err(_) => Fate::Missing,
    }
}

/// Whether a path that was resolved lies at or beneath one of the roots, which need not be.
pub fn is_beneath(path: &Path, roots: &[PathBuf]) -> bool {
    roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| path.starts_with(root))
}

/// Every regular file under some roots, by a path without links. Hidden ones, links and what cannot be read are passed
/// over: a share root says "all of this", not "and whatever it points to".
pub fn walk(roots: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = Vec::new();
    for root in roots.iter().filter_map(|root| root.canonicalize().ok()) {
        if root.is_dir() { folders.push(root) } else { found.push(root) }
    }
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries.flatten().filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b".")) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use proto::ids::FileId;

    use super::*;

    #[test]
    fn hashed_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        for len in [0, 1, 16 << 10, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_000] {
            let path = folder.path().join(format!("-{len} ☕"));
            let content = vec![9_u8; len];
            std::fs::write(&path, &content).unwrap();
            let mut last = (ByteCount::ZERO, ByteCount::ZERO);
            let (share, manifest) = hash(&path, None, |done, total| last = (done, total)).unwrap();
            assert_eq!((share.file_id, manifest.id()), (FileId::of(&content), FileId::of(&content)));
            assert_eq!(last.0, last.1);
            assert_eq!(look(&share), Fate::Same);
            std::fs::write(&path, b"another").unwrap();
            assert_eq!(look(&share), Fate::Touched);
            std::fs::remove_file(&path).unwrap();
            assert_eq!(look(&share), Fate::Missing);
        }
    }

    #[test]
    fn a_file_that_grows_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("growing");
        std::fs::write(&path, vec![0; 3 << 20]).unwrap();
        let grow = |done: ByteCount, _| {
            if done == ByteCount::mib(1) {
                std::fs::write(&path, vec![1; 4 << 20]).unwrap();
            }
        };
        assert!(matches!(hash(&path, None, grow), Err(Unshareable::Changing(_))));
    }

    #[test]
    fn names_that_cannot_be_shared_are_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new\nline");
        std::fs::write(&path, b"x").unwrap();
        let error = hash(&path, None, |_, _| {}).unwrap_err().to_string();
        assert!(error.contains("control character") && error.contains("--name"), "{error}");
        assert!(hash(&path, Some("fine".parse().unwrap()), |_, _| {}).is_ok());
        assert!(hash(folder.path(), None, |_, _| {}).unwrap_err().to_string().contains("not a regular file"));
    }

    #[test]
    fn walks_past_hidden_files_and_links() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("root");
        std::fs::create_dir_all(root.join("deep/.hidden")).unwrap();
        for name in ["a", "deep/b", "deep/.hidden/c", ".d"] {
            std::fs::write(root.join(name), b"").unwrap();
        }
        std::os::unix::fs::symlink("/etc", root.join("link")).unwrap();
        let way = folder.path().join("way");
        std::os::unix::fs::symlink(&root, &way).unwrap();
        let roots = [way];
        assert_eq!(walk(&roots), [root.join("a"), root.join("deep/b")]);
        assert!(is_beneath(&root.join("a"), &roots) && is_beneath(&root, &roots));
        assert!(!is_beneath(&root.with_file_name("root2"), &roots) && !is_beneath(Path::new("/etc/passwd"), &roots));
    }
}
