//! Which NATS, as whom, and under which subjects.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use proto::secret::Secret;
use serde::Deserialize;

/// Port where the URL has none.
const USUAL_PORT: u16 = 4222;
/// What the subjects begin with where nobody says otherwise.
const USUAL_PREFIX: &str = "enjambre";
/// Longest of those, bytes.
const LONGEST_PREFIX: usize = 64;
/// Largest credentials file, bytes: longer ones are a wrong file.
const LARGEST_FILE: u64 = 64 << 10;

/// Servers of one NATS: `nats://HOST[:PORT]` or `tls://HOST[:PORT]`, several with commas between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsServers {
    /// As given; no password stands in it.
    url: String,
    /// Hosts and ports, in the form that the client takes.
    pub(crate) addresses: Vec<String>,
    /// Whether to speak TLS from the start, and to hold each server to its name.
    pub(crate) tls: bool,
    /// Whether nobody on the way can listen.
    private: bool,
}

impl FromStr for NatsServers {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // What looks like nothing we know may still have a password in it: it is not repeated.
        let unknown = || "this is no NATS: nats://HOST:4222 or tls://HOST:4222 is expected".to_owned();
        let (mut addresses, mut tls, mut private) = (Vec::new(), None, true);
        for url in text.split(',') {
            let (scheme, place) = url.split_once("://").ok_or_else(unknown)?;
            if place.contains('@') {
                return Err("a password in the URL would be seen by others: put it into a file, and name that with \
                            --nats-credentials-file"
                    .to_owned());
            }
            let encrypted = match scheme {
                "nats" => false,
                "tls" => true,
                _ => return Err(unknown()),
            };
            if *tls.get_or_insert(encrypted) != encrypted {
                return Err("some servers with TLS and some without: whoever listens would choose".to_owned());
            }
            let (host, port) = host_and_port(place.trim_end_matches('/')).ok_or_else(unknown)?;
            private &= is_private(host);
            addresses.push(format!("{scheme}://{host}:{port}"));
        }
        Ok(Self { url: text.to_owned(), addresses, tls: tls.unwrap_or_default(), private })
    }
}

/// A name or an address, an IPv6 one in brackets.
fn host_and_port(place: &str) -> Option<(&str, u16)> {
    let after_host = place.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match place[after_host..].find(':') {
        Some(colon) => (&place[..after_host + colon], place[after_host + colon + 1..].parse().ok()?),
        None => (place, USUAL_PORT),
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._[]:".contains(c);
    (!host.is_empty() && port != 0 && host.chars().all(plain)).then_some((host, port))
}

fn is_private(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

impl fmt::Display for NatsServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl<'de> Deserialize<'de> for NatsServers {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What all subjects of one directory begin with: words of `a-z A-Z 0-9 _ -` with dots between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NatsPrefix(String);

impl NatsPrefix {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for NatsPrefix {
    fn default() -> Self {
        Self(USUAL_PREFIX.to_owned())
    }
}

impl FromStr for NatsPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let words = text.split('.').all(|word| !word.is_empty() && word.chars().all(plain));
        if words && text.len() <= LONGEST_PREFIX {
            return Ok(Self(text.to_owned()));
        }
        let text = text.escape_debug();
        Err(format!("`{text}` is not what subjects can begin with: words of a-z A-Z 0-9 _ - with dots between them"))
    }
}

impl<'de> Deserialize<'de> for NatsPrefix {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// As whom to log in.
#[derive(Debug, Clone)]
pub(crate) enum Credentials {
    /// The text of a `.creds` file, as `nsc` writes it.
    Jwt(Secret),
    /// The seed of an `NKey`.
    Seed(Secret),
    /// A user and a password.
    Login(String, Secret),
    /// A token.
    Token(Secret),
}

impl Credentials {
    fn read(path: &Path) -> Result<Self, String> {
        let unreadable = |why: String| format!("`nats-credentials-file`: {}: {why}", path.display());
        let size = std::fs::metadata(path).map_err(|why| unreadable(why.to_string()))?.len();
        if size > LARGEST_FILE {
            return Err(unreadable("longer than 64 KiB; is it the right file?".to_owned()));
        }
        let text = Secret::new(std::fs::read_to_string(path).map_err(|why| unreadable(why.to_string()))?);
        Self::of(text).ok_or_else(|| unreadable("the first line is empty".to_owned()))
    }

    fn of(text: Secret) -> Option<Self> {
        if text.expose().contains("BEGIN NATS USER JWT") {
            return Some(Self::Jwt(text));
        }
        let line = text.expose().lines().next().filter(|line| !line.is_empty())?;
        Some(match line.split_once(':') {
            Some((user, password)) => Self::Login(user.to_owned(), Secret::new(password.to_owned())),
            None if line.len() == 58 && line.starts_with("SU") => Self::Seed(Secret::new(line.to_owned())),
            None => Self::Token(Secret::new(line.to_owned())),
        })
    }

    /// Whether who listens could use it.
    fn travels_as_it_is(&self) -> bool {
        matches!(self, Self::Login(..) | Self::Token(_))
    }
}

/// All about the NATS of a directory.
#[derive(Debug, Clone)]
pub struct Nats {
    pub(crate) servers: NatsServers,
    pub(crate) credentials: Option<Credentials>,
    /// Who may vouch for the servers' certificates, instead of the authorities that this machine trusts (PEM).
    pub(crate) root_certificates: Option<PathBuf>,
    pub(crate) prefix: NatsPrefix,
}

impl Nats {
    /// Of these settings; what goes with a NATS makes no sense without one.
    pub fn new(
        servers: Option<NatsServers>,
        credentials: Option<&Path>,
        root_certificates: Option<PathBuf>,
        prefix: Option<NatsPrefix>,
    ) -> Result<Option<Self>, String> {
        let Some(servers) = servers else {
            return match (credentials, root_certificates, prefix) {
                (None, None, None) => Ok(None),
                _ => Err("`nats-credentials-file`, `nats-ca` and `nats-prefix` go with `nats-url`".to_owned()),
            };
        };
        let credentials = credentials.map(Credentials::read).transpose()?;
        if !servers.tls && !servers.private && credentials.as_ref().is_some_and(Credentials::travels_as_it_is) {
            return Err("`nats-url`: a password or token would travel in the clear: use tls://, or credentials that \
                        sign instead"
                .to_owned());
        }
        if root_certificates.is_some() && !servers.tls {
            return Err("`nats-ca` is for a `nats-url` that begins with tls://".to_owned());
        }
        Ok(Some(Self { servers, credentials, root_certificates, prefix: prefix.unwrap_or_default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn servers(url: &str) -> NatsServers {
        url.parse().unwrap_or_else(|fault| panic!("{url}: {fault}"))
    }

    #[test]
    fn urls_name_servers_and_nothing_else() {
        assert_eq!(servers("nats://localhost").addresses, ["nats://localhost:4222"]);
        let several = servers("tls://a.example.org:4223/,tls://[::1]:5000,tls://[fe80::1]");
        assert_eq!(
            (several.addresses.as_slice(), several.tls),
            (&["tls://a.example.org:4223", "tls://[::1]:5000", "tls://[fe80::1]:4222"].map(str::to_owned)[..], true)
        );
        for url in [
            "nats://ana:secret@host",
            "nats://secret@host",
            "http://secret",
            "secret",
            "nats://",
            "nats://host:0",
            "nats://host:x",
            "nats://host/secret",
            "nats://ho st",
            "nats://host,tls://host",
        ] {
            let refused = url.parse::<NatsServers>().unwrap_err();
            assert!(!refused.contains("secret"), "{url}: {refused}");
        }
    }

    #[test]
    fn subjects_begin_with_plain_words() {
        assert!("site-1.enjambre".parse::<NatsPrefix>().is_ok());
        for bad in ["", ".", "a.", "a..b", "a b", "a.*", ">", &"x".repeat(65)] {
            assert!(bad.parse::<NatsPrefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_says_as_whom_and_shows_it_nowhere() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |text: &str| {
            std::fs::write(file.path(), text).unwrap();
            Credentials::read(file.path())
        };
        let seed = format!("SU{}", "A".repeat(56));
        let kinds = ["ana:hunter2\nmore\n", "hunter2", &seed, "-----BEGIN NATS USER JWT-----\nhunter2\n"].map(|text| {
            let credentials = read(text).unwrap();
            assert!(!format!("{credentials:?}").contains("hunter2") && !format!("{credentials:?}").contains("SUAA"));
            match credentials {
                Credentials::Login(user, password) => format!("{user} {}", password.expose()),
                Credentials::Token(token) => token.expose().to_owned(),
                Credentials::Seed(_) => "seed".to_owned(),
                Credentials::Jwt(_) => "jwt".to_owned(),
            }
        });
        assert_eq!(kinds, ["ana hunter2", "hunter2", "seed", "jwt"]);
        assert!(read("\n").is_err());
        read("ana:hunter2").unwrap();
        let nats = |url: &str| Nats::new(Some(servers(url)), Some(file.path()), None, None);
        assert!(nats("nats://127.0.0.1").is_ok() && nats("tls://far.example.org").is_ok());
        assert!(nats("nats://far.example.org").unwrap_err().contains("in the clear"));
        assert!(Nats::new(None, Some(file.path()), None, None).unwrap_err().contains("go with"));
        assert!(Nats::new(Some(servers("nats://a")), None, Some("ca".into()), None).is_err());
        assert!(Nats::new(None, None, None, None).is_ok_and(|nats| nats.is_none()));
    }
}
