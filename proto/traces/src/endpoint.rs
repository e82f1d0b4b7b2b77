//! Where a collector takes traces.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// Where nothing else is said (OTLP specification, "Endpoint URLs for OTLP/HTTP").
const USUAL_PATH: &str = "/v1/traces";

/// A collector that takes OTLP over plain HTTP: one beside the program, or in a network that is trusted with the names of
/// files and peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// The whole URL that traces are sent to.
    pub(crate) fn traces(&self) -> String {
        self.0.to_string()
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |why: &str| format!("`{}` {why}", text.escape_debug());
        let uri: Uri = text.parse().map_err(|_| bad("is not a URL such as http://127.0.0.1:4318"))?;
        if uri.scheme_str() == Some("https") {
            return Err(bad(
                "is https, and collectors are told over http: run one on this machine that passes them on",
            ));
        }
        if uri.scheme_str() != Some("http") || uri.host().is_none_or(str::is_empty) {
            return Err(bad("is not a URL such as http://127.0.0.1:4318"));
        }
        if !matches!(uri.path(), "" | "/") {
            return Ok(Self(uri));
        }
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(http::uri::PathAndQuery::from_static(USUAL_PATH));
        Uri::from_parts(parts).map(Self).map_err(|_| bad("is not a URL such as http://127.0.0.1:4318"))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> serde::Deserialize<'de> for Endpoint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_kept_and_the_usual_one_added() {
        let read = |text: &str| text.parse::<Endpoint>().map(|endpoint| endpoint.traces());
        assert_eq!(read("http://127.0.0.1:4318").unwrap(), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(read("http://[::1]:4318/").unwrap(), "http://[::1]:4318/v1/traces");
        assert_eq!(read("http://tempo/otlp/v1/traces").unwrap(), "http://tempo/otlp/v1/traces");
        for bad in ["", "127.0.0.1:4318", "https://tempo", "ftp://x", "http://", "/v1/traces"] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read("https://tempo").unwrap_err().contains("over http"));
    }
}
