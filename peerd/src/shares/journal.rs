//! What is shared, on disk: one JSON line per change, appended and synced, written anew when most lines are history.
//!
//! A thread of its own writes: changes that come in while it syncs go to disk together, and each is reported only after
//! its sync. A line that a crash cut off was never reported, and is dropped at the next start.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use proto::ids::{FileId, FileName};
use serde::{Deserialize, Serialize};

use super::catalog::{Catalog, Share};
use crate::store::layout;

/// Changes that may wait for the disk.
const QUEUE: usize = 4096;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// A share was added or replaced.
    Add(Share),
    /// A share was taken away.
    Drop {
        /// Of which file.
        file_id: FileId,
        /// Under which name.
        name: FileName,
    },
}

type Report = Box<dyn FnOnce(io::Result<()>) + Send>;

/// The open journal. Dropping it waits for what is queued.
pub struct Journal {
    queue: Option<SyncSender<(Record, Report)>>,
    writer: Option<JoinHandle<()>>,
}

impl Journal {
    /// Reads a journal, tidies it, and opens it for more.
    pub fn open(path: &Path) -> io::Result<(Self, Catalog)> {
        let (catalog, lines) = read(path)?;
        // Written anew when half of it is history, and always when its last line was cut off.
        if lines != Some(catalog.iter().count()) {
            layout::replace(path, &whole(&catalog)?)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let (queue, changes) = sync_channel(QUEUE);
        let writer =
            std::thread::Builder::new().name("shares-journal".into()).spawn(move || write_all(file, &changes))?;
        Ok((Self { queue: Some(queue), writer: Some(writer) }, catalog))
    }

    /// Puts a change on disk; `report` hears when it is there, on the journal's thread.
    pub fn append(&self, record: Record, report: impl FnOnce(io::Result<()>) + Send + 'static) {
        let queue = self.queue.as_ref().expect("present until dropped");
        match queue.try_send((record, Box::new(report))) {
            Ok(()) => {}
            Err(TrySendError::Full((_, report)) | TrySendError::Disconnected((_, report))) => {
                report(Err(io::Error::new(io::ErrorKind::ResourceBusy, "the disk does not keep up with the changes")));
            }
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

/// The catalog that a journal amounts to, and its number of lines; no number if it does not end with a whole line.
fn read(path: &Path) -> io::Result<(Catalog, Option<usize>)> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Catalog::default(), Some(0))),
        other => other?,
    };
    let mut catalog = Catalog::default();
    let mut lines = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        lines += 1;
        match serde_json::from_slice(line) {
            Ok(Record::Add(share)) => catalog.insert(share),
            Ok(Record::Drop { file_id, name }) => drop(catalog.remove(file_id, &name)),
            Err(_) if !line.ends_with(b"\n") => return Ok((catalog, None)),
            Err(error) => {
                let error =
                    format!("{} line {lines}: {error}; move the file away to begin without shares", path.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
    Ok((catalog, text.is_empty().then_some(0).or(text.ends_with(b"\n").then_some(lines))))
}

fn whole(catalog: &Catalog) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for share in catalog.iter() {
        push_line(&mut text, &Record::Add(share.as_ref().clone()))?;
    }
    Ok(text)
}

fn push_line(text: &mut Vec<u8>, record: &Record) -> io::Result<()> {
    serde_json::to_writer(&mut *text, record)?;
    text.push(b'\n');
    Ok(())
}

/// Takes all that waits, writes it, syncs once, reports to each; until the queue is closed and empty.
fn write_all(mut file: File, changes: &Receiver<(Record, Report)>) {
    while let Ok(first) = changes.recv() {
        let batch: Vec<_> = std::iter::once(first).chain(changes.try_iter().take(QUEUE)).collect();
        let written = write_batch(&mut file, batch.iter().map(|(record, _)| record));
        for (_, report) in batch {
            report(written.as_ref().copied().map_err(|error| io::Error::new(error.kind(), error.to_string())));
        }
    }
}

fn write_batch<'a>(file: &mut File, records: impl Iterator<Item = &'a Record>) -> io::Result<()> {
    let mut text = Vec::new();
    for record in records {
        push_line(&mut text, record)?;
    }
    let before = file.metadata()?.len();
    let written = file.write_all(&text).and_then(|()| file.sync_data());
    if written.is_err() {
        // Half a line would spoil the next one.
        file.set_len(before)?;
    }
    written
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::ids::ByteCount;

    use super::*;
    use crate::store::source::Stamp;

    fn share(name: &str) -> Share {
        Share {
            file_id: FileId::of(name.as_bytes()),
            name: name.parse().unwrap(),
            path: format!("/{name}").into(),
            stamp: Stamp { size: ByteCount::new(1), modified_ns: 5 },
        }
    }

    fn append(journal: &Journal, record: Record) {
        let (done, wait) = sync_channel(1);
        journal.append(record, move |result| done.send(result).unwrap());
        wait.recv_timeout(Duration::from_secs(10)).unwrap().unwrap();
    }

    #[test]
    fn comes_back_whole_also_after_a_cut_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shares.jsonl");
        {
            let (journal, catalog) = Journal::open(&path).unwrap();
            assert!(catalog.is_empty());
            append(&journal, Record::Add(share("a")));
            append(&journal, Record::Add(share("b")));
            append(&journal, Record::Drop { file_id: share("a").file_id, name: share("a").name });
        }
        OpenOptions::new().append(true).open(&path).unwrap().write_all(br#"{"add":{"file"#).unwrap();
        let (journal, catalog) = Journal::open(&path).unwrap();
        assert_eq!(catalog.iter().map(|share| share.as_ref().clone()).collect::<Vec<_>>(), [share("b")]);
        append(&journal, Record::Add(share("c")));
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1.len(), 2);
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 2);
    }

    #[test]
    fn damage_in_the_middle_is_not_guessed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shares.jsonl");
        std::fs::write(&path, "nonsense\n{}\n").unwrap();
        let error = Journal::open(&path).err().unwrap().to_string();
        assert!(error.contains("line 1"), "{error}");
    }
}
