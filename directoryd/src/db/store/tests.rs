//! The store over the embedded database, below any HTTP. What both databases must do, the API's tests ask of both.

use std::time::Duration;

use proto::Timestamp;
use proto::ticket::KeyId;

use super::*;

const TERMS: KeyTerms = KeyTerms { lease: Duration::from_secs(30), ticket: Duration::from_mins(10) };

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000 + second).unwrap()
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::Sqlite(folder.path().join("directory.db"));
    crate::db::migrate(&database).await.unwrap();
    let store = Store::open(&database, Purpose::Serve).await.unwrap();
    (folder, store)
}

async fn ids(store: &Store) -> Vec<KeyId> {
    store.signing_keys().await.unwrap().into_iter().map(|key| key.id).collect()
}

#[tokio::test]
async fn audience_and_first_key_are_drawn_once() {
    let (_folder, store) = store().await;
    let audience = store.begin_keys(TERMS, at(0)).await.unwrap();
    let keys = ids(&store).await;
    assert_eq!((audience.len(), keys.len()), (32, 1));
    assert_eq!(store.begin_keys(TERMS, at(9)).await.unwrap(), audience);
    assert_eq!(ids(&store).await, keys);
}

#[tokio::test]
async fn the_former_key_lives_until_its_last_ticket_ended() {
    let (_folder, store) = store().await;
    // What the last start noted counts, not what the command line of the rotation says.
    store.begin_keys(TERMS, at(0)).await.unwrap();
    let other = KeyTerms { lease: Duration::from_secs(1), ticket: Duration::from_secs(1) };
    let first = ids(&store).await;
    let Rotation::Made { id, signs_from, former_ends } = store.rotate_keys(other, false, at(100)).await.unwrap() else {
        panic!("too soon")
    };
    assert_eq!((signs_from, former_ends), (at(132), Some(at(732))));
    assert_eq!(ids(&store).await, [id.clone(), first[0].clone()]);
    assert_eq!(
        store.rotate_keys(other, false, at(731)).await.unwrap(),
        Rotation::TooSoon { until: at(732) },
        "a third key"
    );
    assert!(matches!(store.rotate_keys(other, false, at(732)).await.unwrap(), Rotation::Made { .. }));
    assert_eq!(ids(&store).await[1..], [id], "the first one is gone");
}

#[tokio::test]
async fn by_force_no_earlier_key_counts() {
    let (_folder, store) = store().await;
    store.begin_keys(TERMS, at(0)).await.unwrap();
    store.rotate_keys(TERMS, false, at(1)).await.unwrap();
    let forced = store.rotate_keys(TERMS, true, at(2)).await.unwrap();
    let Rotation::Made { id, signs_from, former_ends: None } = forced else { panic!("{forced:?}") };
    assert_eq!((signs_from, ids(&store).await), (at(2), vec![id]));
}
