//! What a batch of announcements and withdrawals of one peer comes to. Pure: [`Before`] and a request in, a [`Plan`] out;
//! `announce` reads the one and carries out the other with a handful of statements, however long the batch.
//!
//! Withdrawals count before announcements, so that one request can replace a share. The plan is the difference between the
//! state before and the state after: a request that is repeated after a lost answer changes nothing.

use std::collections::{BTreeSet, HashMap};

use proto::directory::{Announce, Change, EntryResult, HoldingState, PatchFiles, PatchedFiles, SharesDigest, Withdraw};
use proto::ids::{ByteCount, FileId, FileName, PeerId, SourceUrl};

/// What everyone who announces a file must agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) size: ByteCount,
    pub(super) simulated: bool,
    pub(super) url: Option<String>,
}

/// What one peer has of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holding {
    pub(super) complete: bool,
    /// Never empty.
    pub(super) names: BTreeSet<FileName>,
}

/// The state that a request meets: of the files that it names, nothing else.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) facts: HashMap<FileId, Facts>,
    pub(super) holdings: HashMap<FileId, Holding>,
}

/// What has to change, and what to answer.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) answer: PatchedFiles,
    /// Nobody announced them before.
    pub(super) files_new: Vec<(FileId, Facts)>,
    /// Holdings to write, with their new state.
    pub(super) holdings_put: Vec<(FileId, bool)>,
    pub(super) holdings_gone: Vec<FileId>,
    pub(super) shares_new: Vec<(FileId, FileName)>,
    /// Of holdings that stay.
    pub(super) shares_gone: Vec<(FileId, FileName)>,
    /// Complete now and not before.
    pub(super) completed: Vec<FileId>,
    /// Complete before and not now.
    pub(super) uncompleted: Vec<FileId>,
    /// What the digest of the peer's shares changes by.
    pub(super) digest: SharesDigest,
    pub(super) events: Vec<Change>,
}

/// Plans a request of `peer`.
pub(super) fn plan(peer: PeerId, before: Before, request: &PatchFiles) -> Plan {
    let Before { mut facts, holdings } = before;
    let mut after = holdings.clone();
    let mut files_new = Vec::new();
    let removed = request.remove.iter().map(|entry| withdraw(&mut after, entry)).collect();
    let added = request.add.iter().map(|entry| announce(&mut facts, &mut after, &mut files_new, entry)).collect();
    let mut plan = Plan {
        answer: PatchedFiles { added, removed },
        files_new,
        holdings_put: Vec::new(),
        holdings_gone: Vec::new(),
        shares_new: Vec::new(),
        shares_gone: Vec::new(),
        completed: Vec::new(),
        uncompleted: Vec::new(),
        digest: SharesDigest::EMPTY,
        events: Vec::new(),
    };
    // In order of id: the same request always writes the same rows in the same order.
    let touched: BTreeSet<FileId> = holdings.keys().chain(after.keys()).copied().collect();
    for file in touched {
        plan.difference(peer, file, holdings.get(&file), after.get(&file));
    }
    plan
}

impl Plan {
    fn difference(&mut self, peer: PeerId, file: FileId, old: Option<&Holding>, new: Option<&Holding>) {
        if old == new {
            return;
        }
        self.digest += digest(file, new);
        self.digest -= digest(file, old);
        let complete = |holding: Option<&Holding>| holding.is_some_and(|holding| holding.complete);
        match (complete(old), complete(new)) {
            (false, true) => self.completed.push(file),
            (true, false) => self.uncompleted.push(file),
            _ => {}
        }
        let Some(new) = new else {
            self.holdings_gone.push(file);
            self.events.push(Change::FileWithdrawn { peer_id: peer, file_id: file });
            return;
        };
        if old.is_none_or(|old| old.complete != new.complete) {
            self.holdings_put.push((file, new.complete));
        }
        let none = BTreeSet::new();
        let names = old.map_or(&none, |old| &old.names);
        self.shares_new.extend(new.names.difference(names).map(|name| (file, name.clone())));
        self.shares_gone.extend(names.difference(&new.names).map(|name| (file, name.clone())));
        self.events.push(if new.complete {
            Change::FileAnnounced { peer_id: peer, file_id: file }
        } else {
            Change::FilePartial { peer_id: peer, file_id: file }
        });
    }
}

fn digest(file: FileId, holding: Option<&Holding>) -> SharesDigest {
    let Some(holding) = holding else { return SharesDigest::EMPTY };
    holding.names.iter().map(|name| SharesDigest::of(&file, name, state(holding.complete))).sum()
}

/// As it is announced.
pub(super) fn state(complete: bool) -> HoldingState {
    if complete { HoldingState::Complete } else { HoldingState::Partial }
}

fn withdraw(after: &mut HashMap<FileId, Holding>, entry: &Withdraw) -> EntryResult {
    if let Some(holding) = after.get_mut(&entry.file_id) {
        match &entry.name {
            Some(name) => drop(holding.names.remove(name)),
            None => holding.names.clear(),
        }
        if holding.names.is_empty() {
            after.remove(&entry.file_id);
        }
    }
    EntryResult { file_id: entry.file_id, refused: None }
}

fn announce(
    known: &mut HashMap<FileId, Facts>,
    after: &mut HashMap<FileId, Holding>,
    files_new: &mut Vec<(FileId, Facts)>,
    entry: &Announce,
) -> EntryResult {
    let refused = refusal(entry).or_else(|| disagreement(known.get(&entry.file_id)?, entry));
    if refused.is_none() {
        known.entry(entry.file_id).or_insert_with(|| {
            let facts = Facts { size: entry.size, simulated: entry.simulated, url: entry.url.clone() };
            files_new.push((entry.file_id, facts.clone()));
            facts
        });
        let complete = entry.state == HoldingState::Complete;
        let holding = after.entry(entry.file_id).or_insert_with(|| Holding { complete, names: BTreeSet::new() });
        holding.complete = complete;
        holding.names.insert(entry.name.clone());
    }
    EntryResult { file_id: entry.file_id, refused }
}

/// Why an entry is refused whatever the state.
fn refusal(entry: &Announce) -> Option<String> {
    if i64::try_from(entry.size.as_u64()).is_err() {
        return Some(format!("a size of {} bytes is beyond any file", entry.size.as_u64()));
    }
    match (&entry.url, entry.simulated) {
        (None, false) => None,
        (Some(_), false) => Some("only a simulated file has a URL".into()),
        (None, true) => Some("a simulated file needs a URL".into()),
        (Some(url), true) => simulated_refusal(url, entry),
    }
}

fn simulated_refusal(url: &str, entry: &Announce) -> Option<String> {
    if let Err(malformed) = url.parse::<SourceUrl>() {
        return Some(malformed.to_string());
    }
    if entry.state == HoldingState::Partial {
        return Some("a simulated file has no content that could be there in part".into());
    }
    (FileId::simulated(&entry.name, url, entry.size) != entry.file_id)
        .then(|| "the id does not follow from name, URL and size".into())
}

fn disagreement(known: &Facts, entry: &Announce) -> Option<String> {
    if known.simulated != entry.simulated {
        let kind = if known.simulated { "simulated" } else { "real" };
        return Some(format!("others announce this id as a {kind} file"));
    }
    (known.size != entry.size)
        .then(|| format!("others announce {} bytes under this id, not {}", known.size.as_u64(), entry.size.as_u64()))
}

/// Files that a request names, each once: what [`Before`] has to cover.
pub(super) fn named(request: &PatchFiles) -> Vec<FileId> {
    let added = request.add.iter().map(|entry| entry.file_id);
    let ids: BTreeSet<FileId> = added.chain(request.remove.iter().map(|entry| entry.file_id)).collect();
    ids.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        text.parse().unwrap()
    }

    fn entry(content: &str, state: HoldingState) -> Announce {
        Announce {
            file_id: FileId::of(content.as_bytes()),
            name: name(content),
            size: ByteCount::new(7),
            state,
            simulated: false,
            url: None,
        }
    }

    fn run(before: Before, add: Vec<Announce>, remove: Vec<Withdraw>) -> Plan {
        plan(PeerId::from_bytes([1; 20]), before, &PatchFiles { add, remove })
    }

    fn holding(content: &str, complete: bool) -> Before {
        let id = FileId::of(content.as_bytes());
        let facts = Facts { size: ByteCount::new(7), simulated: false, url: None };
        Before {
            facts: [(id, facts)].into(),
            holdings: [(id, Holding { complete, names: [name(content)].into() })].into(),
        }
    }

    #[test]
    fn what_is_there_already_changes_nothing() {
        let plan = run(holding("a", true), vec![entry("a", HoldingState::Complete)], vec![]);
        assert!(plan.events.is_empty() && plan.holdings_put.is_empty() && plan.shares_new.is_empty());
        let gone = Withdraw { file_id: FileId::of(b"never"), name: None };
        assert!(run(Before::default(), vec![], vec![gone]).events.is_empty());
    }

    #[test]
    fn a_partial_holder_is_counted_when_it_completes() {
        let first = run(Before::default(), vec![entry("a", HoldingState::Partial)], vec![]);
        assert_eq!((first.files_new.len(), first.completed.len(), first.holdings_put.len()), (1, 0, 1));
        let then = run(holding("a", false), vec![entry("a", HoldingState::Complete)], vec![]);
        assert_eq!((then.files_new.len(), then.completed.len(), then.shares_new.len()), (0, 1, 0));
        let back = run(holding("a", true), vec![entry("a", HoldingState::Partial)], vec![]);
        assert_eq!((back.uncompleted.len(), back.holdings_gone.len()), (1, 0));
    }

    #[test]
    fn one_request_renames_without_letting_go() {
        let renamed = Announce { name: name("b"), ..entry("a", HoldingState::Complete) };
        let old = Withdraw { file_id: renamed.file_id, name: Some(name("a")) };
        let plan = run(holding("a", true), vec![renamed], vec![old]);
        assert!(plan.holdings_gone.is_empty() && plan.uncompleted.is_empty() && plan.completed.is_empty());
        assert_eq!((plan.shares_new.len(), plan.shares_gone.len()), (1, 1));
    }

    #[test]
    fn the_last_name_takes_the_holding_along() {
        let old = Withdraw { file_id: FileId::of(b"a"), name: Some(name("a")) };
        let plan = run(holding("a", true), vec![], vec![old]);
        assert_eq!((plan.holdings_gone.len(), plan.uncompleted.len(), plan.shares_gone.len()), (1, 1, 0));
    }

    #[test]
    fn a_bad_entry_is_refused_alone() {
        let too_large = Announce { size: ByteCount::new(1 << 63), ..entry("b", HoldingState::Complete) };
        let other_size = Announce { size: ByteCount::new(8), ..entry("a", HoldingState::Complete) };
        let url = Announce { url: Some("http://x".into()), ..entry("c", HoldingState::Complete) };
        let forged = Announce { simulated: true, url: Some("http://x".into()), ..entry("d", HoldingState::Complete) };
        let good = entry("e", HoldingState::Complete);
        let plan = run(holding("a", true), vec![too_large, other_size, url, forged, good], vec![]);
        let refused: Vec<bool> = plan.answer.added.iter().map(|result| result.refused.is_some()).collect();
        assert_eq!(refused, [true, true, true, true, false]);
        assert_eq!(plan.files_new.len(), 1);
    }

    #[test]
    fn a_simulated_file_is_what_its_id_says() {
        let (name, url, size) = (name("film"), "https://example.org/film", ByteCount::new(5));
        let file_id = FileId::simulated(&name, url, size);
        let state = HoldingState::Complete;
        let entry = Announce { file_id, name, size, state, simulated: true, url: Some(url.into()) };
        assert_eq!(run(Before::default(), vec![entry], vec![]).answer.added[0].refused, None);
    }
}
