use proto::directory::Page;
use proto::ids::ByteCount;

use super::*;
use crate::db::FileFilter;

fn file(content: &str) -> FileId {
    FileId::of(content.as_bytes())
}

fn entry(content: &str, name: &str, holders: u64) -> FileEntry {
    FileEntry {
        file_id: file(content),
        name: name.parse().unwrap(),
        size: ByteCount::mib(1),
        holders,
        holders_up: holders,
        simulated: false,
        url: None,
    }
}

/// As `routes` would write it, but to be read in a test.
fn cursor(after: &After) -> String {
    format!("{}/{}", after.name, after.id.len())
}

fn whole() -> Stretch {
    stretch(&FileFilter::default(), None).unwrap()
}

/// What is read of a whole list.
fn read(entries: &[FileEntry]) -> Renewed {
    let mut names = Names::default();
    for entry in entries {
        names.put(Row::new(entry));
    }
    Renewed::All(names)
}

fn kept(entries: &[FileEntry]) -> Listing {
    let listing = Listing::default();
    let due = listing.due(Instant::now()).unwrap();
    listing.renewed(&due, read(entries));
    listing
}

impl Listing {
    fn at(&self, now: Instant) -> Option<(String, Page<FileEntry>)> {
        let told = self.page(&whole(), 100, now, |_| false, cursor)?;
        Some((told.tag, serde_json::from_slice(&told.page.unwrap()).unwrap()))
    }

    fn now(&self) -> Option<(String, Page<FileEntry>)> {
        self.at(Instant::now())
    }

    fn changed_files(&self) -> (Due, Vec<FileId>) {
        let due = self.due(Instant::now()).unwrap();
        let What::Changed { files, .. } = &due.what else { panic!("all of it is due") };
        let files = files.clone();
        (due, files)
    }
}

#[test]
fn a_page_is_what_the_database_would_say() {
    let all = [entry("1", "a", 1), entry("2", "ab", 2), entry("3", "b", 3), entry("4", "日", 4)];
    let listing = kept(&all);
    let page = |filter: FileFilter, after: Option<&str>, limit| {
        let after = after.map(|name| After { name: name.to_owned(), id: vec![0xff; 32] });
        let stretch = stretch(&filter, after.as_ref()).unwrap();
        let told = listing.page(&stretch, limit, Instant::now(), |_| false, cursor).unwrap();
        let page: Page<FileEntry> = serde_json::from_slice(&told.page.unwrap()).unwrap();
        (page.items.iter().map(|entry| entry.name.to_string()).collect::<Vec<_>>().join(" "), page.next)
    };
    let (plain, backwards) = (FileFilter::default, || FileFilter { backwards: true, ..FileFilter::default() });
    let starts = |text: &str| FileFilter { starts: Some(text.to_owned()), ..FileFilter::default() };
    let whole: Page<FileEntry> = listing.now().unwrap().1;
    assert_eq!(whole, Page { items: all.to_vec(), next: None });
    assert_eq!(page(plain(), None, 2), ("a ab".into(), Some("ab/32".into())));
    assert_eq!(page(plain(), Some("ab"), 2), ("b 日".into(), None));
    assert_eq!(page(plain(), Some("zz"), 1), ("日".into(), None));
    assert_eq!(page(plain(), Some("日"), 1), (String::new(), None));
    assert_eq!(page(backwards(), None, 3), ("日 b ab".into(), Some("ab/32".into())));
    assert_eq!(page(backwards(), Some("aa"), 3), ("a".into(), None));
    assert_eq!(page(starts("a"), None, 9), ("a ab".into(), None));
    assert_eq!(page(starts("a"), Some("a"), 9), ("ab".into(), None));
    assert_eq!(page(starts("b"), Some("a"), 9), ("b".into(), None));
    assert_eq!(page(starts("a"), Some("b"), 9), (String::new(), None));
    assert_eq!(page(FileFilter { backwards: true, ..starts("a") }, Some("b"), 9), ("ab a".into(), None));
    assert_eq!(page(FileFilter { backwards: true, ..starts("b") }, Some("a"), 9), (String::new(), None));
    assert_eq!(page(FileFilter { name: Some("a".parse().unwrap()), ..plain() }, None, 9), ("a".into(), None));
    let search = FileFilter { search: Some("a".to_owned()), ..plain() };
    assert!(stretch(&search, None).is_none(), "the database searches");
}

#[test]
fn a_change_shows_or_the_database_is_asked() {
    let listing = kept(&[entry("1", "a", 1), entry("2", "b", 1)]);
    let (tag, _) = listing.now().unwrap();
    let has = |known: &str| known == tag;
    let told = listing.page(&whole(), 9, Instant::now(), has, cursor).unwrap();
    assert!(told.page.is_none() && told.tag == tag);
    listing.files_changed([file("1")]);
    assert!(listing.now().is_none());
    let (due, files) = listing.changed_files();
    assert_eq!(files, [file("1")]);
    assert!(listing.now().is_none() && listing.due(Instant::now()).is_none(), "one reads, the others ask the database");
    listing.put(&due, &files, &[entry("1", "a", 2), entry("1", "c", 2)]);
    listing.files_changed([file("2")]);
    listing.renewed(&due, Renewed::Changed);
    assert!(listing.now().is_none(), "what changed meanwhile was not read");
    let (due, files) = listing.changed_files();
    listing.put(&due, &files, &[]);
    listing.renewed(&due, Renewed::Changed);
    let (changed, page) = listing.now().unwrap();
    assert_eq!(page.items, [entry("1", "a", 2), entry("1", "c", 2)]);
    assert_ne!(changed, tag);
    // What turns out to be the same is no change.
    listing.files_changed([file("1")]);
    let (due, files) = listing.changed_files();
    listing.put(&due, &files, &page.items);
    listing.renewed(&due, Renewed::Changed);
    assert_eq!(listing.now(), Some((changed, page)));
}

#[test]
fn what_was_read_before_an_end_is_not_kept() {
    let listing = Listing::default();
    let due = listing.due(Instant::now()).unwrap();
    listing.forget_all();
    listing.renewed(&due, read(&[entry("1", "a", 1)]));
    assert!(listing.now().is_none());
    let listing = kept(&[entry("1", "a", 1)]);
    listing.files_changed([file("1")]);
    let (due, files) = listing.changed_files();
    listing.forget_all();
    listing.put(&due, &files, &[]);
    listing.renewed(&due, Renewed::Changed);
    assert!(listing.now().is_none());
    assert!(matches!(listing.due(Instant::now()).unwrap().what, What::All));
}

#[test]
fn nothing_lasts_for_ever_and_renewing_it_holds_nobody_up() {
    let (listing, start) = (kept(&[entry("1", "a", 1)]), Instant::now());
    assert!(listing.due(start).is_none() && listing.at(start + LIFE).is_none());
    let half = start + LIFE / 2;
    let due = listing.due(half).unwrap();
    let (tag, _) = listing.at(half).unwrap();
    listing.renewed(&due, read(&[entry("1", "a", 1)]));
    assert_eq!(listing.at(start + LIFE).unwrap().0, tag, "nothing is different");
    let failed = listing.due(start + LIFE).unwrap();
    listing.renewed(&failed, Renewed::Failed);
    assert!(listing.at(start + LIFE).is_none() && listing.due(start + LIFE).is_none());
    assert!(listing.due(start + LIFE + RETRY).is_some());
}

#[test]
fn memory_is_bounded() {
    let listing = kept(&[]);
    listing.files_changed((0..=MOST_FILES).map(|number| file(&number.to_string())));
    let due = listing.due(Instant::now()).unwrap();
    assert!(matches!(due.what, What::All));
    listing.renewed(&due, Renewed::TooMany);
    assert!(listing.due(Instant::now()).is_none());
    let mut names = Names::default();
    let entries: Vec<FileEntry> = (0..500).map(|n| entry(&n.to_string(), &format!("name {n}"), n)).collect();
    for entry in &entries {
        names.put(Row::new(entry));
        names.put(Row::new(&FileEntry { holders: entry.holders + 1000, ..entry.clone() }));
    }
    let size = names.size();
    assert!((150_000..300_000).contains(&size), "{size}");
    let ids: Vec<FileId> = entries.iter().map(|entry| entry.file_id).collect();
    assert!(names.replace(&ids, Vec::new()));
    assert_eq!(names.size(), 0);
    assert!(!names.replace(&ids, Vec::new()));
}
