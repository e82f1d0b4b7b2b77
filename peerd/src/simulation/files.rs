//! Simulated files on disk: one small JSON file, replaced whole with every change.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use proto::ids::FileId;
use proto::simulated::Simulated;

use crate::store::layout;

/// Most of them that one peer keeps. They cost nothing to announce, so something has to bound the list.
pub const MOST: usize = 10_000;

/// Simulated files by id.
pub type Files = BTreeMap<FileId, Simulated>;

/// Reads them; none where there is no file.
pub fn read(path: &Path) -> io::Result<Files> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Files::new()),
        other => other?,
    };
    let list: Vec<Simulated> = serde_json::from_slice(&text).map_err(|error| {
        let why = format!("{}: {error}; move the file away to begin without simulated files", path.display());
        io::Error::new(io::ErrorKind::InvalidData, why)
    })?;
    Ok(list.into_iter().map(|file| (file.id(), file)).collect())
}

/// Writes them all, synced.
pub fn write(path: &Path, files: &Files) -> io::Result<()> {
    layout::replace(path, &serde_json::to_vec(&files.values().collect::<Vec<_>>())?)
}

#[cfg(test)]
mod tests {
    use proto::ids::ByteCount;

    use super::*;

    #[test]
    fn they_come_back_and_damage_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("simulated.json");
        assert!(read(&path).unwrap().is_empty());
        let (name, url) = ("film".parse().unwrap(), "http://x/film".parse().unwrap());
        let film = Simulated { name, url, size: ByteCount::mib(700) };
        let files = Files::from([(film.id(), film)]);
        write(&path, &files).unwrap();
        assert_eq!(read(&path).unwrap(), files);
        std::fs::write(&path, r#"[{"name":"a/b","url":"x","size":1}]"#).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("a/b") && error.contains("move the file away"), "{error}");
    }
}
