//! The words of the command line, over a server.

use std::process::Output;

use crate::backend::Backend;
use crate::program::{Process, directoryd, failure};
use crate::support::PASSWORD;

/// Runs the program over a server; the state folder is one that nobody may make, so that nothing is kept in it.
fn run(backend: &Backend, words: &[&str], input: &str) -> Output {
    let url = backend.url();
    let words: Vec<&str> = words.iter().copied().chain(["--database-url", &url]).collect();
    directoryd("/proc/none".as_ref(), &words, input)
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn serve(backend: &Backend) -> Process {
    Process::start("/proc/none".as_ref(), &["--database-url", &backend.url()]).await
}

#[tokio::test]
async fn accounts_and_keys_change_while_it_serves() {
    let backend = Backend::start().await;
    let steps = said(&run(&backend, &["migrate"], ""));
    assert!(steps.lines().count() > 1 && steps.lines().all(|line| line.starts_with("applied ")), "{steps}");
    assert!(said(&run(&backend, &["migrate"], "")).contains("up to date"));
    let process = serve(&backend).await;
    assert!(run(&backend, &["user", "add", "ana", "--password-file", "-"], PASSWORD).status.success());
    let ana = process.api.session("ana").await;
    assert_eq!(said(&run(&backend, &["user", "list"], "")), "ana\tuser\tenabled\n");
    assert!(said(&run(&backend, &["keys", "list"], "")).contains("\tsigning\t"));
    assert!(run(&backend, &["keys", "rotate"], "").status.success());
    assert_eq!(said(&run(&backend, &["keys", "list"], "")).lines().count(), 2);
    let again = failure(&run(&backend, &["keys", "rotate"], ""), 1);
    assert!(again.contains("the last rotation is not over"), "{again}");
    assert_eq!(ana.names("/files").await.len(), 0);
    let backup = failure(&run(&backend, &["backup", "copy"], ""), 1);
    let with = format!("pg_dump --format=custom --file='copy' '{}'", backend.url());
    assert!(backup.contains(&with), "{backup}");
    let second = failure(&run(&backend, &["--listen", "127.0.0.1:0"], ""), 1);
    assert!(second.contains("another directoryd is serving"), "{second}");
    assert!(run(&backend, &["healthcheck", "--listen", &process.address], "").status.success());
    // The place is free as soon as it is gone, however it went.
    process.kill().await;
    assert_eq!(serve(&backend).await.terminate().await, Some(0));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let backend = Backend::start().await;
    said(&run(&backend, &["migrate"], ""));
    backend.execute("INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000')").await;
    let tables = "SELECT COUNT(*) AS n FROM information_schema.columns WHERE table_schema = 'public'";
    let before = backend.count(tables).await;
    for words in [&["migrate"][..], &["--listen", "127.0.0.1:0"], &["user", "list"]] {
        let refused = failure(&run(&backend, words, ""), 1);
        assert!(refused.contains("written by a newer directoryd (it has `29991231000000`)"), "{refused}");
    }
    assert_eq!(backend.count(tables).await, before);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_one_clear_line() {
    let backend = Backend::start().await;
    backend.stop().await;
    let refused = failure(&run(&backend, &["--listen", "127.0.0.1:0"], ""), 1);
    assert!(
        refused.contains("cannot open the database postgres://enjambre@") && refused.lines().count() == 1,
        "{refused}"
    );
}
