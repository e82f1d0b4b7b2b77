//! What a word that is being typed could become. A person waits for it between two keys, so no answer grows with the fleet:
//! there are the first words, and the last one, which tells together with the first what all of them begin with.

use std::collections::BTreeMap;
use std::fmt::Display;

use proto::control::{Completable, Complete, Completion, Completions, Failure};
use proto::directory::FileEntry;
use proto::ids::{FileName, UserName};

use super::dispatch::Desk;
use super::{failures, queries};
use crate::directory::ClientError;
use crate::directory::client::{FileQuery, Order, PeerQuery};
use crate::directory::resolve::{begins_file_id, begins_peer_id};
use crate::shares::Catalog;

/// Words before the last one. With it, and a sign for those between, they are as many as are shown without a question first.
const MOST: usize = 98;
const PAGE: Option<u32> = Some(98);

pub(super) async fn complete(desk: &Desk, asked: &Complete) -> Result<Completions, Failure> {
    match asked.kind {
        Completable::OwnFile => Ok(own_files(&desk.catalog.borrow().clone(), &asked.start)),
        Completable::File => files(desk, &asked.start).await,
        Completable::Peer => peers(desk, &asked.start).await,
    }
}

/// Words in their order; of one word for several things, the first counts.
#[derive(Default)]
struct Words {
    ids: BTreeMap<String, String>,
    more: bool,
}

impl Words {
    fn add(&mut self, word: impl Into<String>, id: impl Display) {
        self.ids.entry(word.into()).or_insert_with(|| id.to_string());
    }

    fn into_completions(mut self) -> Completions {
        let last = self.ids.pop_last();
        let more = self.more || self.ids.len() > MOST;
        let words = self.ids.into_iter().take(MOST).chain(last);
        Completions { words: words.map(|(word, id)| Completion { word, id }).collect(), more }
    }
}

/// What anybody shares.
async fn files(desk: &Desk, start: &str) -> Result<Completions, Failure> {
    let failed = |error: ClientError| failures::directory(&error);
    let token = queries::token(desk)?;
    let mut words = Words::default();
    let (user, name) = start.split_once('/').map_or((None, start), |(user, name)| (Some(user), name));
    if can_begin(user, name) {
        let (user_name, starts) = (user.map(str::to_owned), Some(name.to_owned()));
        let query = FileQuery { user: user_name, starts, limit: PAGE, ..FileQuery::default() };
        let word = |name: &FileName| user.map_or_else(|| name.to_string(), |user| format!("{user}/{name}"));
        let mut page = desk.client.files(&token, &query).await.map_err(failed)?;
        if page.next.is_some() {
            words.more = true;
            let last = FileQuery { limit: Some(1), order: Some(Order::Desc), ..query };
            page.items.extend(desk.client.files(&token, &last).await.map_err(failed)?.items);
        }
        for FileEntry { name, file_id, .. } in &page.items {
            words.add(word(name), file_id);
        }
    }
    if begins_file_id(start) {
        let query = FileQuery { prefix: Some(start.to_owned()), limit: PAGE, ..FileQuery::default() };
        let page = desk.client.files(&token, &query).await.map_err(failed)?;
        // Listed by name, so that a part of them tells nothing of the rest. There is hardly ever more than one.
        for entry in page.items.iter().filter(|_| page.next.is_none()) {
            words.add(entry.file_id.to_string(), entry.file_id);
        }
    }
    Ok(words.into_completions())
}

/// Whether there can be a file of which this is the beginning.
fn can_begin(user: Option<&str>, name: &str) -> bool {
    let fits = name.len() <= FileName::LONGEST && !name.contains(['/', '\0']);
    fits && user.is_none_or(|user| user.parse::<UserName>().is_ok())
}

/// What this peer shares. It knows that itself.
fn own_files(catalog: &Catalog, start: &str) -> Completions {
    let mut words = Words::default();
    let real = catalog.iter().map(|share| (&share.name, share.file_id));
    for (name, id) in real.chain(catalog.all_simulated().map(|file| (&file.name, file.file_id))) {
        if name.as_str().starts_with(start) {
            words.add(name.to_string(), id);
        }
        if begins_file_id(start) && id.to_string().starts_with(start) {
            words.add(id.to_string(), id);
        }
    }
    words.into_completions()
}

/// Peers that are up.
async fn peers(desk: &Desk, start: &str) -> Result<Completions, Failure> {
    let failed = |error: ClientError| failures::directory(&error);
    let token = queries::token(desk)?;
    let (state, starts) = (Some("up"), Some(start.to_owned()));
    let query = PeerQuery { state, starts, limit: PAGE, ..PeerQuery::default() };
    let mut words = Words::default();
    if start.len() <= FileName::LONGEST && !start.contains('\0') {
        let mut page = desk.client.peers(&token, &query).await.map_err(failed)?;
        if page.next.is_some() {
            words.more = true;
            let last = PeerQuery { limit: Some(1), order: Some(Order::Desc), ..query.clone() };
            page.items.extend(desk.client.peers(&token, &last).await.map_err(failed)?.items);
        }
        page.items.iter().for_each(|peer| words.add(peer.name.to_string(), peer.peer_id));
    }
    if begins_peer_id(start) {
        let query = PeerQuery { starts: None, prefix: Some(start.to_owned()), ..query };
        let page = desk.client.peers(&token, &query).await.map_err(failed)?;
        for peer in page.items.iter().filter(|_| page.next.is_none()) {
            words.add(peer.peer_id.to_string(), peer.peer_id);
        }
    }
    Ok(words.into_completions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_words_are_the_first_and_the_last() {
        let words = |count: usize, more| {
            let mut words = Words { more, ..Words::default() };
            (0..count).rev().for_each(|number| words.add(format!("w{number:05}"), number));
            words.add("w00000", "a second thing of this name");
            words.into_completions()
        };
        let all = words(MOST + 1, false);
        assert_eq!((all.words.len(), all.more), (MOST + 1, false));
        assert_eq!(all.words[0], Completion { word: "w00000".into(), id: "0".into() });
        let some = words(10_000, false);
        assert_eq!((some.words.len(), some.more), (MOST + 1, true));
        assert_eq!((some.words[MOST - 1].word.as_str(), some.words[MOST].word.as_str()), ("w00097", "w09999"));
        assert!(words(5, true).more);
        assert_eq!(Words::default().into_completions(), Completions::default());
    }

    #[test]
    fn what_cannot_begin_a_name_is_not_asked_for() {
        for (start, fits) in [
            ((None, ""), true),
            ((Some("ana"), "da"), true),
            ((Some("-a"), "da"), false),
            ((Some(""), "da"), false),
            ((Some("ana"), "a/b"), false),
            ((None, "a\0"), false),
        ] {
            assert_eq!(can_begin(start.0, start.1), fits, "{start:?}");
        }
        assert!(!can_begin(None, &"x".repeat(256)));
    }
}
