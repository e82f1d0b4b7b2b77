//! HTTPS from two files, and no plain HTTP where others could listen in.

use std::path::{Path, PathBuf};

use proto::directory::{CurrentSession, ProblemCode};
use reqwest::{Certificate, Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::crash::add_ana;
use crate::program::Process;
use crate::program::{directoryd, failure};
use crate::support::{Api, code};

/// A certificate for `localhost` and its key, as files and as what a client is to trust.
fn pair(folder: &Path) -> (PathBuf, PathBuf, Certificate) {
    let key = rcgen::KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned()];
    let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    let (certificate_file, key_file) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate_file, certificate.pem()).unwrap();
    std::fs::write(&key_file, key.serialize_pem()).unwrap();
    (certificate_file, key_file, Certificate::from_pem(certificate.pem().as_bytes()).unwrap())
}

#[tokio::test]
async fn the_interface_is_there_over_tls_and_only_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key, trusted) = pair(folder.path());
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    // Beyond loopback, which plain HTTP would not be allowed.
    let settings = ["--listen", "0.0.0.0:0", "--tls-cert", certificate, "--tls-key", key];
    let process = Process::start(folder.path(), &settings).await;
    add_ana(folder.path()).await;
    let port = process.address.rsplit_once(':').unwrap().1.to_owned();
    let base = format!("https://localhost:{port}");

    let trusting = Api::with(base.clone(), |client| client.tls_certs_only([trusted]));
    let ana = trusting.session("ana").await;
    assert_eq!(ana.get::<CurrentSession>("/sessions/current").await.user.as_str(), "ana");
    let answer = trusting.request(Method::GET, "//readyz").send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(code(trusting.log_in("ana", "wrong").await).await, ProblemCode::BadCredentials);

    let distrusting = Api::with(base, |client| client);
    assert!(distrusting.request(Method::GET, "//readyz").send().await.unwrap_err().is_connect());
    let mut plain = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    plain.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));

    let health = ["healthcheck", "--listen", &format!("127.0.0.1:{port}"), "--tls-cert", certificate, "--tls-key", key];
    assert!(directoryd(folder.path(), &health, "").status.success());
    let plain = failure(&directoryd(folder.path(), &health[..3], ""), 1);
    assert!(plain.contains("no directory answers on"), "TLS is not plain HTTP: {plain}");
    // Somebody who listens is not yet a directory.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let elsewhere = silent.local_addr().unwrap().to_string();
    let deaf = tokio::spawn(async move { while silent.accept().await.is_ok() {} });
    let state = folder.path().to_owned();
    let words = [&["healthcheck", "--listen", &elsewhere], &health[3..]].concat().join(" ");
    let said = tokio::task::spawn_blocking(move || directoryd(&state, &words.split(' ').collect::<Vec<_>>(), ""));
    let said = failure(&said.await.unwrap(), 1);
    assert!(said.contains("no directory answers on"), "{said}");
    deaf.abort();
    assert_eq!(process.terminate().await, Some(0));
}

#[tokio::test]
async fn plain_http_beyond_loopback_takes_a_word() {
    let folder = tempfile::tempdir().unwrap();
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:4001"] {
        let said = failure(&directoryd(folder.path(), &["--listen", address], ""), 78);
        assert!(said.contains("insecure-http") && said.contains("tls-cert"), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was begun");
    let process = Process::start(folder.path(), &["--listen", "0.0.0.0:0", "--insecure-http"]).await;
    assert_eq!(process.terminate().await, Some(0));
}

#[test]
fn files_that_are_no_pair_are_named_in_one_line() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (certificate, key, _) = pair(folder.path());
    let (_, other_key, _) = pair(other.path());
    let missing = folder.path().join("missing.pem");
    for (certificate, key) in [(&certificate, &other_key), (&missing, &key), (&certificate, &missing)] {
        let words = ["--listen", "127.0.0.1:0", "--tls-cert", certificate.to_str().unwrap(), "--tls-key"];
        let words = [&words[..], &[key.to_str().unwrap()]].concat();
        let said = failure(&directoryd(&folder.path().join("state"), &words, ""), 1);
        assert!(said.lines().count() == 1 && said.contains(".key") | said.contains("missing.pem"), "{said}");
    }
}
