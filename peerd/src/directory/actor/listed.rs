//! What the directory lists of this peer, as far as it has acknowledged. Pure.

use std::collections::{BTreeMap, HashMap};

use proto::directory::{Announce, HoldingState, PartDigests, SharesDigest, Withdraw, part_of};
use proto::ids::{FileId, FileName};

use crate::shares::Catalog;
use crate::shares::catalog::Changes;

/// What the directory lists: a catalog, but for what it refused.
#[derive(Debug, Clone, Default)]
pub struct Listed {
    catalog: Catalog,
    /// Version of this peer's catalog that was told; 0 where it was not told but read there.
    told: u64,
    refused: HashMap<FileId, BTreeMap<FileName, HoldingState>>,
}

impl Listed {
    /// All of this peer's catalog.
    pub(super) fn all(catalog: Catalog) -> Self {
        Self { told: catalog.version(), catalog, refused: HashMap::new() }
    }

    /// This, less some parts of the list: what is listed there has to be read. Nothing of it counts as told.
    pub(super) fn without_parts(&self, parts: &[u8]) -> Self {
        let mut refused = self.refused.clone();
        refused.retain(|id, _| !parts.contains(&part_of(id)));
        Self { told: 0, catalog: self.catalog.without_parts(parts), refused }
    }

    /// Something that was read there.
    pub(super) fn catalog_mut(&mut self) -> &mut Catalog {
        &mut self.catalog
    }

    /// Digests of the parts.
    pub(super) fn part_digests(&self) -> PartDigests {
        let refused = self.refused.iter().flat_map(|(id, names)| names.iter().map(|(name, state)| (*id, name, *state)));
        let refused = refused.map(|(id, name, state)| (id, SharesDigest::of(&id, name, state)));
        let mut parts = self.catalog.part_digests();
        parts -= PartDigests::of(refused);
        parts
    }

    /// Version of the catalog that it has acknowledged.
    pub(super) fn told(&self) -> u64 {
        self.told
    }

    /// What has to be told so that the directory lists `catalog`. What it refused once is not told again.
    pub(super) fn changes_to(&self, catalog: &Catalog) -> Changes {
        catalog.changes_since(&self.catalog)
    }

    /// After `changes` to `catalog`, of which the directory refused these.
    pub(super) fn after(&self, catalog: Catalog, changes: &Changes, refused: &[Announce]) -> Self {
        let mut kept = self.refused.clone();
        for Withdraw { file_id, name } in &changes.remove {
            match name {
                Some(name) => take(&mut kept, *file_id, name),
                None => drop(kept.remove(file_id)),
            }
        }
        for file in &changes.add {
            take(&mut kept, file.file_id, &file.name);
        }
        for file in refused {
            kept.entry(file.file_id).or_default().insert(file.name.clone(), file.state);
        }
        Self { told: catalog.version(), catalog, refused: kept }
    }

    /// Of what the directory lists, if both sides know the same.
    pub(super) fn digest(&self) -> SharesDigest {
        let mut digest = self.catalog.digest();
        for (id, names) in &self.refused {
            for (name, state) in names {
                digest -= SharesDigest::of(id, name, *state);
            }
        }
        digest
    }
}

fn take(refused: &mut HashMap<FileId, BTreeMap<FileName, HoldingState>>, id: FileId, name: &FileName) {
    if let Some(names) = refused.get_mut(&id) {
        names.remove(name);
        if names.is_empty() {
            refused.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proto::ids::ByteCount;

    use super::*;
    use crate::shares::Share;
    use crate::store::source::Stamp;

    fn catalog(names: &[&str]) -> Catalog {
        let mut catalog = Catalog::default();
        for name in names {
            let stamp = Stamp { size: ByteCount::new(1), modified_ns: 0 };
            let file_id = FileId::of(name.as_bytes());
            catalog.insert(Share { file_id, name: name.parse().unwrap(), path: "/".into(), stamp });
        }
        catalog
    }

    fn told(from: &Listed, to: &[&str], refused: &[&str]) -> Listed {
        let changes = from.changes_to(&catalog(to));
        let refused: Vec<Announce> =
            changes.add.iter().filter(|file| refused.contains(&file.name.as_str())).cloned().collect();
        from.after(catalog(to), &changes, &refused)
    }

    #[test]
    fn parts_tell_what_has_to_be_read() {
        let listed = told(&Listed::default(), &["a", "b", "c"], &["b"]);
        let [a, b] = ["a", "b"].map(|name| part_of(&FileId::of(name.as_bytes())));
        assert!(listed.part_digests().differing(&catalog(&["a", "c"]).part_digests()).is_empty());
        assert_eq!(listed.part_digests().differing(&catalog(&["b", "c"]).part_digests()), [a.min(b), a.max(b)]);
        let without = listed.without_parts(&[a]);
        assert_eq!((without.digest(), without.told()), (catalog(&["c"]).digest(), 0));
        assert_eq!(listed.without_parts(&[b]).digest(), catalog(&["a", "c"]).digest());
    }

    #[test]
    fn what_was_refused_is_not_listed() {
        let listed = told(&Listed::default(), &["a", "b", "c"], &["b"]);
        assert_eq!(listed.digest(), catalog(&["a", "c"]).digest());
        assert!(listed.changes_to(&catalog(&["a", "b", "c"])).is_empty(), "it is not told again and again");
        // It is still refused after other changes, until it is withdrawn, and taken once the directory takes it.
        let later = told(&listed, &["a", "b"], &[]);
        assert_eq!(later.digest(), catalog(&["a"]).digest());
        let without = told(&later, &["a"], &[]);
        assert_eq!(without.digest(), catalog(&["a"]).digest());
        assert_eq!(told(&without, &["a", "b"], &[]).digest(), catalog(&["a", "b"]).digest());
    }
}
