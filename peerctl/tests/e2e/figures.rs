//! The pages of figures of both daemons, while they do what they are for.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::world::{World, content, eventually, write};

/// What Prometheus would get.
pub(crate) fn scrape(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, page) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    page.to_owned()
}

/// Values by name and labels, as they stand there.
fn samples(page: &str) -> BTreeMap<&str, &str> {
    page.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap()).collect()
}

/// How many requests a directory has answered well.
pub(crate) fn answered(page: &str, route: &str, method: &str) -> u64 {
    let labels = format!("method=\"{method}\",route=\"{route}\",status=\"2xx\"");
    let samples = samples(page);
    let sample = samples.get(format!("directoryd_http_request_duration_seconds_count{{{labels}}}").as_str());
    sample.map_or(0, |value| value.parse().unwrap())
}

/// Prometheus' own tool has nothing to say of a page.
fn assert_clean(page: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = promtool.spawn() else {
        eprintln!("skipped: promtool is missing (Debian: apt install prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn figures_tell_what_was_moved_and_by_nobody_in_particular() {
    const SIZE: usize = 3_000_000;
    /// Of 16 KiB, as files of that size are cut.
    const PIECES: &str = "184";
    let mut world = World::with_lease(Duration::from_secs(3));
    world.serve_figures();
    let pages = [1, 2].map(|host| world.address(host, 9100));
    let one = world.peer_with("1", &["--metrics-listen", &pages[0].to_string()]);
    let two = world.peer_with("2", &["--metrics-listen", &pages[1].to_string(), "--fault-injection"]);

    let file = world.path("secret-plan.bin");
    write(&file, &content(SIZE));
    let id = one.upload(&file);
    one.ask(["upload", "--simulated", "film", "--url", "https://example.org/film", "--size", "1000000"]);
    two.ask(["download", "secret-plan.bin"]);
    two.ask(["download", "film"]);
    two.crash("heartbeat").unwrap();

    let (sender, mut receiver) = (scrape(pages[0]), scrape(pages[1]));
    eventually("the restart is counted", || {
        receiver = scrape(pages[1]);
        samples(&receiver)["peerd_actor_restarts_total{actor=\"heartbeat\"}"] == "1"
    });
    let size = SIZE.to_string();
    for (page, moved) in [(&sender, ["sent", "received"]), (&receiver, ["received", "sent"])] {
        let samples = samples(page);
        let [did, did_not] = moved.map(|moved| {
            let of = |kind| samples[format!("peerd_{moved}_bytes_total{{transfer=\"{kind}\"}}").as_str()];
            (of("real"), of("simulated"))
        });
        assert_eq!((did, did_not), ((size.as_str(), "1000000"), ("0", "0")), "{page}");
    }
    let there = samples(&receiver);
    for (sample, value) in [
        ("peerd_pieces_verified_total", PIECES),
        ("peerd_pieces_rejected_total", "0"),
        ("peerd_transfers_ended_total{state=\"done\",transfer=\"real\"}", "1"),
        ("peerd_transfers_ended_total{state=\"done\",transfer=\"simulated\"}", "1"),
        ("peerd_transfers_ended_total{state=\"failed\",transfer=\"real\"}", "0"),
        ("peerd_transfers{state=\"running\",transfer=\"real\"}", "0"),
        ("peerd_directory_state{state=\"connected\"}", "1"),
        ("peerd_directory_state{state=\"unreachable\"}", "0"),
        ("peerd_shares", "2"),
        ("peerd_actor_restarts_total{actor=\"server\"}", "0"),
    ] {
        assert_eq!(there.get(sample), Some(&value), "{sample}: {receiver}");
    }
    eventually("conversations and uploads are over", || {
        samples(&scrape(pages[0]))["peerd_uploads_open"] == "0" && samples(&scrape(pages[1]))["peerd_sources"] == "0"
    });

    world.kill_directory();
    let unreachable = "peerd_directory_state{state=\"unreachable\"}";
    eventually("it is noticed", || samples(&scrape(pages[0]))[unreachable] == "1");
    world.start_directory();
    // It takes connections before it serves figures.
    eventually("figures are served", || TcpStream::connect(world.address(0, 4002)).is_ok());
    let directory = scrape(world.address(0, 4002));
    assert!(samples(&directory).contains_key("directoryd_peers_up"), "{directory}");

    for page in [&sender, &receiver, &directory] {
        assert_clean(page);
        for told in ["secret-plan", "film", "example.org", &id, &one.id().to_string(), "127."] {
            assert!(!page.contains(told), "{told} is on a page: {page}");
        }
    }
}

/// Names of ours in a text that is written for Prometheus.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && c != '_');
    words.filter(|word| ["directoryd_", "peerd_", "process_"].iter().any(|prefix| word.starts_with(prefix))).collect()
}

#[test]
fn every_query_that_is_shipped_names_a_figure_that_there_is() {
    // Figures of NATS are there where somebody wants one, reachable or not.
    let mut world = World::with_flags(Duration::from_secs(30), &["--nats-url", "nats://127.0.0.1:1"]);
    world.serve_figures();
    world.kill_directory();
    world.start_directory();
    let page = world.address(1, 9100);
    let one = world.peer_with("1", &["--metrics-listen", &page.to_string()]);
    write(&world.path("f"), b"content");
    one.upload(&world.path("f"));
    let (directory, peer) = (scrape(world.address(0, 4002)), scrape(page));
    let there: BTreeSet<&str> =
        [&directory, &peer].into_iter().flat_map(|page| samples(page).into_keys()).map(bare).collect();
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
    for file in ["grafana/enjambre.json", "prometheus/alerts.yml", "prometheus/alerts.test.yml"] {
        let text = std::fs::read_to_string(deploy.join(file)).unwrap();
        let asked = names(&text);
        assert!(asked.len() > 10, "{file}: {asked:?}");
        let missing: Vec<_> = asked.difference(&there).collect();
        assert!(missing.is_empty(), "{file} asks for what no page has: {missing:?}");
    }
    // And the other way round: whoever adds a figure shows it.
    let shown = std::fs::read_to_string(deploy.join("grafana/enjambre.json")).unwrap();
    let unshown: Vec<_> = there.iter().filter(|name| !shown.contains(family(name))).collect();
    let left_out = ["process_start_time_seconds"];
    assert!(unshown.iter().all(|name| left_out.contains(name)), "the dashboard does not show {unshown:?}");
}

/// The name of a sample, without its labels.
fn bare(sample: &str) -> &str {
    sample.split('{').next().unwrap()
}

/// Without what histograms put behind the name.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

#[test]
fn a_bad_address_for_figures_is_one_clear_line() {
    let world = World::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = world.idle_peer("1", &["--metrics-listen", &taken.local_addr().unwrap().to_string()]);
    let output = Command::new(crate::world::program("peerd")).args(&peer.args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("--metrics-listen") && said.lines().count() == 1, "{said}");
}
