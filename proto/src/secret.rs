//! Secrets: read from a file or standard input, never from a flag or the environment; wiped when dropped; never printed.

use std::io::{self, Read};
use std::path::Path;

use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use zeroize::Zeroizing;

/// Asks the system to write no core file of this process, and to let no other process of the same user look into its
/// memory: keys lie in it, and for moments passwords. For the start of a program.
///
/// # Errors
/// The system said no.
pub fn keep_memory_private() -> io::Result<()> {
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// A password or token. `Debug` hides it; memory is wiped on drop.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

/// Longest secret that is read from a file, in bytes: longer ones are a wrong file.
const LONGEST: u64 = 4096;

impl Secret {
    /// Takes a text as a secret.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret itself; the name makes every use easy to find.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads the first line of a file, or of standard input for `-`.
    ///
    /// # Errors
    /// What went wrong, with the name of the file: unreadable, empty, longer than 4 KiB, not UTF-8.
    pub fn read(path: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        if path == Path::new("-") {
            return Self::first_line(io::stdin().lock()).map_err(named);
        }
        Self::first_line(std::fs::File::open(path).map_err(named)?).map_err(named)
    }

    fn first_line(source: impl Read) -> io::Result<Self> {
        let mut text = Zeroizing::new(String::new());
        source.take(LONGEST + 1).read_to_string(&mut text)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the first line is empty"));
        }
        if text.len() as u64 > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "longer than 4 KiB; is it the right file?"));
        }
        Ok(Self::new(line.to_owned()))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_counts() {
        assert_eq!(Secret::first_line(&b"correct horse\nrest\n"[..]).unwrap().expose(), "correct horse");
        assert!(Secret::first_line(&b"\nlate\n"[..]).is_err());
        assert!(Secret::first_line(&[b'x'; 5000][..]).is_err());
        assert!(Secret::first_line(&[0xff, 0xfe][..]).is_err());
    }

    #[test]
    fn there_will_be_no_core_file() {
        keep_memory_private().unwrap();
        assert_eq!(rustix::process::dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret(…)");
    }
}
