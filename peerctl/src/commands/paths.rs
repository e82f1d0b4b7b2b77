//! Paths as they are typed, as the daemon takes them, and the files in a folder.

use std::collections::VecDeque;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};

use proto::control::Failure;

use crate::error::{io, usage};

/// The path as the daemon can use it: absolute, and UTF-8, as messages to it are.
pub(super) fn absolute(typed: &Path) -> Result<PathBuf, Failure> {
    let path = std::path::absolute(at_home(typed)).map_err(|error| io("cannot use", typed, &error))?;
    match path.to_str() {
        Some(_) => Ok(path),
        None => Err(usage(format!("`{}` cannot be used: the path is not UTF-8", path.display())).hint("rename it")),
    }
}

/// `~/…` as typed in a session, where no shell has replaced it. What exists under that very name is meant as it stands.
fn at_home(typed: &Path) -> PathBuf {
    match (typed.strip_prefix("~"), std::env::home_dir()) {
        (Ok(rest), Some(home)) if std::fs::symlink_metadata(typed).is_err() => home.join(rest),
        _ => typed.to_owned(),
    }
}

/// What is found in a folder.
#[derive(Debug)]
pub(super) enum Found {
    /// A regular file.
    File(PathBuf),
    /// Neither a file nor a folder, so it is left out: why.
    Skipped(String),
    /// Cannot be looked at.
    Failed(Failure),
    /// A folder was read; says so that a long walk can be interrupted.
    Folder,
}

/// Walks a folder in the order of names, without following links.
pub(super) fn walk(folder: PathBuf) -> impl Iterator<Item = Found> {
    let mut folders = vec![folder];
    let mut ready = VecDeque::new();
    std::iter::from_fn(move || {
        if let Some(found) = ready.pop_front() {
            return Some(found);
        }
        let folder = folders.pop()?;
        match sorted(&folder) {
            Err(error) => ready.push_back(Found::Failed(io("cannot read", &folder, &error))),
            Ok(entries) => {
                let mut below: Vec<PathBuf> =
                    entries.into_iter().filter_map(|entry| sort_out(&entry, &mut ready)).collect();
                // The first by name is on top of the stack.
                below.reverse();
                folders.append(&mut below);
            }
        }
        Some(Found::Folder)
    })
}

fn sorted(folder: &Path) -> std::io::Result<Vec<DirEntry>> {
    let mut entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(DirEntry::file_name);
    Ok(entries)
}

/// Puts an entry where it belongs; folders come back.
fn sort_out(entry: &DirEntry, ready: &mut VecDeque<Found>) -> Option<PathBuf> {
    let path = entry.path();
    match entry.file_type() {
        Err(error) => ready.push_back(Found::Failed(io("cannot look at", &path, &error))),
        Ok(kind) if kind.is_dir() => return Some(path),
        Ok(kind) if kind.is_file() => ready.push_back(Found::File(path)),
        Ok(kind) => {
            let what = if kind.is_symlink() { "a symbolic link" } else { "no regular file" };
            ready.push_back(Found::Skipped(format!("left out `{}`: it is {what}", path.display())));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn a_walk_is_in_order_and_follows_no_links() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        std::fs::create_dir_all(at("b/deep")).unwrap();
        for file in ["z", "a", "b/deep/x"] {
            std::fs::write(at(file), file).unwrap();
        }
        std::os::unix::fs::symlink(root.path(), at("loop")).unwrap();
        let _fifo = std::os::unix::net::UnixListener::bind(at("special")).unwrap();
        let (mut files, mut skipped) = (Vec::new(), 0);
        for found in walk(root.path().to_owned()) {
            match found {
                Found::File(path) => files.push(path),
                Found::Skipped(_) => skipped += 1,
                Found::Failed(failure) => panic!("{failure}"),
                Found::Folder => (),
            }
        }
        assert_eq!(files, [at("a"), at("z"), at("b/deep/x")]);
        assert_eq!(skipped, 2);
    }

    #[test]
    fn paths_become_absolute() {
        assert_eq!(absolute(Path::new("/a/b")).unwrap(), Path::new("/a/b"));
        assert_eq!(absolute(Path::new("x")).unwrap(), std::env::current_dir().unwrap().join("x"));
        assert!(absolute(Path::new(OsStr::from_bytes(b"/\xff"))).is_err());
    }
}
