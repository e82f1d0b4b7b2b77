//! Requests about files without content: shared, unshared and fetched like others, as far as a person sees.

use std::path::PathBuf;
use std::sync::Arc;

use proto::control::{Download, Failure, FailureCode, Started, Unshared, Uploaded};
use proto::directory::{Announce, FileEntry};
use proto::ids::{PeerId, TransferId};
use proto::simulated::Simulated;

use super::dispatch::Desk;
use super::{failures, queries};
use crate::directory::resolve;
use crate::mailbox::PROMPT;
use crate::simulation::{self, actor::NotKept};
use crate::store::resume::Note;

/// Shares a simulated file.
pub(super) async fn upload(desk: &Desk, file: Simulated) -> Result<Uploaded, Failure> {
    queries::token(desk)?;
    let (file_id, name, size) = (file.id(), file.name.clone(), file.size);
    let version = ask(desk, |reply| simulation::Msg::Share { file, reply }).await?;
    let announced = desk.announced(version).await;
    Ok(Uploaded { file_id, name, size, simulated: true, announced })
}

/// The simulated file that a word means among those that this peer shares; nothing where it means none, or several.
pub(super) fn find(desk: &Desk, word: &str) -> Option<Arc<Announce>> {
    let catalog = desk.catalog.borrow().clone();
    let named = |file: &&Arc<Announce>| file.name.as_str() == word || file.file_id.to_string() == word;
    let prefixed =
        |file: &&Arc<Announce>| word.len() >= resolve::SHORTEST_PREFIX && file.file_id.to_string().starts_with(word);
    let only = |mut found: Vec<Arc<Announce>>| if found.len() == 1 { found.pop() } else { None };
    only(catalog.all_simulated().filter(named).cloned().collect())
        .or_else(|| only(catalog.all_simulated().filter(prefixed).cloned().collect()))
}

/// Shares it no more.
pub(super) async fn unshare(desk: &Desk, file: &Announce) -> Result<Unshared, Failure> {
    let file_id = file.file_id;
    let version = ask(desk, |reply| simulation::Msg::Unshare { file_id, reply }).await?;
    desk.announced(version).await;
    Ok(Unshared { file_id, name: file.name.clone() })
}

/// Starts a transfer that only pretends: of a simulated file, or of a real one of which somebody wants to see how it would go.
pub(super) async fn download(
    desk: &Desk,
    asked: &Download,
    entry: FileEntry,
    from: Vec<PeerId>,
) -> Result<Started, Failure> {
    if asked.output.is_some() || asked.force || asked.rate.is_some() {
        let failure =
            Failure::new(FailureCode::Usage, "a simulated transfer writes no file, at the pace of its holder");
        return Err(failure.hint("leave `-o`, `--force` and `--rate` out"));
    }
    let simulated = becomes(&entry).ok_or_else(|| {
        Failure::new(FailureCode::Internal, "what the directory says of this simulated file does not make its id")
    })?;
    let FileEntry { file_id, name, size, .. } = entry;
    let (transfer_id, path) = (TransferId(0), PathBuf::new());
    let wish = Note {
        transfer_id,
        file_id,
        name: name.clone(),
        size,
        path,
        force: false,
        from,
        simulated: Some(simulated),
        rate: None,
        paused: false,
    };
    let begun = desk.start(wish).await?;
    Ok(Started {
        transfer_id: begun.id,
        file_id,
        name,
        size,
        path: PathBuf::new(),
        joined: begun.joined,
        simulated: true,
    })
}

/// What the downloader holds afterwards.
fn becomes(entry: &FileEntry) -> Option<Simulated> {
    if !entry.simulated {
        return Some(Simulated::copy_of(entry.file_id, &entry.name, entry.size));
    }
    let url = entry.url.as_ref()?.parse().ok()?;
    let file = Simulated { name: entry.name.clone(), url, size: entry.size };
    (file.id() == entry.file_id).then_some(file)
}

async fn ask(desk: &Desk, question: impl FnOnce(simulation::actor::Asker) -> simulation::Msg) -> Result<u64, Failure> {
    let asked = desk.mail.simulation.ask(question, PROMPT).await.map_err(failures::away)?;
    asked.map_err(|error| {
        let code = match error {
            NotKept::State(_) => FailureCode::Io,
            NotKept::TooMany => FailureCode::Conflict,
            NotKept::Unknown => FailureCode::NotFound,
        };
        Failure::new(code, error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use proto::ids::{ByteCount, FileId};

    use super::*;

    #[test]
    fn a_holder_of_content_and_one_without_are_never_the_same() {
        let (name, url, size) = ("a", "http://x", ByteCount::new(5));
        let file = Simulated { name: name.parse().unwrap(), url: url.parse().unwrap(), size };
        let entry = FileEntry {
            file_id: file.id(),
            name: file.name.clone(),
            size,
            holders: 1,
            holders_up: 1,
            simulated: true,
            url: Some(url.into()),
        };
        assert_eq!(becomes(&entry), Some(file));
        assert_eq!(becomes(&FileEntry { url: Some("http://y".into()), ..entry.clone() }), None);
        let real = FileEntry { file_id: FileId::of(b"12345"), simulated: false, url: None, ..entry };
        assert_ne!(becomes(&real).map(|copy| copy.id()), Some(real.file_id));
    }
}
