//! What can be set, where it comes from, and what it means: flag before environment before file before default.
//!
//! [`Settings`] is one struct that clap fills from flags and environment and serde from the file; [`Config`] is the
//! result, complete and checked, and the only thing the rest of the daemon sees.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proto::ids::{Malformed, PeerAddress, PeerName, Rate, UserName};
use proto::settings;
use proto::simulation::PieceOrder;
use serde::Deserialize;
use traces::Endpoint;

/// Port of the first peer, as in the original.
const USUAL_PORT: u16 = 5001;
/// Pieces on their way at once: 64 MiB of the usual ones, more than fills any link.
const UPLOAD_SLOTS: usize = 64;
const USUAL_DIRECTORY: &str = "http://127.0.0.1:4001";

/// What may be said by flag, by environment or in the file, under one name.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Settings {
    /// Name that this peer goes by [default: the host's name]
    #[arg(long, env = "PEERD_NAME")]
    pub name: Option<PeerName>,
    /// Where the directory is [default: `http://127.0.0.1:4001`]
    #[arg(long, env = "PEERD_DIRECTORY", value_name = "URL")]
    pub directory: Option<String>,
    /// Where to listen for other peers [default: 0.0.0.0:5001]
    #[arg(long, env = "PEERD_LISTEN", value_name = "ADDR:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where other peers reach this one [default: --listen, or the host's name for 0.0.0.0]
    #[arg(long, env = "PEERD_ADVERTISE", value_name = "HOST:PORT")]
    pub advertise: Option<PeerAddress>,
    /// Folder for the key, the shares and unfinished downloads
    #[arg(long, env = "PEERD_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Control socket that peerctl talks to
    #[arg(long, env = "PEERD_SOCKET", value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Group that may use the control socket; without one, its owner alone may
    #[arg(long, env = "PEERD_SOCKET_GROUP", value_name = "GROUP")]
    pub socket_group: Option<String>,
    /// Folder for downloads that name no other place
    #[arg(long, env = "PEERD_DOWNLOAD_DIR", value_name = "DIR")]
    pub download_dir: Option<PathBuf>,
    /// Share everything under this path, and let other users of the socket share from it (may be repeated)
    #[arg(long, env = "PEERD_SHARE", value_name = "PATH", value_delimiter = ':')]
    #[serde(rename = "share")]
    pub share: Vec<PathBuf>,
    /// Log in as this user at start
    #[arg(long, env = "PEERD_USER", requires = "password_file")]
    pub user: Option<UserName>,
    /// File with the password of --user
    #[arg(long, env = "PEERD_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// Most bytes sent to other peers, all together: 100Mbit, or 10MiB per second [default: no limit]
    #[arg(long, env = "PEERD_MAX_UPLOAD", value_name = "RATE")]
    pub max_upload: Option<RateText>,
    /// Most bytes fetched from other peers, all together [default: no limit]
    #[arg(long, env = "PEERD_MAX_DOWNLOAD", value_name = "RATE")]
    pub max_download: Option<RateText>,
    /// Most bytes sent to one other peer [default: no limit]
    #[arg(long, env = "PEERD_MAX_UPLOAD_PER_PEER", value_name = "RATE")]
    pub max_upload_per_peer: Option<RateText>,
    /// Most bytes fetched from one other peer [default: no limit]
    #[arg(long, env = "PEERD_MAX_DOWNLOAD_PER_PEER", value_name = "RATE")]
    pub max_download_per_peer: Option<RateText>,
    /// Most pieces on their way to other peers at once [default: 64]
    #[arg(long, env = "PEERD_UPLOAD_SLOTS", value_name = "N")]
    pub upload_slots: Option<NonZeroU16>,
    /// In which order the pieces of a file are fetched: rarest, or in-order for who reads along [default: rarest]
    #[arg(long, env = "PEERD_PIECE_ORDER", value_name = "ORDER")]
    pub piece_order: Option<PieceOrder>,
    /// Serve figures for Prometheus at `/metrics` of this address, without a login [default: nowhere]
    #[arg(long, env = "PEERD_METRICS_LISTEN", value_name = "ADDR:PORT")]
    pub metrics_listen: Option<SocketAddr>,
    /// Tell a collector (OTLP over HTTP) what comes with a trace, as `peerctl --otlp-endpoint` begins one [default: nobody]
    #[arg(long, env = "PEERD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<Endpoint>,
    /// Allow a directory off this machine without TLS
    #[arg(long, env = "PEERD_INSECURE_HTTP", num_args = 0..=1, default_missing_value = "true")]
    pub insecure_http: Option<bool>,
    /// Certificates (PEM) to hold an https directory to, instead of the system's
    #[arg(long, env = "PEERD_DIRECTORY_CA", value_name = "FILE")]
    pub directory_ca: Option<PathBuf>,
    /// Serve peers whose ticket has ended for so many seconds more while the directory is out of reach [default: 0]
    #[arg(long, env = "PEERD_TICKET_GRACE", value_name = "SECONDS")]
    pub ticket_grace: Option<u64>,
    /// Tell whoever asks what the interface between peers looks like (gRPC server reflection)
    #[arg(long, env = "PEERD_REFLECTION", num_args = 0..=1, default_missing_value = "true")]
    pub reflection: Option<bool>,
    /// How log lines look [default: text]
    #[arg(long, env = "PEERD_LOG_FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: a level, or a filter such as peerd=debug [default: info]
    #[arg(long, env = "PEERD_LOG_LEVEL", value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Allow `crash` on the control socket, for tests of the supervision
    #[arg(long, env = "PEERD_FAULT_INJECTION", hide = true, num_args = 0..=1, default_missing_value = "true")]
    pub fault_injection: Option<bool>,
}

/// A rate as people write it; on the wire a rate is a number.
#[derive(Debug, Clone, Copy)]
pub struct RateText(Rate);

impl std::str::FromStr for RateText {
    type Err = Malformed;
    fn from_str(text: &str) -> Result<Self, Malformed> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for RateText {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// What the daemon runs with.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name that this peer goes by.
    pub name: PeerName,
    /// Base URL of the directory, without a slash at the end.
    pub directory: String,
    /// Where to listen for other peers.
    pub listen: SocketAddr,
    /// Where other peers reach this one; port 0 stands for the one that [`Config::listen`] gets.
    pub advertise: Option<PeerAddress>,
    /// Folder for the key, the shares and unfinished downloads.
    pub state_dir: PathBuf,
    /// Control socket.
    pub socket: PathBuf,
    /// Group that may use it.
    pub socket_group: Option<String>,
    /// Folder for downloads that name no other place.
    pub download_dir: PathBuf,
    /// Roots that are shared.
    pub share: Vec<PathBuf>,
    /// Who logs in at start, with which password file.
    pub login: Option<(UserName, PathBuf)>,
    /// Rate that all uploads together are held to.
    pub max_upload: Option<Rate>,
    /// Rate that all downloads together are held to.
    pub max_download: Option<Rate>,
    /// Rate that what goes to one peer is held to.
    pub max_upload_per_peer: Option<Rate>,
    /// Rate that what comes from one peer is held to.
    pub max_download_per_peer: Option<Rate>,
    /// Pieces that may be on their way to others at once.
    pub upload_slots: usize,
    /// In which order the pieces of a file are fetched.
    pub piece_order: PieceOrder,
    /// Where figures are served.
    pub metrics_listen: Option<SocketAddr>,
    /// Collector of traces.
    pub otlp_endpoint: Option<Endpoint>,
    /// Certificates that an https directory is held to; the system's where nothing is named.
    pub directory_ca: Option<PathBuf>,
    /// How long an ended ticket still opens while the directory is out of reach.
    pub ticket_grace: Duration,
    /// Whether other peers may ask what the interface looks like.
    pub reflection: bool,
    /// Whether tests may make actors panic.
    pub fault_injection: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: String,
}

/// Why the daemon cannot run with what it was given: one line per fault.
#[derive(Debug, thiserror::Error)]
pub enum BadConfig {
    /// The file.
    #[error(transparent)]
    File(#[from] settings::BadSettings),
    /// A setting, or two that do not go together.
    #[error("{0}")]
    Setting(String),
}

impl Config {
    /// Puts flags and environment over the file, and defaults under both.
    ///
    /// # Errors
    /// Everything wrong with the file at once, or the first setting that makes no sense.
    pub fn resolve(given: Settings, file: Option<&Path>) -> Result<Self, BadConfig> {
        let file = file.map(settings::read::<Settings>).transpose()?.unwrap_or_default();
        Self::complete(given.over(file))
    }

    fn complete(settings: Settings) -> Result<Self, BadConfig> {
        let bad = |what: String| Err(BadConfig::Setting(what));
        let state_dir = settings.state_dir.or_else(default_state_dir);
        let Some(state_dir) = state_dir else {
            return bad("no state folder: set --state-dir, $STATE_DIRECTORY or $HOME".into());
        };
        let login = match (settings.user, settings.password_file) {
            (Some(user), Some(file)) => Some((user, file)),
            (None, None) => None,
            (Some(_), None) => return bad("`user` needs `password-file`".into()),
            (None, Some(_)) => return bad("`password-file` needs `user`".into()),
        };
        let name = match settings.name {
            Some(name) => name,
            None => host_name().parse().map_err(|why| BadConfig::Setting(format!("{why}; set --name")))?,
        };
        let directory = settings.directory.unwrap_or_else(|| USUAL_DIRECTORY.into());
        check_directory(&directory, settings.insecure_http.unwrap_or(false))?;
        Ok(Self {
            name,
            directory: directory.trim_end_matches('/').to_owned(),
            listen: settings.listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], USUAL_PORT))),
            advertise: settings.advertise,
            socket: settings.socket.unwrap_or_else(default_socket),
            socket_group: settings.socket_group,
            download_dir: absolute(&settings.download_dir.unwrap_or_else(|| default_download_dir(&state_dir)))?,
            share: settings.share.iter().map(|path| absolute(path)).collect::<Result<_, _>>()?,
            state_dir: absolute(&state_dir)?,
            login,
            max_upload: settings.max_upload.map(|rate| rate.0),
            max_download: settings.max_download.map(|rate| rate.0),
            max_upload_per_peer: settings.max_upload_per_peer.map(|rate| rate.0),
            max_download_per_peer: settings.max_download_per_peer.map(|rate| rate.0),
            upload_slots: settings.upload_slots.map_or(UPLOAD_SLOTS, |slots| slots.get().into()),
            piece_order: settings.piece_order.unwrap_or_default(),
            metrics_listen: settings.metrics_listen,
            otlp_endpoint: settings.otlp_endpoint,
            directory_ca: settings.directory_ca,
            ticket_grace: Duration::from_secs(settings.ticket_grace.unwrap_or(0)),
            reflection: settings.reflection.unwrap_or(false),
            fault_injection: settings.fault_injection.unwrap_or(false),
            log_format: settings.log_format.unwrap_or_default(),
            log_level: settings.log_level.unwrap_or_else(|| "info".into()),
        })
    }

    /// The address that other peers are told, now that the port is known.
    ///
    /// # Errors
    /// The host's name does not make an address; `--advertise` does.
    pub fn advertised(&self, listening: SocketAddr) -> Result<PeerAddress, BadConfig> {
        if let Some(address) = &self.advertise {
            return Ok(address.clone());
        }
        let address = if listening.ip().is_unspecified() {
            format!("{}:{}", host_name(), listening.port())
        } else {
            listening.to_string()
        };
        address.parse().map_err(|why| BadConfig::Setting(format!("{why}; set --advertise")))
    }
}

impl Settings {
    /// These where they are set, the others elsewhere.
    fn over(self, under: Self) -> Self {
        Self {
            name: self.name.or(under.name),
            directory: self.directory.or(under.directory),
            listen: self.listen.or(under.listen),
            advertise: self.advertise.or(under.advertise),
            state_dir: self.state_dir.or(under.state_dir),
            socket: self.socket.or(under.socket),
            socket_group: self.socket_group.or(under.socket_group),
            download_dir: self.download_dir.or(under.download_dir),
            share: if self.share.is_empty() { under.share } else { self.share },
            user: self.user.or(under.user),
            password_file: self.password_file.or(under.password_file),
            insecure_http: self.insecure_http.or(under.insecure_http),
            max_upload: self.max_upload.or(under.max_upload),
            max_download: self.max_download.or(under.max_download),
            max_upload_per_peer: self.max_upload_per_peer.or(under.max_upload_per_peer),
            max_download_per_peer: self.max_download_per_peer.or(under.max_download_per_peer),
            upload_slots: self.upload_slots.or(under.upload_slots),
            piece_order: self.piece_order.or(under.piece_order),
            metrics_listen: self.metrics_listen.or(under.metrics_listen),
            otlp_endpoint: self.otlp_endpoint.or(under.otlp_endpoint),
            directory_ca: self.directory_ca.or(under.directory_ca),
            ticket_grace: self.ticket_grace.or(under.ticket_grace),
            reflection: self.reflection.or(under.reflection),
            log_format: self.log_format.or(under.log_format),
            log_level: self.log_level.or(under.log_level),
            fault_injection: self.fault_injection.or(under.fault_injection),
        }
    }
}

/// Passwords and tokens go to the directory, so plain HTTP is for this machine alone unless somebody says otherwise.
fn check_directory(url: &str, insecure: bool) -> Result<(), BadConfig> {
    let bad = |why: &str| Err(BadConfig::Setting(format!("`directory`: `{}` {why}", url.escape_debug())));
    let Ok(parsed) = reqwest::Url::parse(url) else { return bad("is not a URL such as http://127.0.0.1:4001") };
    let Some(host) = parsed.host_str() else { return bad("names no host") };
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if insecure || is_loopback(host) => Ok(()),
        "http" => bad(
            "is plain HTTP to another machine, which shows passwords to the network: use https, or allow it with --insecure-http",
        ),
        _ => bad("is neither http nor https"),
    }
}

fn is_loopback(host: &str) -> bool {
    let plain = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || plain.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Under systemd the folder of the unit, else the user's (XDG base directories).
fn default_state_dir() -> Option<PathBuf> {
    env_path("STATE_DIRECTORY")
        .or_else(|| env_path("XDG_STATE_HOME").map(|home| home.join("enjambre/peerd")))
        .or_else(|| env_path("HOME").map(|home| home.join(".local/state/enjambre/peerd")))
}

fn default_socket() -> PathBuf {
    env_path("PEERCTL_SOCKET")
        .or_else(|| env_path("RUNTIME_DIRECTORY").map(|folder| folder.join("peerd.sock")))
        .or_else(|| env_path("XDG_RUNTIME_DIR").map(|folder| folder.join("enjambre/peerd.sock")))
        .unwrap_or_else(|| "/run/enjambre/peerd.sock".into())
}

fn default_download_dir(state_dir: &Path) -> PathBuf {
    if env_path("STATE_DIRECTORY").is_some() {
        return state_dir.join("downloads");
    }
    env_path("XDG_DOWNLOAD_DIR")
        .or_else(|| env_path("HOME").map(|home| home.join("Downloads")))
        .unwrap_or_else(|| state_dir.join("downloads"))
}

fn env_path(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn absolute(path: &Path) -> Result<PathBuf, BadConfig> {
    std::path::absolute(path).map_err(|error| BadConfig::Setting(format!("{}: {error}", path.display())))
}

fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minimal() -> Settings {
        Settings { name: Some("a".parse().unwrap()), state_dir: Some("/s".into()), ..Settings::default() }
    }

    #[test]
    fn flags_win_over_the_file() {
        let file: Settings = toml_like(r#"{"name":"from-file","listen":"127.0.0.1:7"}"#);
        let config = Config::complete(minimal().over(file)).unwrap();
        assert_eq!((config.name.as_str(), config.listen.port()), ("a", 7));
        assert_eq!(config.directory, USUAL_DIRECTORY);
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for (url, ok) in [
            ("http://127.0.0.1:4001", true),
            ("http://localhost:4001/", true),
            ("http://[::1]:1", true),
            ("https://directory.example", true),
            ("http://directory.example", false),
            ("http://10.0.0.1:4001", false),
            ("ftp://127.0.0.1", false),
            ("nonsense", false),
        ] {
            assert_eq!(check_directory(url, false).is_ok(), ok, "{url}");
        }
        assert!(check_directory("http://10.0.0.1:4001", true).is_ok());
    }

    #[test]
    fn a_user_needs_a_password_file() {
        let settings = Settings { user: Some("u".parse().unwrap()), ..minimal() };
        assert!(Config::complete(settings).unwrap_err().to_string().contains("password-file"));
    }

    #[test]
    fn advertised_is_what_was_bound() {
        let config = Config::complete(minimal()).unwrap();
        assert_eq!(config.advertised("127.0.0.1:9".parse().unwrap()).unwrap().as_str(), "127.0.0.1:9");
        let anywhere = config.advertised("0.0.0.0:9".parse().unwrap()).unwrap();
        assert!(anywhere.as_str().ends_with(":9") && !anywhere.as_str().starts_with("0.0.0.0"), "{anywhere}");
    }

    fn toml_like(json: &str) -> Settings {
        serde_json::from_str(json).unwrap()
    }
}
