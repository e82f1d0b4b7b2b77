use std::collections::HashSet;

use proto::directory::Holders;

use super::*;

fn holder(number: u8, state: PeerState, holding: HoldingState) -> Holder {
    Holder {
        peer_id: PeerId::from_bytes([number; 20]),
        name: format!("p{number}").parse().unwrap(),
        user: "ana".parse().unwrap(),
        address: "127.0.0.1:5001".parse().unwrap(),
        state,
        holding,
    }
}

fn up(numbers: impl IntoIterator<Item = u8>) -> Vec<Holder> {
    numbers.into_iter().map(|number| holder(number, PeerState::Up, HoldingState::Complete)).collect()
}

fn file(number: u8) -> FileId {
    FileId::of(&[number])
}

const ALL: Wish = Wish { partial: true, limit: 1000 };

fn read(text: &[u8]) -> Vec<Holder> {
    serde_json::from_slice::<Holders>(text).unwrap().items
}

impl Swarms {
    fn asked(&self, id: FileId) -> Asked {
        match self.sample(&id, ALL, Instant::now()) {
            Found::Unknown(asked) => asked,
            _ => panic!("it is known"),
        }
    }

    /// As whoever asks the database does.
    fn told(&self, id: FileId, asked: Asked, holders: &[Holder]) -> Option<Vec<Holder>> {
        let holdings: Vec<Holding> = holders.iter().map(|holder| (holder.peer_id, holder.holding)).collect();
        let strangers = self.strangers(&holdings);
        let cards: Vec<Holder> = holders.iter().filter(|holder| strangers.contains(&holder.peer_id)).cloned().collect();
        self.meet(asked, &cards);
        self.learn(&id, asked, &holdings, ALL).map(|text| read(&text))
    }

    fn put(&self, id: FileId, holders: &[Holder]) {
        self.told(id, self.asked(id), holders);
    }

    fn known(&self, id: FileId, wish: Wish) -> Option<Vec<Holder>> {
        match self.sample(&id, wish, Instant::now()) {
            Found::Sample(text) => Some(read(&text)),
            _ => None,
        }
    }
}

#[test]
fn what_was_learnt_is_said_as_the_database_would() {
    let swarms = Swarms::default();
    let mut holders = Vec::new();
    for (number, state) in [PeerState::Up, PeerState::Down].into_iter().enumerate() {
        for (other, holding) in [HoldingState::Complete, HoldingState::Partial].into_iter().enumerate() {
            holders.push(holder(u8::try_from(2 * number + other).unwrap(), state, holding));
        }
    }
    let first = swarms.told(file(1), swarms.asked(file(1)), &holders).unwrap();
    let mut again = swarms.known(file(1), ALL).unwrap();
    assert!(first[..2].iter().chain(&again[..2]).all(|holder| holder.state == PeerState::Up), "{first:?} {again:?}");
    again.sort_by_key(|holder| holder.peer_id);
    assert_eq!(again, holders);
    let complete = swarms.known(file(1), Wish { partial: false, limit: 1000 }).unwrap();
    assert!(complete.len() == 2 && complete.iter().all(|holder| holder.holding == HoldingState::Complete));
    swarms.put(file(2), &[]);
    assert_eq!(swarms.known(file(2), ALL), Some(Vec::new()));
}

#[test]
fn a_sample_is_bounded_varied_and_keeps_a_quarter_for_complete_ones() {
    let swarms = Swarms::default();
    let mut holders = up(0..5);
    holders.extend((5..100).map(|number| holder(number, PeerState::Up, HoldingState::Partial)));
    holders.extend((100..110).map(|number| holder(number, PeerState::Down, HoldingState::Complete)));
    swarms.put(file(1), &holders);
    let mut met = HashSet::new();
    for _ in 0..1000 {
        let sample = swarms.known(file(1), Wish { partial: true, limit: 8 }).unwrap();
        assert_eq!((sample.len(), sample.iter().collect::<Vec<_>>().len()), (8, 8));
        assert!(sample.iter().all(|holder| holder.state == PeerState::Up));
        assert!(sample.iter().filter(|holder| holder.holding == HoldingState::Complete).count() >= 2);
        met.extend(sample.iter().map(|holder| holder.peer_id));
    }
    assert_eq!(met.len(), 100, "each has its turn");
    // Those that are down fill what is left.
    let complete = swarms.known(file(1), Wish { partial: false, limit: 8 }).unwrap();
    assert_eq!(complete.iter().filter(|holder| holder.state == PeerState::Up).count(), 5);
    assert_eq!(complete.len(), 8);
}

#[test]
fn what_happens_to_a_peer_shows_in_all_of_its_files() {
    let swarms = Swarms::default();
    swarms.put(file(1), &up([1, 2]));
    swarms.put(file(2), &up([1]));
    let peer = PeerId::from_bytes([1; 20]);
    swarms.peer_changed(&peer, |card| card.up(false));
    for id in [file(1), file(2)] {
        let last = swarms.known(id, ALL).unwrap().pop().unwrap();
        assert_eq!((last.peer_id, last.state), (peer, PeerState::Down));
    }
    let moved = Holder { address: "10.0.0.1:7".parse().unwrap(), ..holder(1, PeerState::Up, HoldingState::Complete) };
    swarms.peer_changed(&peer, |card| card.is(&moved));
    assert_eq!(swarms.known(file(2), ALL).unwrap(), std::slice::from_ref(&moved));
    // What was read of it elsewhere may be older.
    swarms.put(file(3), &up([1]));
    assert_eq!(swarms.known(file(3), ALL).unwrap(), [moved]);
}

#[test]
fn what_was_read_before_a_change_is_said_and_not_kept() {
    let swarms = Swarms::default();
    let asked = swarms.asked(file(1));
    swarms.files_changed([file(1)]);
    assert_eq!(swarms.told(file(1), asked, &up([1])).unwrap().len(), 1);
    assert_eq!(swarms.known(file(1), ALL), None, "the file changed");
    let asked = swarms.asked(file(1));
    swarms.peer_changed(&PeerId::from_bytes([2; 20]), |card| card.up(false));
    assert_eq!(swarms.told(file(1), asked, &up([1, 2])), None, "a peer changed that nobody knew");
    assert_eq!(swarms.known(file(1), ALL), None);
    // Of those that are known it is known here.
    swarms.peer_changed(&PeerId::from_bytes([1; 20]), |card| card.up(false));
    assert_eq!(swarms.told(file(1), asked, &up([1])).unwrap()[0].state, PeerState::Down);
    let asked = swarms.asked(file(2));
    swarms.forget_all();
    swarms.learn_many(&file(2), asked);
    assert!(matches!(swarms.sample(&file(2), ALL, Instant::now()), Found::Unknown(_)), "everything changed");
}

#[test]
fn changes_and_crowds_are_not_kept() {
    let swarms = Swarms::default();
    swarms.put(file(1), &up([1]));
    swarms.files_changed([file(1)]);
    assert_eq!(swarms.known(file(1), ALL), None);
    swarms.learn_many(&file(1), swarms.asked(file(1)));
    assert!(matches!(swarms.sample(&file(1), ALL, Instant::now()), Found::Many));
    swarms.files_changed([file(1)]);
    assert!(matches!(swarms.sample(&file(1), ALL, Instant::now()), Found::Unknown(_)));
    swarms.put(file(1), &up([1]));
    assert!(matches!(swarms.sample(&file(1), ALL, Instant::now() + LIFE), Found::Unknown(_)), "nothing lasts for ever");
}

#[test]
fn memory_is_bounded() {
    let swarms = Swarms::default();
    let holders = up(0..200);
    for number in 0..30_000_u32 {
        let id = FileId::of(&number.to_be_bytes());
        swarms.put(id, &holders);
        assert_eq!(swarms.known(id, Wish { partial: false, limit: 1 }).unwrap().len(), 1, "the latest is there");
    }
    let held: usize = swarms.shards.iter().map(|shard| shard.lock().unwrap().held).sum();
    let counted = |shard: &Shard| {
        shard.files.values().filter_map(|kept| kept.holders.as_ref()).map(|holders| holders.len()).sum::<usize>()
    };
    assert_eq!(held, swarms.shards.iter().map(|shard| counted(&shard.lock().unwrap())).sum::<usize>());
    assert!(held <= SHARDS * MOST_IN_SHARD && held > MOST_IN_SHARD, "{held}");
}
