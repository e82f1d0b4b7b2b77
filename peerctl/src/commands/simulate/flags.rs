//! The flags that make a scenario.

use clap::{Args, CommandFactory, FromArgMatches, Parser};
use proto::control::{Failure, ListPeers, ShowFile};
use proto::ids::{ByteCount, Rate};
use proto::simulation::{PieceOrder, Portion, Scenario, Span};

use crate::error::usage;
use crate::runner::Context;

/// What differs from the scenario they go over.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Scenario")]
pub(super) struct Flags {
    /// A real file: its size, and as many seeds as hold it today; as many peers as are up without it
    #[arg(long, value_name = "FILE")]
    file: Option<String>,
    /// Machines that want the file [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    peers: Option<u32>,
    /// Size of the file [default: 64MiB]
    #[arg(long)]
    size: Option<ByteCount>,
    /// Uplink of each [default: 50Mbit]
    #[arg(long, value_name = "RATE")]
    up: Option<Rate>,
    /// Downlink of each [default: 50Mbit]
    #[arg(long, value_name = "RATE")]
    down: Option<Rate>,
    /// Uplink of the seed; several for several seeds [default: as --up]
    #[arg(long, value_name = "RATE", value_delimiter = ',')]
    seed_up: Vec<Rate>,
    /// One way between any two machines [default: 1ms]
    #[arg(long, value_name = "D")]
    latency: Option<Span>,
    /// Packets lost, as in 0.1% [default: 0%]
    #[arg(long, value_name = "P")]
    loss: Option<Portion>,
    /// How many leave for good before they are done, as in 33% [default: 0%]
    #[arg(long, value_name = "P")]
    churn: Option<Portion>,
    /// Peers that lie about what they have, for all that fetch [default: 0%]
    #[arg(long, value_name = "P")]
    liars: Option<Portion>,
    /// They begin one after another over this time [default: 0s, all at once]
    #[arg(long, value_name = "D")]
    arrivals: Option<Span>,
    /// Size of a piece [default: as the file would be cut; four times that beyond 500 peers]
    #[arg(long, value_name = "SIZE")]
    piece_size: Option<ByteCount>,
    /// Order in which pieces are fetched: rarest or in-order [default: rarest]
    #[arg(long, value_name = "ORDER")]
    piece_order: Option<PieceOrder>,
    /// Decides all luck [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
}

/// Flags by themselves, as `--compare` takes them.
#[derive(Debug, Parser)]
#[command(name = "--compare", no_binary_name = true, disable_help_flag = true, disable_version_flag = true)]
struct Alone {
    #[command(flatten)]
    flags: Flags,
}

/// Reads the word of `--compare`.
pub(super) fn parse(words: &str) -> Result<Flags, Failure> {
    let words = shlex::split(words).ok_or_else(|| usage("--compare: a quote is not closed"))?;
    let parsed = Alone::command().try_get_matches_from(words).and_then(|matches| Alone::from_arg_matches(&matches));
    parsed.map(|alone| alone.flags).map_err(|error| {
        let text = error.render().to_string();
        let first = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
        usage(format!("--compare: {first}")).hint("it takes the flags of a scenario, as in --compare \"--peers 100\"")
    })
}

impl Flags {
    /// These over a scenario. Asks the daemon about a real file.
    pub(super) async fn over(&self, cx: &Context<'_>, base: Scenario) -> Result<Scenario, Failure> {
        let usual = Scenario::default();
        // A seed has the link of everybody, unless somebody said otherwise.
        let untouched = base.seed_up == usual.seed_up && base.up == usual.up;
        let base = match &self.file {
            Some(file) => real(cx, file, base).await?,
            None => base,
        };
        let up = self.up.unwrap_or(base.up);
        let seed_up = match self.seed_up.as_slice() {
            [] if untouched => vec![up; base.seed_up.len()],
            [] => base.seed_up,
            [one] if self.file.is_some() => vec![*one; base.seed_up.len()],
            given => given.to_vec(),
        };
        Ok(Scenario {
            peers: self.peers.unwrap_or(base.peers),
            size: self.size.unwrap_or(base.size),
            piece_size: self.piece_size.or(base.piece_size),
            up,
            down: self.down.unwrap_or(base.down),
            seed_up,
            latency: self.latency.unwrap_or(base.latency),
            loss: self.loss.unwrap_or(base.loss),
            churn: self.churn.unwrap_or(base.churn),
            liars: self.liars.unwrap_or(base.liars),
            arrivals: self.arrivals.unwrap_or(base.arrivals),
            piece_order: self.piece_order.unwrap_or(base.piece_order),
            seed: self.seed.unwrap_or(base.seed),
            constants: base.constants,
        })
    }
}

/// A scenario with the size and the holders of a real file, and everybody else who is up.
async fn real(cx: &Context<'_>, file: &str, base: Scenario) -> Result<Scenario, Failure> {
    let shown = cx.ask(ShowFile { file: file.to_owned() }).await?;
    let entry = shown.file.entry;
    let holders = usize::try_from(entry.holders_up).unwrap_or(usize::MAX);
    if holders == 0 {
        return Err(Failure::new(
            proto::control::FailureCode::NotFound,
            format!("no holder of `{}` is up", entry.name),
        )
        .hint("a swarm without one never ends; `--size` alone asks about a file of that size"));
    }
    let (mut up, mut cursor) = (0_u64, None);
    loop {
        let page = cx.ask(ListPeers { all: false, cursor, limit: Some(1000) }).await?;
        up += page.items.len() as u64;
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    let peers = u32::try_from(up.saturating_sub(entry.holders_up)).unwrap_or(u32::MAX).max(1);
    let seed_up = vec![base.seed_up.first().copied().unwrap_or(base.up); holders];
    Ok(Scenario { peers, size: entry.size, piece_size: None, seed_up, ..base })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_a_comparison_are_those_of_a_scenario() {
        let flags = parse("--peers 100 --seed-up 1Gbit,100Mbit --loss 0.1% --piece-order in-order").unwrap();
        assert_eq!((flags.peers, flags.seed_up.len()), (Some(100), 2));
        assert_eq!(flags.piece_order, Some(PieceOrder::InOrder));
        for bad in ["--piers 1", "--peers 0", "--loss 200%", "x", "\"", "--plot x"] {
            let failure = parse(bad).unwrap_err();
            assert!(failure.message.starts_with("--compare: "), "{bad}: {}", failure.message);
        }
    }
}
