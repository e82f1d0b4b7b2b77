//! Names in their order, each with its entry as JSON. Pure.
//!
//! A key is the name, a zero byte, and the id: as bytes they lie in the order of (name, id), for no name has that byte.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Bound;

use proto::directory::FileEntry;
use proto::ids::FileId;

use crate::db::{After, FileFilter};

/// What a name takes beside its texts: three allocations, and places in two trees.
const OVERHEAD: usize = 150;
/// What an entry takes in a page, about, bytes.
const USUAL: usize = 240;

#[derive(Default)]
pub(super) struct Names {
    /// By key.
    entries: BTreeMap<Box<[u8]>, Box<[u8]>>,
    /// Id and name: which names a file has.
    of_files: BTreeSet<Box<[u8]>>,
    size: usize,
    /// Sum of the marks of all entries: equal lists are told in no time, however long.
    sum: u64,
}

/// A name, ready to be put in.
pub(super) struct Row {
    key: Box<[u8]>,
    of_file: Box<[u8]>,
    json: Box<[u8]>,
}

/// Where to go, and which way.
pub(crate) struct Stretch {
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
    backwards: bool,
}

/// What a listing asks for, as a stretch of keys; `None` where it asks for more than where names begin.
pub(crate) fn stretch(filter: &FileFilter, after: Option<&After>) -> Option<Stretch> {
    let FileFilter { search: None, starts, name, ids: None, user: None, backwards } = filter else { return None };
    let prefix = match (starts, name) {
        (None, None) => None,
        (Some(starts), None) => Some(starts.as_bytes().to_vec()),
        (None, Some(name)) => Some(key(name.as_str(), b"").into()),
        (Some(_), Some(_)) => return None,
    };
    let (mut from, mut to) = (Bound::Unbounded, Bound::Unbounded);
    if let Some(prefix) = prefix {
        let mut behind = prefix.clone();
        // No byte of a text is the largest one.
        *behind.last_mut()? += 1;
        (from, to) = (Bound::Included(prefix), Bound::Excluded(behind));
    }
    if let Some(After { name, id }) = after {
        let key = key(name, id).into_vec();
        if *backwards {
            to = match to {
                Bound::Excluded(behind) if behind < key => Bound::Excluded(behind),
                _ => Bound::Excluded(key),
            };
        } else {
            from = match from {
                Bound::Included(prefix) if prefix > key => Bound::Included(prefix),
                _ => Bound::Excluded(key),
            };
        }
    }
    Some(Stretch { from, to, backwards: *backwards })
}

impl Stretch {
    fn is_empty(&self) -> bool {
        let ends = |bound: &Bound<Vec<u8>>| match bound {
            Bound::Included(key) | Bound::Excluded(key) => Some(key.clone()),
            Bound::Unbounded => None,
        };
        matches!((ends(&self.from), ends(&self.to)), (Some(from), Some(to)) if from >= to)
    }
}

impl Names {
    /// Bytes that all of it takes, about.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// [`proto::directory::Page`] as JSON.
    pub(super) fn page(&self, stretch: &Stretch, limit: usize, cursor: impl FnOnce(&After) -> String) -> Vec<u8> {
        // A tree does not take a stretch that ends before it begins.
        if stretch.is_empty() {
            return written(std::iter::empty(), 0, cursor);
        }
        let limit = limit.min(self.entries.len());
        let bounds = (stretch.from.as_ref().map(Vec::as_slice), stretch.to.as_ref().map(Vec::as_slice));
        let entries = self.entries.range::<[u8], _>(bounds);
        if stretch.backwards { written(entries.rev(), limit, cursor) } else { written(entries, limit, cursor) }
    }

    /// Puts in what these files are now, and takes away other names that they had; whether that is any different.
    pub(super) fn replace(&mut self, files: &[FileId], rows: Vec<Row>) -> bool {
        let staying: HashSet<&[u8]> = rows.iter().map(|row| &*row.of_file).collect();
        let mut gone = Vec::new();
        for file in files {
            let names = self.of_files.range::<[u8], _>((Bound::Included(file.as_bytes().as_slice()), Bound::Unbounded));
            let names = names.take_while(|name| name.starts_with(file.as_bytes()));
            gone.extend(names.filter(|name| !staying.contains(&***name)).cloned());
        }
        drop(staying);
        let mut differs = !gone.is_empty();
        for name in gone {
            self.remove(&name);
        }
        for row in rows {
            differs |= self.put(row);
        }
        differs
    }

    /// Whether that is any different.
    pub(super) fn put(&mut self, row: Row) -> bool {
        let Row { key, of_file, json } = row;
        let (size, length) = (key.len() + of_file.len() + OVERHEAD, json.len());
        self.sum = self.sum.wrapping_add(mark(&key, &json));
        if let Some(known) = self.entries.get_mut(&key) {
            let differs = *known != json;
            self.size = self.size - known.len() + length;
            self.sum = self.sum.wrapping_sub(mark(&key, known));
            *known = json;
            return differs;
        }
        self.entries.insert(key, json);
        self.of_files.insert(of_file);
        self.size += size + length;
        true
    }

    fn remove(&mut self, of_file: &[u8]) {
        let (id, name) = of_file.split_at(FileId::LEN);
        let key = [name, b"\0", id].concat();
        self.of_files.remove(of_file);
        if let Some(json) = self.entries.remove(key.as_slice()) {
            self.size -= key.len() + of_file.len() + OVERHEAD + json.len();
            self.sum = self.sum.wrapping_sub(mark(&key, &json));
        }
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        (self.entries.len(), self.sum) == (other.entries.len(), other.sum)
    }
}

impl Row {
    pub(super) fn new(entry: &FileEntry) -> Self {
        let (name, id) = (entry.name.as_str(), entry.file_id.as_bytes().as_slice());
        Self {
            key: key(name, id),
            of_file: [id, name.as_bytes()].concat().into(),
            // A struct of texts and numbers can be written.
            json: serde_json::to_vec(entry).unwrap_or_default().into(),
        }
    }
}

/// The same for the same entry, in every list.
fn mark(key: &[u8], json: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, json).hash(&mut hasher);
    hasher.finish()
}

fn key(name: &str, id: &[u8]) -> Box<[u8]> {
    [name.as_bytes(), b"\0", id].concat().into()
}

fn written<'a>(
    mut entries: impl Iterator<Item = (&'a Box<[u8]>, &'a Box<[u8]>)>,
    limit: usize,
    cursor: impl FnOnce(&After) -> String,
) -> Vec<u8> {
    let mut text = Vec::with_capacity(128 + USUAL * limit);
    let mut last: Option<&[u8]> = None;
    text.extend_from_slice(b"{\"items\":[");
    for (key, json) in entries.by_ref().take(limit) {
        if last.is_some() {
            text.push(b',');
        }
        text.extend_from_slice(json);
        last = Some(key);
    }
    text.extend_from_slice(b"],\"next\":");
    match entries.next().and(last).and_then(behind) {
        // It has no characters in it that JSON would write otherwise.
        Some(after) => {
            text.push(b'"');
            text.extend_from_slice(cursor(&after).as_bytes());
            text.push(b'"');
        }
        None => text.extend_from_slice(b"null"),
    }
    text.push(b'}');
    text
}

/// Where the page behind a key begins. Every key has the parts that are looked for.
fn behind(key: &[u8]) -> Option<After> {
    let (rest, id) = key.split_at_checked(key.len().checked_sub(FileId::LEN)?)?;
    let name = std::str::from_utf8(rest.strip_suffix(b"\0")?).ok()?;
    Some(After { name: name.to_owned(), id: id.to_vec() })
}
