//! The catalog: an immutable snapshot of what is shared. Readers keep the one they have; the actor publishes the next.
//! Snapshots share structure, so a change among 100,000 shares costs a few tree nodes, and so does the difference of two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use proto::directory::{Announce, HoldingState, PartDigests, SharesDigest, Withdraw, part_of};
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
    /// Kept: of what is announced, simulated files apart.
    digest: SharesDigest,
    /// Kept: of simulated files.
    simulated_digest: SharesDigest,
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

    /// Of all that is announced.
    pub fn digest(&self) -> SharesDigest {
        [self.digest, self.simulated_digest].into_iter().sum()
    }

    /// Digests of the parts of all that is announced.
    pub fn part_digests(&self) -> PartDigests {
        let shared = self.files.iter().flat_map(|(id, names)| names.keys().map(|name| (*id, name)));
        let shared = shared.map(|(id, name)| (id, SharesDigest::of(&id, name, HoldingState::Complete)));
        let fetched = self.partials.values().filter(|file| !self.files.contains_key(&file.file_id));
        let others = fetched.chain(self.simulated.values());
        PartDigests::of(shared.chain(others.map(|file| (file.file_id, digest_of(file)))))
    }

    /// The same without the files of these parts.
    #[must_use]
    pub fn without_parts(&self, parts: &[u8]) -> Self {
        let mut without = self.clone();
        let all = self.files.keys().chain(self.partials.keys()).chain(self.simulated.keys());
        for id in all.filter(|id| parts.contains(&part_of(id))) {
            without.forget(*id);
        }
        without
    }

    fn forget(&mut self, id: FileId) {
        for file in self.announced(id).values() {
            let digest = if file.simulated { &mut self.simulated_digest } else { &mut self.digest };
            *digest -= digest_of(file);
        }
        self.files.remove(&id);
        self.partials.remove(&id);
        self.simulated.remove(&id);
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
        let id = share.file_id;
        if !self.files.contains_key(&id) {
            self.hide_partial(id);
        }
        let mut names = self.files.get(&id).map(|names| names.as_ref().clone()).unwrap_or_default();
        let complete = SharesDigest::of(&id, &share.name, HoldingState::Complete);
        if names.insert(share.name.clone(), Arc::new(share)).is_none() {
            self.digest += complete;
        }
        self.files.insert(id, Arc::new(names));
    }

    /// Adds a file that is being fetched.
    pub fn insert_partial(&mut self, file_id: FileId, name: FileName, size: ByteCount) {
        self.version += 1;
        let state = HoldingState::Partial;
        let partial = Announce { file_id, name, size, state, simulated: false, url: None };
        let told = !self.files.contains_key(&file_id);
        if told {
            self.hide_partial(file_id);
            self.digest += digest_of(&partial);
        }
        self.partials.insert(file_id, Arc::new(partial));
    }

    /// Takes it away: it is complete, or given up.
    pub fn remove_partial(&mut self, id: FileId) {
        if !self.files.contains_key(&id) {
            self.hide_partial(id);
        }
        if self.partials.remove(&id).is_some() {
            self.version += 1;
        }
    }

    /// Who has all of it is not told to have some.
    fn hide_partial(&mut self, id: FileId) {
        if let Some(partial) = self.partials.get(&id) {
            self.digest -= digest_of(partial);
        }
    }

    /// Takes a share away; `None` if it is not there.
    pub fn remove(&mut self, id: FileId, name: &FileName) -> Option<Arc<Share>> {
        let mut names = self.files.get(&id)?.as_ref().clone();
        let share = names.remove(name)?;
        self.version += 1;
        self.digest -= SharesDigest::of(&id, name, HoldingState::Complete);
        if names.is_empty() {
            self.files.remove(&id);
            if let Some(partial) = self.partials.get(&id) {
                self.digest += digest_of(partial);
            }
        } else {
            self.files.insert(id, Arc::new(names));
        }
        Some(share)
    }

    /// Adds a simulated file.
    pub fn insert_simulated(&mut self, file: Announce) {
        self.version += 1;
        self.simulated_digest += digest_of(&file);
        if let Some(old) = self.simulated.insert(file.file_id, Arc::new(file)) {
            self.simulated_digest -= digest_of(&old);
        }
    }

    /// These shares as the successor of another snapshot, so that versions go on rising. Simulated files stay as they are
    /// there.
    #[must_use]
    pub fn after(self, before: &Self) -> Self {
        let version = before.version.max(self.version) + 1;
        let (simulated, simulated_digest) = (before.simulated.clone(), before.simulated_digest);
        Self { version, simulated, simulated_digest, ..self }
    }

    /// The next snapshot, with these simulated files in place of those that there were.
    #[must_use]
    pub fn with_simulated(&self, files: impl Iterator<Item = Announce>) -> Self {
        let simulated: OrdMap<FileId, Arc<Announce>> = files.map(|file| (file.file_id, Arc::new(file))).collect();
        let simulated_digest = simulated.values().map(|file| digest_of(file)).sum();
        Self { version: self.version + 1, simulated, simulated_digest, ..self.clone() }
    }

    /// What has to be told to somebody who knows the snapshot `known`.
    pub fn changes_since(&self, known: &Self) -> Changes {
        let mut touched = BTreeSet::new();
        touched.extend(known.files.diff(&self.files).map(|item| id_of(&item)));
        touched.extend(known.partials.diff(&self.partials).map(|item| id_of(&item)));
        touched.extend(known.simulated.diff(&self.simulated).map(|item| id_of(&item)));
        let mut changes = Changes::default();
        for id in touched {
            changes.of_file(id, &known.announced(id), self.announced(id));
        }
        changes
    }

    /// Under which names a file is announced.
    fn announced(&self, id: FileId) -> BTreeMap<FileName, Announce> {
        let shared = self.shares_of(id).map(|share| announce(share));
        let simulated = self.simulated(id).map(|file| file.as_ref().clone());
        // Who has all of it is not told to have some.
        let partial = self.partials.get(&id).filter(|_| !self.files.contains_key(&id));
        let partial = partial.map(|file| file.as_ref().clone());
        shared.chain(simulated).chain(partial).map(|file| (file.name.clone(), file)).collect()
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

    fn of_file(&mut self, id: FileId, old: &BTreeMap<FileName, Announce>, new: BTreeMap<FileName, Announce>) {
        if new.is_empty() {
            self.remove.extend((!old.is_empty()).then_some(Withdraw { file_id: id, name: None }));
            return;
        }
        let gone = old.keys().filter(|name| !new.contains_key(*name));
        self.remove.extend(gone.map(|name| Withdraw { file_id: id, name: Some(name.clone()) }));
        let is_known = |file: &Announce| old.get(&file.name).is_some_and(|known| known.state == file.state);
        self.add.extend(new.into_values().filter(|file| !is_known(file)));
    }
}

fn id_of<V>(item: &DiffItem<'_, '_, FileId, V>) -> FileId {
    match item {
        DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { new: (id, _), .. } => **id,
    }
}

fn digest_of(file: &Announce) -> SharesDigest {
    SharesDigest::of(&file.file_id, &file.name, file.state)
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
    fn a_file_that_is_kept_under_another_name_loses_the_one_it_was_fetched_under() {
        let id = FileId::of(b"x");
        let mut fetching = Catalog::default();
        fetching.insert_partial(id, "wanted".parse().unwrap(), ByteCount::new(1));
        let mut there = fetching.clone();
        there.insert(share("x", "kept"));
        let done = there.changes_since(&fetching);
        assert_eq!(done.remove, [Withdraw { file_id: id, name: Some("wanted".parse().unwrap()) }]);
        assert_eq!((done.add.len(), done.add[0].name.as_str()), (1, "kept"));
        // What was shared is given up while it is being fetched once more.
        let mut again = there.clone();
        again.remove(id, &"kept".parse().unwrap()).unwrap();
        let back = again.changes_since(&there);
        assert_eq!((back.add[0].state, back.add[0].name.as_str()), (HoldingState::Partial, "wanted"));
        assert_eq!(back.remove, [Withdraw { file_id: id, name: Some("kept".parse().unwrap()) }]);
    }

    /// As a sum over all that is announced, not as it was kept.
    fn counted(catalog: &Catalog) -> SharesDigest {
        let everything = catalog.changes_since(&Catalog::default());
        assert!(everything.remove.is_empty());
        everything.add.iter().map(digest_of).sum()
    }

    proptest::proptest! {
        #[test]
        fn the_digest_follows_whatever_happens(steps in proptest::collection::vec((0_u8..6, 0_u8..4, 0_u8..3), 0..100)) {
            let (mut catalog, mut published) = (Catalog::default(), Catalog::default());
            for (step, file, name) in steps {
                let (content, name) = (file.to_string(), format!("n{name}"));
                let id = FileId::of(content.as_bytes());
                match step {
                    0 => catalog.insert(share(&content, &name)),
                    1 => drop(catalog.remove(id, &name.parse().unwrap())),
                    2 => catalog.insert_partial(id, name.parse().unwrap(), ByteCount::new(1)),
                    3 => catalog.remove_partial(id),
                    4 => {
                        let url = format!("http://{content}").parse().unwrap();
                        let film = Simulated { name: name.parse().unwrap(), url, size: ByteCount::new(1) }.announce();
                        catalog.insert_simulated(film.clone());
                        published = published.with_simulated([film].into_iter());
                    }
                    _ => published = catalog.clone().after(&published),
                }
                proptest::prop_assert_eq!(catalog.digest(), counted(&catalog));
                proptest::prop_assert_eq!(published.digest(), counted(&published));
            }
            let other = PartDigests::of(std::iter::empty());
            for part in catalog.part_digests().differing(&other) {
                let without = catalog.without_parts(&[part]);
                proptest::prop_assert_eq!(without.digest(), counted(&without));
                proptest::prop_assert_eq!(without.part_digests().differing(&catalog.part_digests()), [part]);
            }
            let changes = catalog.changes_since(&published);
            proptest::prop_assert_eq!(changes.is_empty(), catalog.digest() == published.digest());
        }
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
