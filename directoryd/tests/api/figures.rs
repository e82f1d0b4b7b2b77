//! The page of figures: as Prometheus reads it, true, and without a word about anybody.

use std::io::Write;
use std::process::{Command, Stdio};

use diesel::Connection;
use diesel::connection::SimpleConnection;
use directoryd::Admin;
use reqwest::{Method, StatusCode};

use crate::program::{Process, directoryd, failure};
use crate::support::{Directory, PASSWORD, samples};

/// A directory whose figures are served.
async fn figured() -> Directory {
    Directory::configured(|config| config.admin = Admin::At("127.0.0.1:0".parse().unwrap())).await
}

#[tokio::test]
async fn figures_are_true_and_name_nobody() {
    let directory = figured().await;
    let ana = directory.user("ana-of-nowhere").await;
    let peer = ana.peer("desk-of-ana");
    let ticket = peer.register().await.ticket.unwrap();
    peer.announce(&["one-secret-plan", "another"]).await;
    for _ in 0..3 {
        assert_eq!(peer.beat().await.status(), StatusCode::OK);
    }
    let lost = directory.api.request(Method::GET, "/peers").send().await.unwrap();
    assert_eq!(lost.status(), StatusCode::UNAUTHORIZED);

    let page = directory.page().await;
    let samples = samples(&page);
    for (sample, value) in [
        ("directoryd_build_info{version=\"0.1.0\"}", 1.0),
        ("directoryd_database_up", 1.0),
        ("directoryd_users", 1.0),
        ("directoryd_sessions", 1.0),
        ("directoryd_peers_registered", 1.0),
        ("directoryd_peers_up", 1.0),
        ("directoryd_files", 2.0),
        ("directoryd_files_bytes", 22.0),
        ("directoryd_http_requests_open", 0.0),
        ("directoryd_http_requests_shed_total{reason=\"unavailable\"}", 0.0),
        ("directoryd_ticket_signing_duration_seconds_count", 1.0),
        ("directoryd_ticket_failures_total", 0.0),
        ("directoryd_commit_failures_total", 0.0),
    ] {
        assert_eq!(samples.get(sample), Some(&value), "{sample}: {page}");
    }
    let answered = |route: &str, method: &str, status: &str| {
        let labels = format!("method=\"{method}\",route=\"{route}\",status=\"{status}\"");
        samples.get(&format!("directoryd_http_request_duration_seconds_count{{{labels}}}")).copied()
    };
    assert_eq!(answered("/peers/{peer_id}/heartbeat", "POST", "2xx"), Some(3.0), "{page}");
    assert_eq!(answered("/peers", "GET", "4xx"), Some(1.0), "{page}");
    assert!(samples["directoryd_commit_writes_count"] >= 4.0, "{page}");
    assert!(samples["process_resident_memory_bytes"] > 1e6 && samples["process_open_fds"] > 3.0, "{page}");

    let id = peer.id().to_string();
    for told in ["ana-of-nowhere", "desk-of-ana", "secret-plan", &id, &ana.token, PASSWORD, ticket.token.expose()] {
        assert!(!page.contains(told), "{told} is on the page: {page}");
    }
    check_with_promtool(&page);
}

/// What Prometheus' own tool says of a page: nothing.
fn check_with_promtool(page: &str) {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else {
        eprintln!("skipped: promtool is missing (Debian: apt install prometheus)");
        return;
    };
    promtool.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn there_is_nothing_else_on_that_listener() {
    let directory = figured().await;
    let at = |path: &str| format!("http://{}{path}", directory.figures.unwrap());
    for path in ["/", "/metrics/", "/api/v1/peers", "/healthz"] {
        assert_eq!(reqwest::get(at(path)).await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
    let posted = reqwest::Client::new().post(at("/metrics")).send().await.unwrap();
    assert_eq!(
        (posted.status(), &posted.headers()["allow"]),
        (StatusCode::METHOD_NOT_ALLOWED, &"GET".parse().unwrap())
    );
    let own = directory.api.request(Method::GET, "//metrics").send().await.unwrap();
    assert_eq!(own.status(), StatusCode::NOT_FOUND, "whoever may ask for files need not see how many there are");
}

#[tokio::test]
async fn a_database_that_is_gone_leaves_the_rest_of_the_page() {
    let directory = figured().await;
    assert_eq!(samples(&directory.page().await).get("directoryd_database_up"), Some(&1.0));
    // Readers that have it open go on reading; a table that is not there any more is noticed.
    let mut database = diesel::SqliteConnection::establish(directory.backend.path().to_str().unwrap()).unwrap();
    database.batch_execute("PRAGMA foreign_keys = OFF; DROP TABLE sessions").unwrap();
    let page = samples(&directory.page().await);
    assert_eq!((page["directoryd_database_up"], page["directoryd_users"]), (0.0, 0.0));
    assert!(page["process_resident_memory_bytes"] > 0.0);
}

#[tokio::test]
async fn a_chosen_address_that_is_taken_is_said_and_the_usual_one_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let words = ["--listen", "127.0.0.1:0", "--admin-listen", &taken.local_addr().unwrap().to_string()];
    let said = failure(&directoryd(folder.path(), &words, ""), 1);
    assert!(said.contains("cannot serve figures") && said.contains("--admin-listen"), "{said}");

    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (Process::start(one.path(), &[]).await, Process::start(other.path(), &[]).await);
    for process in [&one, &other] {
        let ready = process.api.request(Method::GET, "//readyz").send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::OK);
    }
}
