//! No password, token, ticket or key turns up where it does not belong, whatever is asked and however loud the log.

use std::collections::BTreeSet;

use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use diesel::sql_types::Binary;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};
use proto::directory::Session;
use reqwest::{Method, RequestBuilder};
use serde_json::json;

use crate::program::Process;
use crate::program::directoryd;
use crate::support::{TestPeer, User};

#[derive(QueryableByName)]
struct Key {
    #[diesel(sql_type = Binary)]
    secret: Vec<u8>,
}

const RIGHT: &str = "right-pa55word-of-ana";
const LATER: &str = "later-pa55word-of-ana";
const WRONG: &str = "wrong-pa55word-of-ana";
const NUMBER: &str = "8675309867530";

/// Texts that must not turn up.
struct Secrets(BTreeSet<String>);

impl Secrets {
    fn assert_none_in(&self, what: &str, text: &str) {
        for secret in &self.0 {
            assert!(!text.contains(secret), "{what} has {secret}");
        }
    }

    /// Sends it and looks through the whole answer.
    async fn sent(&self, request: RequestBuilder) {
        let answer = request.send().await.unwrap();
        let (url, headers) = (answer.url().to_string(), format!("{:?}", answer.headers()));
        self.assert_none_in(&url, &headers);
        self.assert_none_in(&url, &answer.text().await.unwrap());
    }
}

#[tokio::test]
async fn nothing_secret_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start(folder.path(), &["--log-level", "trace"]).await;
    let add = directoryd(folder.path(), &["user", "add", "ana", "--role", "admin", "--password-file", "-"], RIGHT);
    assert!(add.status.success(), "{add:?}");
    let session: Session = process.api.log_in("ana", RIGHT).await.json().await.unwrap();
    let mut secrets = Secrets([RIGHT, LATER, WRONG, NUMBER, session.token.expose()].map(str::to_owned).into());

    let ana = User { api: process.api.clone(), token: session.token.expose().to_owned() };
    let peer = TestPeer::new(ana.clone(), "a");
    let ticket = peer.register().await.ticket.unwrap();
    let rotated = directoryd(folder.path(), &["keys", "rotate"], "");
    let mut database = SqliteConnection::establish(folder.path().join("directory.db").to_str().unwrap()).unwrap();
    let keys: Vec<Key> = diesel::sql_query("SELECT secret FROM signing_keys").load(&mut database).unwrap();
    assert_eq!(keys.len(), 2);
    for Key { secret } in &keys {
        // The second half is the public key.
        let seed = &secret[..32];
        secrets.0.extend([HEXLOWER.encode(seed), BASE64.encode(seed)[..43].to_owned(), BASE64URL_NOPAD.encode(seed)]);
        secrets.0.insert(format!("{seed:?}").trim_matches(['[', ']']).to_owned());
    }

    let login = |body: serde_json::Value| process.api.request(Method::POST, "/sessions").json(&body);
    secrets.sent(login(json!({"username": "ana", "password": WRONG}))).await;
    secrets.sent(login(json!({"username": WRONG, "password": WRONG}))).await;
    secrets.sent(login(json!({"username": "ana", "password": NUMBER.parse::<u64>().unwrap()}))).await;
    secrets.sent(login(json!({"username": "ana", "password": [WRONG]}))).await;
    secrets.sent(process.api.request(Method::POST, "/sessions").body(format!("{{\"password\":\"{WRONG}"))).await;
    for path in ["/sessions", "/sessions/current", "/users", "/users/ana", "/peers", "/keys", "/stats", "/files"] {
        secrets.sent(ana.request(Method::GET, path)).await;
        secrets.sent(ana.request(Method::POST, path).body(WRONG)).await;
    }
    let forged = ana.api.request(Method::GET, "/users").header("authorization", format!("Basic {}", ana.token));
    secrets.sent(forged).await;
    let password = |body: serde_json::Value| ana.request(Method::PUT, "/users/ana/password").json(&body);
    secrets.sent(password(json!({"password": LATER}))).await;
    secrets.sent(password(json!({"password": LATER, "current": WRONG}))).await;
    secrets.sent(password(json!({"password": LATER, "current": NUMBER.parse::<u64>().unwrap()}))).await;
    secrets.sent(password(json!({"password": LATER, "current": RIGHT}))).await;
    let new = json!({"name": "bob", "password": WRONG, "role": "none"});
    secrets.sent(ana.request(Method::POST, "/users").json(&new)).await;

    secrets.0.insert(ticket.token.expose().to_owned());
    let listed = directoryd(folder.path(), &["keys", "list"], "");
    let users = directoryd(folder.path(), &["user", "list"], "");
    for output in [add, rotated, listed, users] {
        secrets.assert_none_in("a command", &format!("{output:?}"));
        secrets.assert_none_in("a command", &String::from_utf8_lossy(&output.stdout));
        secrets.assert_none_in("a command", &String::from_utf8_lossy(&output.stderr));
    }
    for file in ["cmdline", "environ"] {
        let text = std::fs::read(format!("/proc/{}/{file}", process.id())).unwrap();
        secrets.assert_none_in(file, &String::from_utf8_lossy(&text));
    }
    let (exit, said) = process.last_words().await;
    assert_eq!(exit, Some(0));
    assert!(said.contains("a login failed") && said.contains("DEBUG"), "it was loud: {said}");
    secrets.assert_none_in("the log", &said);
}
