//! The catalog: an immutable snapshot of what is shared. Readers keep the one they have; the actor publishes the next.
//! Snapshots share structure, so a change among 100,000 shares costs a few tree nodes, and so does the difference of two.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use proto::directory::{Announce, HoldingState, Withdraw};
use proto::ids::{ByteCount, FileId, FileName};
use serde::{Deserialize, Serialize};

use crate::store::source::Stamp;

/// A file offered under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// Id of the content.
    pub file_id: FileId,
    /// Name that it is offered under.
    pub name: FileName,
    /// Where it lies.
    pub path: PathBuf,
    /// What it looked like when it was hashed.
    pub stamp: Stamp,
}

impl Share {
    /// Size of the content.
    pub const fn size(&self) -> ByteCount {
        self.stamp.size
    }
}

/// Every name of one file.
type Names = Arc<BTreeMap<FileName, Arc<Share>>>;

/// What is shared, as of one moment.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    version: u64,
    files: OrdMap<FileId, Names>,
    /// Files that are being fetched, and served as far as they are there.
    partials: OrdMap<FileId, Arc<Announce>>,
    /// Files without content. They are the simulation actor's; all else is the shares actor's.
    simulated: OrdMap<FileId, Arc<Announce>>,
}

impl Catalog {
    /// Counts changes: a later snapshot has a higher one.
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// Number of different files, simulated ones too.
    pub fn len(&self) -> usize {
        self.files.len() + self.simulated.len()
    }

    /// Whether nothing is shared.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One share of a file: any, for the bytes are the same.
    pub fn get(&self, id: FileId) -> Option<&Arc<Share>> {
        self.files.get(&id)?.values().next()
    }

    /// Every share of a file.
    pub fn shares_of(&self, id: FileId) -> impl Iterator<Item = &Arc<Share>> {
        self.files.get(&id).into_iter().flat_map(|names| names.values())
    }

    /// Every share of every file, in the order of the ids.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Share>> {
        self.files.values().flat_map(|names| names.values())
    }

    /// A simulated file.
    pub fn simulated(&self, id: FileId) -> Option<&Arc<Announce>> {
        self.simulated.get(&id)
    }

    /// Every simulated file, in the order of the ids.
    pub fn all_simulated(&self) -> impl Iterator<Item = &Arc<Announce>> {
        self.simulated.values()
    }

    /// Adds a share, or replaces the one of the same file and name.
    pub fn insert(&mut self, share: Share) {
        self.version += 1;
        let mut names = self.files.get(&share.file_id).map(|names| names.as_ref().clone()).unwrap_or_default();
        let id = share.file_id;
        names.insert(share.name.clone(), Arc::new(share));
        self.files.insert(id, Arc::new(names));
    }

    /// Adds a file that is being fetched.
    pub fn insert_partial(&mut self, file_id: FileId, name: FileName, size: ByteCount) {
        self.version += 1;
        let state = HoldingState::Partial;
        let partial = Announce { file_id, name, size, state, simulated: false, url: None };
        self.partials.insert(file_id, Arc::new(partial));
    }

    /// Takes it away: it is complete, or given up.
    pub fn remove_partial(&mut self, id: FileId) {
        if self.partials.remove(&id).is_some() {
            self.version += 1;
        }
    }

    /// Takes a share away; `None` if it is not there.
    pub fn remove(&mut self, id: FileId, name: &FileName) -> Option<Arc<Share>> {
        let mut names = self.files.get(&id)?.as_ref().clone();
        let share = names.remove(name)?;
        self.version += 1;
        if names.is_empty() {
            self.files.remove(&id)
        } else {
            self.files.insert(id, Arc::new(names))
        };
        Some(share)
    }

    /// Adds a simulated file.
    pub fn insert_simulated(&mut self, file: Announce) {
        self.version += 1;
        self.simulated.insert(file.file_id, Arc::new(file));
    }

    /// These shares as the successor of another snapshot, so that versions go on rising. Simulated files stay as they are
    /// there.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let version = before.version.max(self.version) + 1;
        Self { version, simulated: before.simulated.clone(), ..self }
    }

    /// The next snapshot, with these simulated files in place of those that there were.
    #[must_use]
    pub fn with_simulated(&self, files: impl Iterator<Item = Announce>) -> Self {
        let simulated = files.map(|file| (file.file_id, Arc::new(file))).collect();
        Self { version: self.version + 1, simulated, ..self.clone() }
    }

    /// What has to be told to somebody who knows the snapshot `known`.
    pub fn changes_since(&self, known: &Self) -> Changes {
        let mut changes = Changes::default();
        for item in known.files.diff(&self.files) {
            match item {
                DiffItem::Add(_, new) => changes.update(&BTreeMap::new(), new),
                DiffItem::Update { old: (_, old), new: (_, new) } => changes.update(old, new),
                DiffItem::Remove(id, _) => changes.remove.push(Withdraw { file_id: *id, name: None }),
            }
        }
        for item in known.partials.diff(&self.partials) {
            match item {
                // Who has all of it is not told to have some.
                DiffItem::Add(id, new) | DiffItem::Update { new: (id, new), .. } if !self.files.contains_key(id) => {
                    changes.add.push(new.as_ref().clone());
                }
                DiffItem::Remove(id, _) if !self.files.contains_key(id) => {
                    changes.remove.push(Withdraw { file_id: *id, name: None });
                }
                _ => {}
            }
        }
        for item in known.simulated.diff(&self.simulated) {
            match item {
                DiffItem::Add(_, new) | DiffItem::Update { new: (_, new), .. } => {
                    changes.add.push(new.as_ref().clone());
                }
                DiffItem::Remove(id, _) => changes.remove.push(Withdraw { file_id: *id, name: None }),
            }
        }
        changes
    }
}

/// The difference of two catalogs, as the directory takes it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New ones.
    pub add: Vec<Announce>,
    /// Gone ones.
    pub remove: Vec<Withdraw>,
}

impl Changes {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }

    fn update(&mut self, old: &BTreeMap<FileName, Arc<Share>>, new: &BTreeMap<FileName, Arc<Share>>) {
        let gone = old.values().filter(|share| !new.contains_key(&share.name));
        self.remove.extend(gone.map(|share| Withdraw { file_id: share.file_id, name: Some(share.name.clone()) }));
        let fresh = new.values().filter(|share| !old.contains_key(&share.name));
        self.add.extend(fresh.map(|share| announce(share)));
    }
}

/// A share as the directory is told of it.
fn announce(share: &Share) -> Announce {
    Announce {
        file_id: share.file_id,
        name: share.name.clone(),
        size: share.size(),
        state: HoldingState::Complete,
        simulated: false,
        url: None,
    }
}

#[cfg(test)]
mod tests {
    use proto::simulated::Simulated;

    use super::*;

    fn share(content: &str, name: &str) -> Share {
        Share {
            file_id: FileId::of(content.as_bytes()),
            name: name.parse().unwrap(),
            path: format!("/{name}").into(),
            stamp: Stamp { size: ByteCount::new(content.len() as u64), modified_ns: 0 },
        }
    }

    fn catalog(shares: &[(&str, &str)]) -> Catalog {
        let mut catalog = Catalog::default();
        for (content, name) in shares {
            catalog.insert(share(content, name));
        }
        catalog
    }

    #[test]
    fn one_content_under_two_names() {
        let mut both = catalog(&[("x", "a"), ("x", "b")]);
        assert_eq!((both.len(), both.iter().count()), (1, 2));
        let id = FileId::of(b"x");
        both.remove(id, &"a".parse().unwrap()).unwrap();
        assert_eq!(both.get(id).unwrap().name.as_str(), "b");
        both.remove(id, &"b".parse().unwrap()).unwrap();
        assert!(both.is_empty() && both.remove(id, &"b".parse().unwrap()).is_none());
    }

    #[test]
    fn changes_are_what_the_other_side_lacks() {
        let before = catalog(&[("x", "a"), ("x", "b"), ("y", "c")]);
        let after = catalog(&[("x", "a"), ("x", "d"), ("z", "e")]);
        let changes = after.changes_since(&before);
        let added: Vec<_> = changes.add.iter().map(|add| add.name.as_str()).collect();
        assert_eq!((added.contains(&"d"), added.contains(&"e"), added.len()), (true, true, 2));
        let gone: Vec<_> = changes.remove.iter().map(|gone| gone.name.as_ref().map(FileName::as_str)).collect();
        assert!(gone.contains(&Some("b")) && gone.contains(&None) && gone.len() == 2, "{gone:?}");
        assert!(after.changes_since(&after.clone()).is_empty());
    }

    #[test]
    fn what_is_fetched_is_told_until_it_is_there() {
        let id = FileId::of(b"x");
        let mut fetching = Catalog::default();
        fetching.insert_partial(id, "a".parse().unwrap(), ByteCount::new(1));
        let begun = fetching.changes_since(&Catalog::default());
        assert_eq!((begun.add[0].state, begun.add.len()), (HoldingState::Partial, 1));
        let mut there = fetching.clone();
        there.remove_partial(id);
        there.insert(share("x", "a"));
        let done = there.changes_since(&fetching);
        assert_eq!((done.add[0].state, done.remove.len()), (HoldingState::Complete, 0));
        let mut given_up = fetching.clone();
        given_up.remove_partial(id);
        assert_eq!(given_up.changes_since(&fetching).remove, [Withdraw { file_id: id, name: None }]);
    }

    #[test]
    fn simulated_files_are_told_too_and_outlive_other_changes() {
        let (name, url) = ("film".parse().unwrap(), "http://x".parse().unwrap());
        let film = Simulated { name, url, size: ByteCount::new(7) }.announce();
        let before = catalog(&[("x", "a")]);
        let with = before.with_simulated(std::iter::once(film.clone()));
        assert_eq!(with.changes_since(&before).add, std::slice::from_ref(&film));
        let later = catalog(&[("x", "a"), ("y", "b")]).after(&with);
        assert_eq!((later.simulated(film.file_id), later.len()), (Some(&Arc::new(film.clone())), 3));
        let without = later.with_simulated(std::iter::empty());
        assert_eq!(without.changes_since(&later).remove, [Withdraw { file_id: film.file_id, name: None }]);
        assert!(before.version() < with.version() && with.version() < later.version());
    }

    #[test]
    fn versions_rise() {
        let old = catalog(&[("x", "a"), ("y", "b")]);
        assert!(Catalog::default().after(&old).version() > old.version());
    }
}
