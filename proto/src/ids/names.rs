//! Names that people choose. They come from others, so they are hostile until parsed: what passes here can be neither a
//! path nor a terminal command.

use std::fmt;
use std::str::FromStr;

use super::{Malformed, textual};

macro_rules! checked_name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;
            fn from_str(text: &str) -> Result<Self, Malformed> {
                match $check(text) {
                    Ok(()) => Ok(Self(text.into())),
                    Err(why) => Err(Malformed::new($what, text, why)),
                }
            }
        }

        textual!($name);
    };
}

checked_name!(
    /// Name under which a file is shared: 1 to 255 bytes of UTF-8 that are one plain path component, without control
    /// characters. Anything a Linux file system takes as a name is one, newline and its kin apart.
    FileName, "a file name", check_file_name
);
checked_name!(
    /// Name of an account: 1 to 64 of `a-z A-Z 0-9 . _ -`, not beginning with a sign.
    UserName, "a user name", check_label
);
checked_name!(
    /// Name that a peer goes by: 1 to 64 of `a-z A-Z 0-9 . _ -`, not beginning with a sign. Not unique; the peer id is.
    PeerName, "a peer name", check_label
);
checked_name!(
    /// Where a peer listens: `HOST:PORT`, an IPv6 host in brackets, the port from 1 to 65535.
    PeerAddress, "a peer address", check_address
);

checked_name!(
    /// Where a simulated file is said to come from: 1 to 2048 bytes of UTF-8 without control characters. Nobody opens it.
    SourceUrl, "a URL", check_url
);

impl FileName {
    /// Most bytes of one.
    pub const LONGEST: usize = 255;

    /// Characters that steer a terminal's writing direction: allowed in a name, shown escaped.
    pub fn displayable(&self) -> String {
        self.0
            .chars()
            .map(|c| if is_format_control(c) { c.escape_unicode().to_string() } else { c.to_string() })
            .collect()
    }
}

fn check_file_name(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("it is empty"),
        "." | ".." => Err("it names a folder"),
        _ if text.len() > FileName::LONGEST => Err("it is longer than 255 bytes"),
        _ if text.contains('/') => Err("it has a `/`; a name is one path component"),
        _ if text.chars().any(char::is_control) => Err("it has a control character; give it another with --name"),
        _ => Ok(()),
    }
}

fn check_url(text: &str) -> Result<(), &'static str> {
    match text {
        "" => Err("it is empty"),
        _ if text.len() > 2048 => Err("it is longer than 2048 bytes"),
        _ if text.chars().any(char::is_control) => Err("it has a control character"),
        _ => Ok(()),
    }
}

fn check_label(text: &str) -> Result<(), &'static str> {
    let sign = |c: char| matches!(c, '.' | '_' | '-');
    match text {
        "" => Err("it is empty"),
        _ if text.len() > 64 => Err("it is longer than 64 characters"),
        _ if text.starts_with(sign) => Err("it begins with a sign"),
        _ if !text.chars().all(|c| c.is_ascii_alphanumeric() || sign(c)) => {
            Err("only a-z, A-Z, 0-9, `.`, `_` and `-` are allowed")
        }
        _ => Ok(()),
    }
}

fn check_address(text: &str) -> Result<(), &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("HOST:PORT is expected")?;
    if port.parse::<u16>().ok().is_none_or(|port| port == 0) || port.starts_with('+') {
        return Err("the port is a number from 1 to 65535");
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inner.parse::<std::net::Ipv6Addr>().map(drop).map_err(|_| "the brackets hold no IPv6 address");
    }
    // RFC 1123 §2.1, and the underscore that container networks use in host names.
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            && !l.starts_with('-')
    };
    if host.len() <= 253 && host.split('.').all(label) {
        Ok(())
    } else {
        Err("the host is neither an address nor a host name")
    }
}

/// Bidirectional overrides and isolates, and zero-width characters (Unicode UAX #9 and general category Cf).
fn is_format_control(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_one_harmless_component() {
        for good in ["a", "-rf", "two words", "café ☕", "...", "a\\b", &"x".repeat(255)] {
            assert!(good.parse::<FileName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "../../etc/x", "/etc/x", "a/b", "nul\0", "\u{1b}[2J", "new\nline", &"é".repeat(128)]
        {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
        assert_eq!("a\u{202e}gpj".parse::<FileName>().unwrap().displayable(), "a\\u{202e}gpj");
    }

    #[test]
    fn addresses_are_well_formed() {
        for good in ["127.0.0.1:5001", "[::1]:5001", "peer1:5001", "a.b-c.example:1", "my_peer:65535"] {
            assert!(good.parse::<PeerAddress>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "host",
            ":5001",
            "host:0",
            "host:+1",
            "host:65536",
            "::1:5001",
            "[::g]:1",
            "a b:1",
            "http://x:1",
            "-a:1",
        ] {
            assert!(bad.parse::<PeerAddress>().is_err(), "{bad}");
        }
    }

    #[test]
    fn labels() {
        assert!("1".parse::<UserName>().is_ok());
        for bad in ["", "-a", "a b", "é", &"a".repeat(65)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad}");
        }
    }
}
