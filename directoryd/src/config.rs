//! Settings: one struct for flags, environment and file, so that a setting has one name everywhere. Flag beats environment
//! beats file beats default; all that is wrong is said at once.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use traces::Endpoint;
use transport::Limits;

mod database;
mod max_requests;
mod nats;
mod span;

pub use database::{Database, PostgresServer};
pub use max_requests::MaxRequests;
pub(crate) use nats::Credentials;
pub use nats::{Nats, NatsPrefix, NatsServers};
pub use span::Span;

/// Longest lease: a peer that has been gone for longer must not look as if it were there.
const LONGEST_LEASE: Duration = Duration::from_hours(1);

/// How long requests in flight get when the directory stops; well under the 30 s after which service managers kill.
const DRAIN: Duration = Duration::from_secs(15);
/// Longest ticket: whoever is disabled keeps the last one until it ends.
const LONGEST_TICKET: Duration = Duration::from_hours(24);

/// What an operator may set.
#[derive(Debug, Clone, Default, clap::Args, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Address to listen on [default: 127.0.0.1:4001]
    #[arg(long, global = true, env = "DIRECTORYD_LISTEN", value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where everything is kept: `sqlite:PATH`, or `postgres://USER@HOST/DATABASE` [default: `sqlite:` and
    /// `directory.db` in the state folder]
    #[arg(long, global = true, env = "DIRECTORYD_DATABASE_URL", value_name = "URL")]
    pub database_url: Option<Database>,
    /// File whose first line is the password for a PostgreSQL database
    #[arg(long, global = true, env = "DIRECTORYD_DATABASE_PASSWORD_FILE", value_name = "FILE")]
    pub database_password_file: Option<PathBuf>,
    /// Folder for the database [default: `$STATE_DIRECTORY`, or `enjambre/directoryd` in the XDG data folder]
    #[arg(long, global = true, env = "DIRECTORYD_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// How long a peer counts as up after a heartbeat [default: 30s]
    #[arg(long, global = true, env = "DIRECTORYD_LEASE", value_name = "DURATION")]
    pub lease: Option<Span>,
    /// How often peers send one [default: a third of the lease]
    #[arg(long, global = true, env = "DIRECTORYD_HEARTBEAT", value_name = "DURATION")]
    pub heartbeat: Option<Span>,
    /// How long a login lasts [default: 720h]
    #[arg(long, global = true, env = "DIRECTORYD_SESSION", value_name = "DURATION")]
    pub session: Option<Span>,
    /// How long a peer's permission to fetch from other peers lasts [default: 10m]
    #[arg(long, global = true, env = "DIRECTORYD_TICKET", value_name = "DURATION")]
    pub ticket: Option<Span>,
    /// Certificate chain (PEM) for serving HTTPS
    #[arg(long, global = true, env = "DIRECTORYD_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key (PEM) of the certificate
    #[arg(long, global = true, env = "DIRECTORYD_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Allow plain HTTP on an address that others can reach: passwords and tokens then travel in the clear
    #[arg(long, global = true, env = "DIRECTORYD_INSECURE_HTTP", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL")]
    pub insecure_http: Option<bool>,
    /// Connections at once; a peer keeps one or two [default: 16384]
    #[arg(long, global = true, env = "DIRECTORYD_MAX_CONNECTIONS", value_name = "NUMBER")]
    pub max_connections: Option<NonZeroUsize>,
    /// Requests per second of one session, beyond bursts of five seconds' worth; `off` for no limit [default: 1000]
    #[arg(long, global = true, env = "DIRECTORYD_MAX_REQUESTS", value_name = "NUMBER")]
    pub max_requests: Option<MaxRequests>,
    /// Where figures for Prometheus are served at `/metrics`, without a login; `off` for nowhere [default: 127.0.0.1:4002]
    #[arg(long, global = true, env = "DIRECTORYD_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    pub admin_listen: Option<Admin>,
    /// Tell a collector (OTLP over HTTP) what comes with a trace [default: nobody]
    #[arg(long, global = true, env = "DIRECTORYD_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<Endpoint>,
    /// Changes that the log keeps for those who listen, for a week at most [default: 1000000]
    #[arg(long, global = true, env = "DIRECTORYD_EVENTS_KEPT", value_name = "NUMBER")]
    pub events_kept: Option<u64>,
    /// NATS that carries the feed of changes: `nats://HOST:4222` or `tls://HOST:4222`, several with commas between them
    #[arg(long, global = true, env = "DIRECTORYD_NATS_URL", value_name = "URL")]
    pub nats_url: Option<NatsServers>,
    /// File that says as whom to log in there: what `nsc` writes, an `NKey` seed, `USER:PASSWORD`, or a token
    #[arg(long, global = true, env = "DIRECTORYD_NATS_CREDENTIALS_FILE", value_name = "FILE")]
    pub nats_credentials_file: Option<PathBuf>,
    /// Certificates (PEM) that may vouch for it [default: those that this machine trusts]
    #[arg(long, global = true, env = "DIRECTORYD_NATS_CA", value_name = "FILE")]
    pub nats_ca: Option<PathBuf>,
    /// What its subjects begin with [default: enjambre]
    #[arg(long, global = true, env = "DIRECTORYD_NATS_PREFIX", value_name = "WORDS")]
    pub nats_prefix: Option<NatsPrefix>,
    /// How log lines look [default: text]
    #[arg(long, global = true, env = "DIRECTORYD_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What is logged: error, warn, info, debug, trace, or a filter such as directoryd=debug [default: info]
    #[arg(long, global = true, env = "DIRECTORYD_LOG_LEVEL", value_name = "LEVEL")]
    pub log_level: Option<String>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// Where figures are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Admin {
    /// On [`Admin::USUAL`], or nowhere if that is taken: it was nobody's choice, and no reason not to start.
    #[default]
    Usual,
    /// There, and nowhere else.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

impl Admin {
    /// Where nothing else is said: this machine alone.
    pub const USUAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 4002);
}

impl FromStr for Admin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self::Off);
        }
        let unknown = |_| format!("`{}` is neither an address with a port nor `off`", text.escape_debug());
        text.parse().map(Self::At).map_err(unknown)
    }
}

impl<'de> Deserialize<'de> for Admin {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Files for serving HTTPS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Settings after all sources were asked and all were checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where everything is kept.
    pub database: Database,
    /// How long a peer counts as up after a sign of life.
    pub lease: Duration,
    /// When peers should send the next heartbeat.
    pub heartbeat: Duration,
    /// How long a login lasts.
    pub session: Duration,
    /// How long a ticket lasts.
    pub ticket: Duration,
    /// Serves HTTPS where there is one.
    pub tls: Option<Tls>,
    /// What clients may cost.
    pub limits: Limits,
    /// What one session may ask.
    pub max_requests: MaxRequests,
    /// Where figures are served.
    pub admin: Admin,
    /// Collector of traces.
    pub otlp_endpoint: Option<Endpoint>,
    /// Changes that the log keeps.
    pub events_kept: u64,
    /// Carries the feed of changes, where there is one.
    pub nats: Option<Nats>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: String,
}

/// Everything that is wrong with the configuration, a line each.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub struct BadConfig(Vec<String>);

impl fmt::Display for BadConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl Settings {
    /// Fills in what flags and environment leave open, from the file and the defaults, and checks what comes out.
    /// `environment` answers for `$STATE_DIRECTORY`, `$XDG_DATA_HOME` and `$HOME`.
    pub fn resolve(
        self,
        file: Option<&Path>,
        environment: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Config, BadConfig> {
        let from_file = match file {
            Some(path) => proto::settings::read(path).map_err(|error| BadConfig(vec![error.to_string()]))?,
            None => Self::default(),
        };
        self.or(from_file).check(environment)
    }

    fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            database_url: self.database_url.or(other.database_url),
            database_password_file: self.database_password_file.or(other.database_password_file),
            state_dir: self.state_dir.or(other.state_dir),
            lease: self.lease.or(other.lease),
            heartbeat: self.heartbeat.or(other.heartbeat),
            session: self.session.or(other.session),
            ticket: self.ticket.or(other.ticket),
            tls_cert: self.tls_cert.or(other.tls_cert),
            tls_key: self.tls_key.or(other.tls_key),
            insecure_http: self.insecure_http.or(other.insecure_http),
            max_connections: self.max_connections.or(other.max_connections),
            max_requests: self.max_requests.or(other.max_requests),
            admin_listen: self.admin_listen.or(other.admin_listen),
            otlp_endpoint: self.otlp_endpoint.or(other.otlp_endpoint),
            events_kept: self.events_kept.or(other.events_kept),
            nats_url: self.nats_url.or(other.nats_url),
            nats_credentials_file: self.nats_credentials_file.or(other.nats_credentials_file),
            nats_ca: self.nats_ca.or(other.nats_ca),
            nats_prefix: self.nats_prefix.or(other.nats_prefix),
            log_format: self.log_format.or(other.log_format),
            log_level: self.log_level.or(other.log_level),
        }
    }

    fn check(self, environment: impl Fn(&str) -> Option<PathBuf>) -> Result<Config, BadConfig> {
        let mut faults = Vec::new();
        let listen = self.listen.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 4001)));
        let (lease, heartbeat) = noting(&mut faults, terms(self.lease, self.heartbeat));
        let ticket = noting(&mut faults, ticket(self.ticket, heartbeat));
        let tls = noting(&mut faults, tls(self.tls_cert, self.tls_key));
        if tls.is_none() && !self.insecure_http.unwrap_or(false) {
            noting(&mut faults, private(listen));
        }
        let mut database = match self.database_url {
            Some(database) => database,
            None => Database::Sqlite(noting(&mut faults, usual_database(self.state_dir, environment))),
        };
        if let Some(file) = self.database_password_file {
            match database.clone().with_password(file) {
                Ok(with_password) => database = with_password,
                Err(fault) => faults.push(fault),
            }
        }
        let nats = Nats::new(self.nats_url, self.nats_credentials_file.as_deref(), self.nats_ca, self.nats_prefix);
        let nats = noting(&mut faults, nats);
        let log_level = self.log_level.unwrap_or_else(|| "info".to_owned());
        if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(&log_level) {
            faults.push(format!("`log-level`: {error}"));
        }
        if !faults.is_empty() {
            return Err(BadConfig(faults));
        }
        let session = self.session.map_or(Duration::from_hours(30 * 24), |span| span.0);
        let log_format = self.log_format.unwrap_or_default();
        let (limits, admin) = (limits(self.max_connections), self.admin_listen.unwrap_or_default());
        let events_kept = self.events_kept.unwrap_or(1_000_000);
        let max_requests = self.max_requests.unwrap_or(MaxRequests::USUAL);
        Ok(Config {
            listen,
            database,
            lease,
            heartbeat,
            session,
            ticket,
            tls,
            limits,
            max_requests,
            admin,
            otlp_endpoint: self.otlp_endpoint,
            events_kept,
            nats,
            log_format,
            log_level,
        })
    }
}

/// Goes on without what is wrong, so that one fault does not hide the next.
fn noting<T: Default>(faults: &mut Vec<String>, checked: Result<T, String>) -> T {
    checked.unwrap_or_else(|fault| {
        faults.push(fault);
        T::default()
    })
}

fn terms(lease: Option<Span>, heartbeat: Option<Span>) -> Result<(Duration, Duration), String> {
    let lease = lease.map_or(Duration::from_secs(30), |span| span.0);
    let heartbeat = heartbeat.map_or(lease / 3, |span| span.0);
    if heartbeat.is_zero() || heartbeat >= lease || lease > LONGEST_LEASE {
        let (lease, heartbeat, longest) = (Span(lease), Span(heartbeat), Span(LONGEST_LEASE));
        return Err(format!(
            "`lease` ({lease}) is at most {longest}, and `heartbeat` ({heartbeat}) shorter, but not zero"
        ));
    }
    Ok((lease, heartbeat))
}

/// Renewed at half of its life and with a heartbeat only.
fn ticket(ticket: Option<Span>, heartbeat: Duration) -> Result<Duration, String> {
    let ticket = ticket.map_or(Duration::from_mins(10), |span| span.0);
    if ticket < heartbeat * 2 || ticket > LONGEST_TICKET {
        let (ticket, heartbeat, longest) = (Span(ticket), Span(heartbeat), Span(LONGEST_TICKET));
        return Err(format!("`ticket` ({ticket}) is at least two of `heartbeat` ({heartbeat}), and at most {longest}"));
    }
    Ok(ticket)
}

fn limits(connections: Option<NonZeroUsize>) -> Limits {
    Limits {
        // Five thousand peers with an open event stream and a connection for everything else, and people beside them.
        connections: connections.map_or(16_384, NonZeroUsize::get),
        drain: DRAIN,
        // Bodies are small, and connections many: 16,384 of them may not hold more than 4 GiB even if all are hostile.
        stream_window: 64 << 10,
        connection_window: 256 << 10,
        ..Limits::default()
    }
}

fn tls(certificate: Option<PathBuf>, key: Option<PathBuf>) -> Result<Option<Tls>, String> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(Tls { certificate, key })),
        (None, None) => Ok(None),
        _ => Err("`tls-cert` and `tls-key` go together: one of them is missing".to_owned()),
    }
}

fn private(listen: SocketAddr) -> Result<(), String> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    Err(format!(
        "`listen`: {listen} can be reached by others, and plain HTTP would show them passwords and tokens: \
         set `tls-cert` and `tls-key`, or `insecure-http` behind a proxy that does TLS"
    ))
}

fn usual_database(
    state_dir: Option<PathBuf>,
    environment: impl Fn(&str) -> Option<PathBuf>,
) -> Result<PathBuf, String> {
    let folder = state_dir.or_else(|| usual_state_dir(environment));
    let folder = folder.ok_or("`state-dir` is not set, and neither is $HOME to find the usual place by")?;
    Ok(folder.join("directory.db"))
}

/// Under systemd `$STATE_DIRECTORY`; otherwise where the XDG base directory specification puts data.
fn usual_state_dir(environment: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    let set = |name: &str| environment(name).filter(|path| path.is_absolute());
    set("STATE_DIRECTORY").or_else(|| {
        let data = set("XDG_DATA_HOME").or_else(|| set("HOME").map(|home| home.join(".local/share")))?;
        Some(data.join("enjambre/directoryd"))
    })
}

#[cfg(test)]
mod tests;
