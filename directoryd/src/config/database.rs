//! Which database: a file of our own, or a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use tokio_postgres::config::Host;

/// Which database: `sqlite:PATH` or `postgres://…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// A file of our own.
    Sqlite(PathBuf),
    /// A server.
    Postgres(Box<PostgresServer>),
}

/// A PostgreSQL server, and as whom to log in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresServer {
    /// As given; a password never stands in it.
    url: String,
    /// Address, user, database and password as the driver takes them.
    pub(crate) login: tokio_postgres::Config,
    /// Whether to speak TLS, and to hold the server to its name.
    pub(crate) tls: bool,
    /// Who may vouch for the server's certificate, instead of the authorities that this machine trusts (PEM).
    pub(crate) root_certificates: Option<PathBuf>,
    password_file: Option<PathBuf>,
}

impl Database {
    /// Adds the password that is the first line of a file.
    pub(super) fn with_password(self, file: PathBuf) -> Result<Self, String> {
        let Self::Postgres(mut server) = self else {
            return Err("`database-password-file` goes with a `database-url` that begins with postgres://".to_owned());
        };
        let text = std::fs::read_to_string(&file)
            .map_err(|why| format!("`database-password-file`: cannot read {}: {why}", file.display()))?;
        server.login.password(text.lines().next().unwrap_or_default());
        server.password_file = Some(file);
        Ok(Self::Postgres(server))
    }

    /// Where the password is, if there is one.
    pub fn password_file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(_) => None,
            Self::Postgres(server) => server.password_file.as_deref(),
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) => f.write_str(&server.url),
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.trim_start_matches("//").is_empty() => {
                Ok(Self::Sqlite(path.strip_prefix("//").unwrap_or(path).into()))
            }
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => {
                text.parse().map(|server| Self::Postgres(Box::new(server)))
            }
            // What looks like nothing we know may still have a password in it: it is not repeated.
            _ => Err("this is no database: sqlite:PATH or postgres://USER@HOST/DATABASE is expected".to_owned()),
        }
    }
}

impl FromStr for PostgresServer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (place, parameters) = text.split_once('?').unwrap_or((text, ""));
        let (mut kept, mut mode, mut root_certificates) = (Vec::new(), None, None);
        // The driver knows neither verification nor certificates: these two are ours.
        for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("sslrootcert", value)) => root_certificates = Some(PathBuf::from(value)),
                _ => kept.push(parameter),
            }
        }
        let url = if kept.is_empty() { place.to_owned() } else { format!("{place}?{}", kept.join("&")) };
        let login: tokio_postgres::Config = url.parse().map_err(|error| format!("not a PostgreSQL URL: {error}"))?;
        if login.get_password().is_some() {
            return Err("a password in the URL would be seen by others: put it into a file, and name that with \
                        --database-password-file"
                .to_owned());
        }
        if login.get_hosts().is_empty() {
            return Err(
                "the URL names no host: postgres://USER@HOST/DATABASE, or …/DATABASE?host=/FOLDER-OF-THE-SOCKET"
                    .to_owned(),
            );
        }
        let tls = match mode {
            Some("disable") => false,
            // `require` is stricter here than elsewhere: without knowing who is there, encryption keeps nobody out.
            Some("require" | "verify-full") => true,
            Some(_) => return Err("`sslmode` is disable or verify-full".to_owned()),
            None => !login.get_hosts().iter().all(private),
        };
        Ok(Self { url: text.to_owned(), login, tls, root_certificates, password_file: None })
    }
}

/// Whether nobody on the way can listen.
fn private(host: &Host) -> bool {
    match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback()),
    }
}

impl<'de> Deserialize<'de> for Database {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> PostgresServer {
        match url.parse() {
            Ok(Database::Postgres(server)) => *server,
            other => panic!("{url}: {other:?}"),
        }
    }

    #[test]
    fn whoever_is_far_away_must_prove_itself() {
        for (url, tls) in [
            ("postgres://me@localhost/directory", false),
            ("postgres://me@127.0.0.1:5433/directory", false),
            ("postgres://me@/directory?host=/run/postgresql", false),
            ("postgres://me@db.example.org/directory", true),
            ("postgresql://me@db.example.org/directory?sslmode=disable", false),
            ("postgres://me@localhost/directory?application_name=x&sslmode=verify-full", true),
        ] {
            assert_eq!(server(url).tls, tls, "{url}");
        }
        let own = server("postgres://me@db/directory?sslrootcert=/etc/ca.pem&connect_timeout=3");
        assert_eq!(own.root_certificates.as_deref(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(own.login.get_dbname(), Some("directory"));
    }

    #[test]
    fn what_cannot_be_used_is_refused_and_no_password_repeated() {
        for url in [
            "postgres://me:secret@db/directory",
            "postgres://me@db/directory?password=secret",
            "mysql://me:secret@db/directory",
            "postgres:secret",
            "postgres://me@db/directory?sslmode=prefer",
            "postgres://me@db/directory?colour=red",
            "postgres:///directory",
            "sqlite:",
        ] {
            let refused = url.parse::<Database>().unwrap_err();
            assert!(!refused.contains("secret"), "{url}: {refused}");
        }
    }

    #[test]
    fn the_password_is_the_first_line_of_a_file_and_shown_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\nmore\n").unwrap();
        let database: Database = "postgres://me@db/directory".parse().unwrap();
        let database = database.with_password(file.path().to_owned()).unwrap();
        let Database::Postgres(server) = &database else { panic!("{database}") };
        assert_eq!(server.login.get_password(), Some(&b"hunter2"[..]));
        assert!(!format!("{database} {database:?}").contains("hunter2"));
        let own: Database = "sqlite:x".parse().unwrap();
        assert!(own.with_password(file.path().to_owned()).is_err());
    }
}
