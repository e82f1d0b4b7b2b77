//! `cargo bench -p directoryd`: the directory over HTTP, as its clients have it: authenticated, durable, over SQLite and over
//! PostgreSQL (where its programs are installed), with ten thousand shares and with a million of them: lookups of holders,
//! pages of files, heartbeats, announcements. One thread of this program drives 32 connections. For each: the peak rate, and
//! the 99th percentile at half of it, counted from when a request was due. Before that, each file is looked up once: a
//! directory that has just started reads its holders from the database, and the second time has them in memory.
//!
//! `BENCH_SECS` is the length of a run (5), `BENCH_RUNS` the number of runs (3; medians are printed), `BENCH_DATABASES`
//! (`sqlite,postgres`) and `BENCH_FILES` (`100,10000` files of a hundred holders each) say what is measured.
//!
//! `directory load ADDRESS DATABASE FILES PEERS HOLDERS OUT` fills a directory that serves, for `enjambre.py` beside this.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    reason = "a bench reports to whoever runs it"
)]

use std::path::Path;
use std::time::Duration;

use directoryd::Database;

#[expect(dead_code, reason = "the tests stop it and look into it as well")]
#[path = "../../tests/postgres/backend.rs"]
mod backend;
mod http;
mod load;
mod requests;
mod server;
mod support;

use backend::Backend;
use http::Driven;
use load::Loaded;
use requests::{Kind, Requests};
use server::Server;

const PEERS: usize = 1000;
const HOLDERS: usize = 100;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["load", address, database, files, peers, holders, out] => runtime.block_on(async {
            let [files, peers, holders] = [files, peers, holders].map(|number| number.parse().unwrap());
            let loaded = load::load(address, &database.parse().unwrap(), files, peers, holders).await;
            std::fs::write(out, loaded.lines()).unwrap();
        }),
        [] => runtime.block_on(measure()),
        _ => eprintln!("usage: directory [load ADDRESS DATABASE FILES PEERS HOLDERS OUT]"),
    }
}

fn setting(name: &str, usual: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| usual.to_owned())
}

async fn measure() {
    println!(
        "{:10} {:>9}  {:18} {:>11} {:>11} {:>12}",
        "database", "shares", "what", "a second", "p99 at half", "server cores"
    );
    for database in setting("BENCH_DATABASES", "sqlite,postgres").split(',') {
        for files in setting("BENCH_FILES", "100,10000").split(',') {
            let files = files.parse().unwrap();
            match database {
                "sqlite" => {
                    let folder = tempfile::tempdir().unwrap();
                    report("SQLite", &Database::Sqlite(folder.path().join("directory.db")), files).await;
                }
                // What tests can do without is what makes an answer durable.
                "postgres" if Path::new("/usr/lib/postgresql").exists() => {
                    let durable = |_: &Path| vec!["fsync=on".to_owned(), "shared_buffers=256MB".to_owned()];
                    let backend = Backend::start_with(durable).await;
                    report("PostgreSQL", &backend.database(), files).await;
                }
                other => println!("{other}: not here"),
            }
        }
    }
}

async fn report(name: &str, database: &Database, files: usize) {
    let server = Server::start(database).await;
    let began = std::time::Instant::now();
    let loaded = load::load(server.address(), database, files, PEERS, HOLDERS).await;
    let (shares, took) = (files * HOLDERS, began.elapsed());
    println!("{name:10} {shares:>9}  announced by {PEERS} peers, a thousand an answer, in {took:.1?}");
    let requests = Requests::new(&loaded);
    let first = http::drive(server.address(), Duration::MAX, None, requests.first_lookups()).await;
    println!("{name:10} {shares:>9}  {:18} {:>11.0}", "first lookups", first.rate);
    for kind in Kind::ALL {
        let line = measured(&server, &requests, kind).await;
        println!("{name:10} {shares:>9}  {:18} {line}", kind.name());
    }
    println!("{name:10} {shares:>9}  memory without mapped files: {} MiB", server.private_memory() >> 20);
}

/// Medians of the runs.
async fn measured(server: &Server, requests: &Requests<'_>, kind: Kind) -> String {
    let time = Duration::from_secs(setting("BENCH_SECS", "5").parse().unwrap());
    let runs: usize = setting("BENCH_RUNS", "3").parse().unwrap();
    let (mut rates, mut tails, mut cores) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let cpu = server.cpu();
        let peak: Driven = http::drive(server.address(), time, None, requests.source(kind)).await;
        cores.push((server.cpu() - cpu) / time.as_secs_f64());
        let half = http::drive(server.address(), time, Some(peak.rate / 2.0), requests.source(kind)).await;
        rates.push(peak.rate * kind.entries());
        tails.push(half.p99.as_secs_f64() * 1000.0);
    }
    let (rate, tail, cores) = (median(rates), median(tails), median(cores));
    format!("{rate:>11.0} {:>11} {cores:>12.2}", format!("{tail:.1} ms"))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

impl Loaded {
    /// As the script for `wrk` reads it: a line `file ID` for each file, and `peer ID INSTANCE TOKEN` for each peer.
    fn lines(&self) -> String {
        let files = self.files.iter().map(|file| format!("file {file}\n"));
        let peers = self.peers.iter().map(|peer| format!("peer {} {} {}\n", peer.id, peer.instance, peer.token));
        files.chain(peers).collect()
    }
}
