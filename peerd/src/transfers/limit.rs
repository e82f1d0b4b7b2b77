//! What limits a download now, told from what its fetches are at: a decision over figures, without a clock.
//!
//! Rates, the disk and the user are known for certain. Whether the uplinks of the holders or the own downlink is the narrow
//! place is a conclusion: if the holders once gave clearly more, each by itself, than all of them give together now, it is
//! not they who are short.

use proto::control::{Limit, TransferState};
use proto::ids::Rate;

use super::link::census::{Count, Wait};

/// What is known of a download.
#[derive(Debug, Default)]
pub struct Evidence {
    /// What its fetches were at, at even distances over the last seconds.
    pub looks: Vec<Count>,
    /// Bytes per second over the same time.
    pub rate: f64,
    /// Those with requests to answer: what they are called, and the most that they ever gave, in bytes per second.
    pub asked: Vec<(String, u64)>,
    /// Its own rate.
    pub own: Option<Rate>,
    /// That of all downloads.
    pub all: Option<Rate>,
    /// That of each peer.
    pub each: Option<Rate>,
}

/// What a state says by itself, where it says all there is to say.
pub fn of_state(state: TransferState, reason: Option<&str>, by_user: bool) -> Option<(Limit, String)> {
    let reason = reason.unwrap_or("no reason is known");
    match state {
        TransferState::Done => Some((Limit::Over, "nothing any more: it is done".into())),
        TransferState::Failed | TransferState::Cancelled => Some((Limit::Over, format!("nothing any more: {reason}"))),
        TransferState::Paused if by_user => Some((Limit::Paused, format!("a pause {reason}"))),
        TransferState::Paused => Some((Limit::Room, reason.to_owned())),
        TransferState::Stalled => Some((Limit::NoHolders, reason.to_owned())),
        TransferState::Preparing => {
            Some((Limit::Preparing, "nothing yet: holders are looked for, or what is there is checked".into()))
        }
        TransferState::Running => None,
    }
}

impl Evidence {
    /// What limits a download that runs.
    pub fn judge(&self) -> (Limit, String) {
        let held = [
            (Wait::TransferRate, self.own, Limit::TransferRate, "its own limit, `--rate`,"),
            (
                Wait::AllRates,
                self.all,
                Limit::DownloadRate,
                "the limit of all downloads of this peer, `peerd --max-download`,",
            ),
            (
                Wait::PeerRate,
                self.each,
                Limit::PeerRate,
                "the limit for each other peer, `peerd --max-download-per-peer`,",
            ),
        ];
        // Whoever waits behind the narrowest of them is not seen at the others, so the one seen most is it.
        let most = held.into_iter().max_by_key(|(wait, ..)| self.times(*wait));
        if let Some((wait, Some(rate), limit, name)) = most
            && self.often(wait)
        {
            return (limit, format!("{name} of {rate}"));
        }
        if self.often(Wait::Disk) && self.times(Wait::Disk) * 2 > self.all_times() {
            return (
                Limit::Disk,
                "disk and processor of this machine: what has come waits to be hashed and written".into(),
            );
        }
        if self.times(Wait::Wire) == 0 && self.rate < 1.0 {
            return (Limit::Turn, format!("its turn: {} serve others first, or do not answer", self.names()));
        }
        self.narrow_place()
    }

    fn narrow_place(&self) -> (Limit, String) {
        let most: u64 = self.asked.iter().map(|(_, most)| most).sum();
        #[expect(clippy::cast_precision_loss, reason = "a comparison of rates")]
        let could_more = most as f64 > self.rate * 1.5;
        match self.asked.as_slice() {
            [_, _, ..] if could_more && self.rate >= 1.0 => (
                Limit::Downlink,
                "the downlink of this machine, or the way there: its holders gave more each than they give together"
                    .into(),
            ),
            [(one, _)] => {
                (Limit::HoldersUplink, format!("the uplink of its only holder at the moment, {one}, or the way there"))
            }
            [] => (Limit::Turn, "nobody: no holder is asked at the moment".into()),
            _ => (Limit::HoldersUplink, format!("the uplinks of its {} holders: {}", self.asked.len(), self.names())),
        }
    }

    fn names(&self) -> String {
        const SHOWN: usize = 8;
        let mut names: Vec<&str> = self.asked.iter().take(SHOWN).map(|(name, _)| name.as_str()).collect();
        if self.asked.len() > SHOWN {
            names.push("…");
        }
        if names.is_empty() { "its holders".into() } else { names.join(", ") }
    }

    fn times(&self, wait: Wait) -> u32 {
        self.looks.iter().map(|look| look.of(wait)).sum()
    }

    fn all_times(&self) -> u32 {
        [Wait::Turn, Wait::Wire, Wait::PeerRate, Wait::TransferRate, Wait::AllRates, Wait::Disk]
            .map(|wait| self.times(wait))
            .iter()
            .sum()
    }

    /// Whether somebody was at it in half of the looks.
    fn often(&self, wait: Wait) -> bool {
        let seen = self.looks.iter().filter(|look| look.of(wait) > 0).count();
        seen > 0 && seen * 2 >= self.looks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfers::link::census::Census;

    fn looks(waits: &[&[Wait]]) -> Vec<Count> {
        let look = |waits: &&[Wait]| {
            let census = Census::default();
            let fetches: Vec<_> = waits
                .iter()
                .map(|wait| {
                    let mut fetch = census.fetch();
                    fetch.goes_to(*wait);
                    fetch
                })
                .collect();
            let count = census.count();
            drop(fetches);
            count
        };
        waits.iter().map(look).collect()
    }

    fn two(most: u64) -> Vec<(String, u64)> {
        vec![("a".into(), most), ("b".into(), most)]
    }

    #[test]
    fn each_narrow_place_is_told_from_the_others() {
        use Wait::{AllRates, Disk, PeerRate, TransferRate, Turn, Wire};
        let rate = Some(Rate::bytes_per_second(1 << 20));
        let rates =
            || Evidence { own: rate, all: rate, each: rate, rate: 1e6, asked: two(1_000_000), ..Evidence::default() };
        let cases: &[(&[&[Wait]], f64, u64, Limit)] = &[
            (&[&[TransferRate, Wire], &[TransferRate, Turn], &[Turn]], 1e6, 1_000_000, Limit::TransferRate),
            (&[&[AllRates, AllRates, TransferRate], &[AllRates]], 1e6, 1_000_000, Limit::DownloadRate),
            (&[&[PeerRate], &[Wire], &[PeerRate, PeerRate]], 1e6, 1_000_000, Limit::PeerRate),
            (&[&[Disk, Disk, Wire], &[Disk, Disk]], 1e6, 1_000_000, Limit::Disk),
            (&[&[Turn, Turn], &[Turn]], 0.0, 1_000_000, Limit::Turn),
            (&[&[Wire, Turn], &[Wire]], 2e6, 1_000_000, Limit::HoldersUplink),
            (&[&[Wire, Wire], &[Wire]], 1e6, 1_000_000, Limit::Downlink),
            // Seldom at a limit: not held by it.
            (&[&[Wire], &[Wire], &[Wire], &[TransferRate]], 2e6, 1_000_000, Limit::HoldersUplink),
        ];
        for (waits, rate, most, limit) in cases {
            let evidence = Evidence { looks: looks(waits), rate: *rate, asked: two(*most), ..rates() };
            let (found, because) = evidence.judge();
            assert_eq!(found, *limit, "{because}");
        }
    }

    #[test]
    fn the_sentence_names_who_and_how_much() {
        let evidence = Evidence {
            looks: looks(&[&[Wait::TransferRate]]),
            own: Some(Rate::bytes_per_second(1 << 20)),
            ..Evidence::default()
        };
        assert_eq!(evidence.judge().1, "its own limit, `--rate`, of 1.0 MiB/s");
        let evidence = Evidence { looks: looks(&[&[Wait::Wire]]), rate: 5.0, asked: two(2), ..Evidence::default() };
        assert_eq!(evidence.judge().1, "the uplinks of its 2 holders: a, b");
        let (limit, because) = of_state(TransferState::Stalled, Some("no holders: none of them is up"), false).unwrap();
        assert_eq!((limit, because.as_str()), (Limit::NoHolders, "no holders: none of them is up"));
    }
}
