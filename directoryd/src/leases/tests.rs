//! The rule under virtual time: hours of fleets in milliseconds, against a model that is obviously right.

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use super::*;

const LENGTH: Duration = Duration::from_secs(30);

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 20])
}

fn holder(instance: u8) -> LeaseHolder {
    LeaseHolder { user: "ana".parse().unwrap(), instance: InstanceId::from_bytes([instance; 16]) }
}

fn seen() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

#[test]
fn a_lease_ends_at_its_deadline_and_not_before() {
    let (mut leases, start) = (Leases::new(LENGTH), Instant::now());
    leases.grant(peer(1), holder(1), start, seen());
    assert_eq!(leases.due(start + Duration::from_millis(29_999)), []);
    assert_eq!(leases.due(start + LENGTH), [peer(1)]);
    assert_eq!(leases.due(start + 2 * LENGTH), [], "reported once");
}

#[test]
fn an_ending_lease_is_not_renewed() {
    let (mut leases, start) = (Leases::new(LENGTH), Instant::now());
    leases.grant(peer(1), holder(1), start, seen());
    leases.due(start + LENGTH);
    // A request that read the clock before the sweep did, and was then held up.
    assert_eq!(leases.beat(&peer(1), &holder(1), start + LENGTH / 2, seen()), Beat::NoLease);
    leases.look_again(peer(1), start + LENGTH + Duration::from_secs(1));
    assert_eq!(leases.due(start + LENGTH + Duration::from_secs(1)), [peer(1)]);
}

#[test]
fn only_the_holder_renews() {
    let (mut leases, start) = (Leases::new(LENGTH), Instant::now());
    leases.grant(peer(1), holder(1), start, seen());
    let stranger = LeaseHolder { user: "bob".parse().unwrap(), ..holder(1) };
    assert_eq!(leases.beat(&peer(1), &stranger, start, seen()), Beat::Foreign);
    assert_eq!(leases.beat(&peer(1), &holder(2), start, seen()), Beat::Superseded);
    assert_eq!(leases.beat(&peer(2), &holder(1), start, seen()), Beat::NoLease);
    leases.grant(peer(1), holder(2), start, seen());
    assert_eq!(leases.beat(&peer(1), &holder(1), start, seen()), Beat::Superseded);
    assert_eq!(leases.beat(&peer(1), &holder(2), start, seen()), Beat::Renewed);
    leases.release(&peer(1));
    assert_eq!(leases.beat(&peer(1), &holder(2), start, seen()), Beat::NoLease);
}

#[test]
fn grace_is_a_whole_lease_for_everybody() {
    let (mut leases, start) = (Leases::new(LENGTH), Instant::now());
    leases.grant(peer(1), holder(1), start, seen());
    leases.grant(peer(2), holder(2), start + LENGTH / 2, seen());
    let later = start + LENGTH;
    assert_eq!(leases.due(later), [peer(1)]);
    leases.grace(later);
    assert_eq!(leases.ending(&peer(1)), None);
    assert_eq!(leases.beat(&peer(1), &holder(1), later, seen()), Beat::Renewed);
    assert!(leases.due(later + LENGTH * 9 / 10).is_empty());
    let mut ended = leases.due(later + LENGTH);
    ended.sort();
    let mut both = [peer(1), peer(2)];
    both.sort();
    assert_eq!(ended, both);
}

#[test]
fn signs_of_life_are_saved_once() {
    let (mut leases, start) = (Leases::new(LENGTH), Instant::now());
    leases.grant(peer(1), holder(1), start, seen());
    assert!(leases.take_unsaved().is_empty(), "registering wrote it");
    leases.beat(&peer(1), &holder(1), start, seen());
    assert_eq!(leases.take_unsaved().len(), 1);
    assert!(leases.take_unsaved().is_empty());
}

#[test]
fn thousands_of_fleets_agree_with_the_model() {
    for seed in 0..2000 {
        run_fleet(seed);
    }
}

/// Peers register, beat, fall silent and leave at random; sweeps come at random too.
fn run_fleet(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let (mut leases, mut now) = (Leases::new(LENGTH), Instant::now());
    let mut model: HashMap<PeerId, Instant> = HashMap::new();
    for step in 0..200 {
        now += Duration::from_millis(random.random_range(0..5_000));
        let peer = peer(random.random_range(0..8));
        match random.random_range(0..10) {
            0 | 1 => {
                leases.grant(peer, holder(1), now, seen());
                model.insert(peer, now + LENGTH);
            }
            2 => {
                leases.release(&peer);
                model.remove(&peer);
            }
            3 | 4 => {
                let mut ended = leases.due(now);
                for peer in &ended {
                    leases.release(peer);
                }
                let mut expected: Vec<PeerId> =
                    model.iter().filter(|(_, deadline)| **deadline <= now).map(|(peer, _)| *peer).collect();
                model.retain(|_, deadline| *deadline > now);
                ended.sort();
                expected.sort();
                assert_eq!(ended, expected, "seed {seed}, step {step}");
            }
            _ => {
                let running = model.get_mut(&peer).filter(|deadline| now < **deadline);
                let expected = if running.is_some() { Beat::Renewed } else { Beat::NoLease };
                assert_eq!(leases.beat(&peer, &holder(1), now, seen()), expected, "seed {seed}, step {step}");
                if let Some(deadline) = running {
                    *deadline = now + LENGTH;
                }
            }
        }
        assert!(leases.looks.len() <= 8 + step, "left-overs stay few");
    }
}
