//! A server that is reached over a network is held to its name.

use std::net::TcpListener;
use std::path::Path;

use crate::backend::Backend;
use crate::program::{directoryd, failure};

/// A certificate for `localhost` and its key, as `NAME.crt` and `NAME.key`.
fn pair(folder: &Path, name: &str) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.crt")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn only_the_server_that_proves_its_name_is_spoken_to() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ours = tempfile::tempdir().unwrap();
    pair(ours.path(), "other");
    let _backend = Backend::start_with(|folder| {
        pair(folder, "server");
        std::fs::copy(folder.join("server.crt"), ours.path().join("server.crt")).unwrap();
        let file = |setting: &str, file: &str| format!("{setting}={}", folder.join(file).display());
        vec![
            "listen_addresses=127.0.0.1".to_owned(),
            format!("port={port}"),
            "ssl=on".to_owned(),
            file("ssl_cert_file", "server.crt"),
            file("ssl_key_file", "server.key"),
        ]
    })
    .await;
    let migrate = |host: &str, parameters: &str| {
        let url = format!("postgres://enjambre@{host}:{port}/postgres?{parameters}");
        directoryd(ours.path(), &["migrate", "--database-url", &url], "")
    };
    let with = |file: &str| format!("sslmode=verify-full&sslrootcert={}", ours.path().join(file).display());
    let vouched = migrate("localhost", &with("server.crt"));
    assert!(vouched.status.success(), "{vouched:?}");
    for (host, parameters) in [
        ("localhost", with("other.crt")),
        ("localhost", "sslmode=verify-full".to_owned()),
        // Vouched for, under another name.
        ("127.0.0.1", with("server.crt")),
    ] {
        let refused = failure(&migrate(host, &parameters), 1);
        assert!(refused.contains("certificate"), "{host} {parameters}: {refused}");
    }
    let missing = failure(&migrate("localhost", &with("nothing.crt")), 1);
    assert!(missing.contains("nothing.crt"), "{missing}");
}
