//! Answers as tables and for programs.

use proto::control::Failure;
use proto::ids::ByteCount;
use proto::simulation::{Answer, Constants, LimitedBy, Scenario};
use serde::Serialize;

use crate::render::{Column, Fields, Format, Listing, Record, Row, TableCell, duration, opt, plural};
use crate::runner::Context;

/// Shows one answer, or two side by side.
pub(super) fn show(cx: &Context<'_>, answers: &[Answer]) -> Result<(), Failure> {
    match answers {
        [first, second] if cx.out.format() == Format::Human => compare(cx, first, second),
        _ => answers
            .iter()
            .try_for_each(|answer| cx.out.detail(&Simulated(answer), &for_people(answer), &in_full(answer))),
    }
}

/// What is asked, in a line.
pub(super) fn question(scenario: &Scenario) -> String {
    let Scenario { peers, size, up, down, seed_up, .. } = scenario;
    let seeds = plural(seed_up.len() as u64, "seed");
    let seed = seed_up.first().map(|rate| format!(" at {rate}")).unwrap_or_default();
    format!("{size} to {}, {up} up, {down} down, from {seeds}{seed}", plural(u64::from(*peers), "peer"))
}

/// What a person is told of an answer: a name and a value each.
fn lines(answer: &Answer) -> Vec<(&'static str, String)> {
    let time = |seconds: Option<f64>| seconds.map_or_else(|| "not yet".to_owned(), precise);
    let ratio = answer.ratio.map_or_else(|| "not yet".to_owned(), |ratio| format!("{ratio:.3} times the bound"));
    let mut lines = vec![
        ("first has it", time(answer.first_s)),
        ("half have it", time(answer.median_s)),
        ("99 of 100", time(answer.p99_s)),
        ("last has it", time(answer.last_s)),
        ("lower bound", precise(answer.bound_s)),
        ("ratio", ratio),
        ("seeds sent", format!("{:.2} copies", answer.seed_copies)),
        ("came twice", format!("{:.2} %", answer.duplicates * 100.0)),
        ("limited by", answer.limited_by.sentence().to_owned()),
    ];
    if answer.left > 0 {
        lines.push(("left early", plural(u64::from(answer.left), "peer")));
    }
    if !answer.complete {
        lines.push(("so far", format!("{} have it; interrupted", answer.finished)));
    }
    lines
}

/// A time of which the tenths count as long as it is short.
fn precise(seconds: f64) -> String {
    if seconds < 100.0 { format!("{seconds:.2} s") } else { duration(seconds) }
}

fn for_people(answer: &Answer) -> Fields {
    let fields = Fields::default().with("question", question(&answer.scenario));
    let fields = lines(answer).into_iter().fold(fields, |fields, (name, value)| fields.with(name, value));
    fields.with("constants", source(&answer.scenario))
}

fn source(scenario: &Scenario) -> &str {
    scenario.constants.as_ref().map_or("none", |constants| constants.source.as_str())
}

fn compare(cx: &Context<'_>, first: &Answer, second: &Answer) -> Result<(), Failure> {
    let mut rows = vec![Pair("question", question(&first.scenario), question(&second.scenario))];
    let (left, right) = (lines(first), lines(second));
    for (name, value) in &left {
        let other = right.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        rows.push(Pair(name, value.clone(), other.unwrap_or_default()));
    }
    let mut listing = Listing::new(cx.out);
    listing.page(&rows)?;
    listing.end()
}

/// A line of a comparison.
struct Pair(&'static str, String, String);

impl Record for Pair {
    fn json(&self) -> impl Serialize {
        (self.0, &self.1, &self.2)
    }

    fn plain(&self) -> Vec<String> {
        vec![self.0.to_owned(), self.1.clone(), self.2.clone()]
    }

    fn id(&self) -> String {
        self.0.to_owned()
    }
}

impl Row for Pair {
    const COLUMNS: &'static [Column] = &[Column::text(""), Column::text("FIRST"), Column::flexible("SECOND")];

    fn cells(&self) -> Vec<TableCell> {
        vec![TableCell::new(self.0), TableCell::new(&self.1), TableCell::new(&self.2)]
    }
}

fn in_full(answer: &Answer) -> Fields {
    let time = |seconds: Option<f64>| opt(seconds.map(|seconds| format!("{seconds:.6}")));
    Fields::default()
        .with("peers", answer.scenario.peers)
        .with("size", answer.scenario.size.as_u64())
        .with("seed", answer.scenario.seed)
        .with("first_s", time(answer.first_s))
        .with("median_s", time(answer.median_s))
        .with("p99_s", time(answer.p99_s))
        .with("last_s", time(answer.last_s))
        .with("bound_s", format!("{:.6}", answer.bound_s))
        .with("ratio", opt(answer.ratio))
        .with("seed_copies", answer.seed_copies)
        .with("duplicates", answer.duplicates)
        .with("limited_by", answer.limited_by.as_str())
        .with("elapsed_s", format!("{:.3}", answer.elapsed_s))
        .with("complete", answer.complete)
        .with("finished", answer.finished)
        .with("left", answer.left)
}

/// An answer in every format.
pub(super) struct Simulated<'a>(pub(super) &'a Answer);

impl Record for Simulated<'_> {
    fn json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            peers: u32,
            size: ByteCount,
            seed: u64,
            first_s: Option<f64>,
            median_s: Option<f64>,
            p99_s: Option<f64>,
            last_s: Option<f64>,
            bound_s: f64,
            ratio: Option<f64>,
            seed_copies: f64,
            duplicates: f64,
            limited_by: LimitedBy,
            elapsed_s: f64,
            complete: bool,
            finished: u32,
            left: u32,
            scenario: &'a Scenario,
        }
        let answer = self.0;
        Json {
            peers: answer.scenario.peers,
            size: answer.scenario.size,
            seed: answer.scenario.seed,
            first_s: answer.first_s,
            median_s: answer.median_s,
            p99_s: answer.p99_s,
            last_s: answer.last_s,
            bound_s: answer.bound_s,
            ratio: answer.ratio,
            seed_copies: answer.seed_copies,
            duplicates: answer.duplicates,
            limited_by: answer.limited_by,
            elapsed_s: answer.elapsed_s,
            complete: answer.complete,
            finished: answer.finished,
            left: answer.left,
            scenario: &answer.scenario,
        }
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id()]
    }

    /// There is nothing to name but the luck that decided it.
    fn id(&self) -> String {
        self.0.scenario.seed.to_string()
    }
}

/// The constants of a machine.
pub(super) struct Calibrated<'a>(pub(super) &'a Constants);

impl Record for Calibrated<'_> {
    fn json(&self) -> impl Serialize {
        self.0
    }

    fn plain(&self) -> Vec<String> {
        vec![self.id()]
    }

    fn id(&self) -> String {
        self.0.service.to_string()
    }
}

/// The constants, a line each.
pub(super) fn constants(constants: &Constants) -> Fields {
    Fields::default()
        .with("service", format!("{} from a request to the first byte of its answer", constants.service))
        .with("verify", format!("{} to check and write 1 MiB", constants.verify_per_mib))
        .with("connect", format!("{} for a new connection", constants.connect))
        .with("headers", format!("{} bytes for each thousand", constants.header_permille))
        .with("request", format!("{} bytes for each piece", constants.request_bytes))
        .with("source", &constants.source)
}
