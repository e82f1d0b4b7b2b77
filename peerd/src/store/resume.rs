//! What an unfinished download leaves for the next start: a note of what was asked for, and the part file. Which pieces
//! the part file holds is not noted but found by hashing, so neither a stale note nor a damaged file can do harm.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use proto::ids::{ByteCount, FileId, FileName, PeerId, Rate, TransferId};
use proto::manifest::Manifest;
use proto::simulated::Simulated;
use serde::{Deserialize, Serialize};
use swarm::{Bitfield, Piece};

use super::layout::{self, StateDir};
use super::part::Part;

mod keeper;

pub use keeper::Keeper;

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// Number of the transfer.
    pub transfer_id: TransferId,
    /// What is fetched.
    pub file_id: FileId,
    /// Name that it is shared under.
    pub name: FileName,
    /// Size that the directory names for it.
    pub size: ByteCount,
    /// Where it goes. A Linux path need not be UTF-8.
    #[serde(with = "path_bytes")]
    pub path: PathBuf,
    /// Whether a file that is there is replaced.
    pub force: bool,
    /// Only from these peers; from anybody where empty.
    pub from: Vec<PeerId>,
    /// Only pretended: no content moves, and this is what the peer holds afterwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated: Option<Simulated>,
    /// Rate that it is held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// Whether the user has paused it.
    #[serde(default)]
    pub paused: bool,
}

impl Note {
    /// Keeps the note.
    pub fn save(&self, state: &StateDir) -> io::Result<()> {
        layout::replace(&state.transfer(self.transfer_id), &serde_json::to_vec(self)?)
    }

    /// Removes it: the download has ended.
    pub fn remove(&self, state: &StateDir) -> io::Result<()> {
        layout::remove(&state.transfer(self.transfer_id))
    }

    /// All notes, in the order of their numbers. One that cannot be read is reported and left where it is.
    pub fn all(state: &StateDir) -> io::Result<Vec<Self>> {
        let mut notes = Vec::new();
        for entry in std::fs::read_dir(state.transfers())? {
            let path = entry?.path();
            if path.extension() != Some(OsStr::new("json")) {
                continue;
            }
            match std::fs::read(&path).and_then(|text| Ok(serde_json::from_slice::<Self>(&text)?)) {
                Ok(note) => notes.push(note),
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "a note of an unfinished download cannot be read; it is left alone");
                }
            }
        }
        notes.sort_by_key(|note| note.transfer_id);
        Ok(notes)
    }
}

/// The highest number that a transfer of this peer ever had.
pub fn last_transfer(state: &StateDir) -> TransferId {
    let noted = std::fs::read_to_string(state.last_transfer()).ok().and_then(|text| text.trim().parse().ok());
    noted.unwrap_or(TransferId(0))
}

/// Takes the next number. It is on disk before it is used, so that no number is given twice.
pub fn next_transfer(state: &StateDir, last: TransferId) -> io::Result<TransferId> {
    let next = TransferId(last.0 + 1);
    layout::replace(&state.last_transfer(), next.to_string().as_bytes())?;
    Ok(next)
}

/// Finds the pieces that a part file holds, by hashing everything in it that was ever written.
pub fn verified_pieces(part: &Part, manifest: &Manifest) -> io::Result<Bitfield> {
    let geometry = manifest.geometry();
    let mut stored = Bitfield::new(geometry.count());
    let mut buffer = vec![0; geometry.piece_size() as usize];
    let mut piece = 0;
    while piece < geometry.count() {
        let Some(data) = part.next_data(geometry.offset(piece)) else { break };
        let first = u32::try_from(data / u64::from(geometry.piece_size())).expect("within the file");
        piece = piece.max(first);
        if piece >= geometry.count() {
            break;
        }
        let bytes = &mut buffer[..geometry.len(piece) as usize];
        part.read(geometry.offset(piece), bytes)?;
        if manifest.verify(piece, bytes) {
            stored.set(Piece(piece));
        }
        piece += 1;
    }
    Ok(stored)
}

/// Serde of a path as text where it is text, else as its bytes.
mod path_bytes {
    use super::{Deserialize, OsStr, OsStrExt, Path, PathBuf};

    #[derive(serde::Serialize, Deserialize)]
    #[serde(untagged)]
    enum Form {
        Text(String),
        Bytes(Vec<u8>),
    }

    pub(super) fn serialize<S: serde::Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        let form = match path.to_str() {
            Some(text) => Form::Text(text.to_owned()),
            None => Form::Bytes(path.as_os_str().as_bytes().to_vec()),
        };
        serde::Serialize::serialize(&form, serializer)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        Ok(match Form::deserialize(deserializer)? {
            Form::Text(text) => text.into(),
            Form::Bytes(bytes) => OsStr::from_bytes(&bytes).into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proto::manifest::Builder;

    use super::super::part::Destination;
    use super::*;

    pub(super) fn note() -> Note {
        Note {
            transfer_id: TransferId(1),
            file_id: FileId::of(b"x"),
            name: "n".parse().unwrap(),
            size: ByteCount::new(1),
            path: OsStr::from_bytes(b"/tmp/\xff").into(),
            force: false,
            from: Vec::new(),
            simulated: None,
            rate: None,
            paused: false,
        }
    }

    #[test]
    fn damage_and_holes_are_found_by_hashing() {
        let folder = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..100_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let mut builder = Builder::new(ByteCount::new(100_000)).unwrap();
        builder.update(&content);
        let manifest = builder.finish().unwrap();
        let destination = Destination::open(&folder.path().join("t")).unwrap();
        let (part, _) = Part::open(destination, manifest.id(), ByteCount::new(100_000)).unwrap();
        let geometry = manifest.geometry();
        for piece in [0, 2, 3] {
            let start = usize::try_from(geometry.offset(piece)).unwrap();
            let bytes = Bytes::copy_from_slice(&content[start..start + geometry.len(piece) as usize]);
            part.write(geometry.offset(piece), &[bytes]).unwrap();
        }
        part.write(geometry.offset(2) + 5, &[Bytes::from_static(b"!")]).unwrap();
        let stored = verified_pieces(&part, &manifest).unwrap();
        assert_eq!(stored.iter().collect::<Vec<_>>(), [Piece(0), Piece(3)]);
    }

    #[test]
    fn notes_come_back_and_numbers_are_never_reused() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateDir::open(folder.path()).unwrap();
        let id = next_transfer(&state, last_transfer(&state)).unwrap();
        assert_eq!((id, last_transfer(&state)), (TransferId(1), TransferId(1)));
        let note = Note { transfer_id: id, ..note() };
        note.save(&state).unwrap();
        std::fs::write(state.transfers().join("9.json"), "{").unwrap();
        assert_eq!(Note::all(&state).unwrap(), std::slice::from_ref(&note));
        note.remove(&state).unwrap();
        assert!(Note::all(&state).unwrap().is_empty());
    }
}
