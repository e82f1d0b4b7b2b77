use std::num::NonZeroU32;

use super::*;

fn at_home(name: &str) -> Option<PathBuf> {
    (name == "HOME").then(|| "/home/ana".into())
}

fn listening(address: &str) -> Settings {
    Settings { listen: Some(address.parse().unwrap()), ..Settings::default() }
}

#[test]
fn nothing_set_is_enough() {
    let config = Settings::default().resolve(None, at_home).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:4001");
    assert_eq!(config.database.to_string(), "sqlite:/home/ana/.local/share/enjambre/directoryd/directory.db");
    assert_eq!((config.lease, config.heartbeat), (Duration::from_secs(30), Duration::from_secs(10)));
}

#[test]
fn the_state_folder_follows_its_environment() {
    let systemd = |name: &str| (name == "STATE_DIRECTORY").then(|| "/var/lib/directoryd".into());
    let config = Settings::default().resolve(None, systemd).unwrap();
    assert_eq!(config.database.to_string(), "sqlite:/var/lib/directoryd/directory.db");
    let relative = |name: &str| (name == "XDG_DATA_HOME").then(|| "data".into());
    assert!(Settings::default().resolve(None, relative).is_err());
}

#[test]
fn flags_beat_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directoryd.toml");
    std::fs::write(&file, "lease = \"60s\"\nlisten = \"127.0.0.1:9\"\ndatabase-url = \"sqlite:/x/y.db\"\n").unwrap();
    let config = listening("127.0.0.1:7").resolve(Some(&file), at_home).unwrap();
    assert_eq!((config.listen.port(), config.lease), (7, Duration::from_mins(1)));
    assert_eq!(config.database.to_string(), "sqlite:/x/y.db");
}

#[test]
fn plain_http_stays_on_loopback_unless_told() {
    assert!(listening("[::1]:1").resolve(None, at_home).is_ok());
    assert!(listening("0.0.0.0:1").resolve(None, at_home).is_err());
    let told = Settings { insecure_http: Some(true), ..listening("0.0.0.0:1") };
    assert!(told.resolve(None, at_home).is_ok());
    let tls = Settings { tls_cert: Some("c".into()), tls_key: Some("k".into()), ..listening("0.0.0.0:1") };
    assert!(tls.resolve(None, at_home).is_ok());
}

#[test]
fn all_faults_are_told_at_once() {
    let settings = Settings {
        tls_cert: Some("c".into()),
        heartbeat: Some(Span(Duration::from_mins(1))),
        log_level: Some("directoryd=loud".into()),
        ..listening("0.0.0.0:1")
    };
    let faults = settings.resolve(None, |_| None).unwrap_err().to_string();
    assert_eq!(faults.lines().count(), 5, "{faults}");
}

#[test]
fn databases_are_named_by_url() {
    for (url, path) in [("sqlite:/a/b.db", "/a/b.db"), ("sqlite:b.db", "b.db"), ("sqlite:///a/b.db", "/a/b.db")] {
        assert_eq!(url.parse(), Ok(Database::Sqlite(path.into())), "{url}");
    }
    for bad in ["", "sqlite:", "/a/b.db", "mysql://x"] {
        assert!(bad.parse::<Database>().is_err(), "{bad}");
    }
}

#[test]
fn what_a_session_may_ask_is_a_number_or_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directoryd.toml");
    let resolved = |line: &str| {
        std::fs::write(&file, line).unwrap();
        Settings::default().resolve(Some(&file), at_home).map(|config| config.max_requests.limit().map(NonZeroU32::get))
    };
    assert_eq!(resolved(""), Ok(Some(1000)));
    assert_eq!(resolved("max-requests = 7"), Ok(Some(7)));
    assert_eq!(resolved("max-requests = \"off\""), Ok(None));
    for bad in ["0", "-1", "\"many\"", "1.5"] {
        let fault = resolved(&format!("max-requests = {bad}")).unwrap_err().to_string();
        assert!(fault.contains("`max-requests`") && fault.contains("off"), "{fault}");
    }
}

#[test]
fn figures_are_served_somewhere_or_nowhere() {
    let usual = Settings::default().resolve(None, at_home).unwrap();
    assert_eq!(usual.admin, Admin::Usual);
    for (text, admin) in
        [("off", Some(Admin::Off)), ("[::1]:7", Some(Admin::At("[::1]:7".parse().unwrap()))), ("no", None)]
    {
        assert_eq!(text.parse().ok(), admin, "{text}");
    }
}
