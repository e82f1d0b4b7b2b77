//! How both daemons read their configuration file: TOML, unknown keys refused, all faults at once, each with its line.
//!
//! A daemon keeps one struct of optional settings that clap fills from flags and environment and this module from the
//! file, so that a setting has one name in all three; flag beats environment beats file beats default.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

/// Everything wrong with a configuration file. `Display` is one line per fault.
#[derive(Debug, thiserror::Error)]
pub struct BadSettings {
    path: PathBuf,
    faults: Vec<(Option<usize>, String)>,
}

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (line, fault)) in self.faults.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            write!(f, "{separator}{}{line}: {fault}", self.path.display())?;
        }
        Ok(())
    }
}

/// Reads a file into settings. Each key is tried alone, so that one fault does not hide the next.
///
/// # Errors
/// The file is missing or unreadable, is no TOML, or holds keys that are unknown or of the wrong type or value.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, BadSettings> {
    let bad = |faults| BadSettings { path: path.to_owned(), faults };
    let text = std::fs::read_to_string(path).map_err(|error| bad(vec![(None, error.to_string())]))?;
    // An editor's byte order mark is no part of the settings.
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    toml::from_str::<T>(text).map_err(|whole| {
        let faults = faults_by_key::<T>(text);
        bad(if faults.is_empty() { vec![(line_of(text, whole.span()), whole.message().to_owned())] } else { faults })
    })
}

/// What each top-level key gives on its own.
fn faults_by_key<T: DeserializeOwned>(text: &str) -> Vec<(Option<usize>, String)> {
    let Ok(table) = toml::de::DeTable::parse(text) else { return Vec::new() };
    let mut faults: Vec<_> = table
        .get_ref()
        .iter()
        .filter_map(|(key, value)| {
            let plain = text.get(value.span())?;
            let error = toml::from_str::<T>(&format!("{} = {plain}", key.get_ref())).err()?;
            let first = error.message().lines().next().unwrap_or_default().to_owned();
            Some((line_of(text, Some(key.span())), format!("`{}`: {first}", key.get_ref().escape_debug())))
        })
        .collect();
    faults.sort();
    faults
}

fn line_of(text: &str, span: Option<std::ops::Range<usize>>) -> Option<usize> {
    let before = text.get(..span?.start)?;
    Some(before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Example {
        name: Option<String>,
        max_peers: Option<u32>,
    }

    fn parse(text: &str) -> Result<Example, BadSettings> {
        let folder = std::env::temp_dir().join(format!("settings-{}-{:p}", std::process::id(), text));
        std::fs::write(&folder, text).unwrap();
        let parsed = read(&folder);
        std::fs::remove_file(&folder).unwrap();
        parsed
    }

    #[test]
    fn good_file_with_byte_order_mark() {
        let example = parse("\u{feff}name = \"a\"\nmax-peers = 3\n").unwrap();
        assert_eq!((example.name.as_deref(), example.max_peers), (Some("a"), Some(3)));
    }

    #[test]
    fn all_faults_at_once_with_line_and_key() {
        let faults = parse("name = 7\n\nmax_peers = 3\nmax-peers = \"x\"\n").unwrap_err().to_string();
        let lines: Vec<&str> = faults.lines().collect();
        assert_eq!(lines.len(), 3, "{faults}");
        assert!(lines[0].contains(":1: `name`"), "{faults}");
        assert!(lines[1].contains(":3: `max_peers`: unknown field"), "{faults}");
        assert!(lines[2].contains(":4: `max-peers`"), "{faults}");
    }

    #[test]
    fn no_toml_at_all() {
        assert!(parse("name = \n").unwrap_err().to_string().contains(":1: "));
        assert!(
            read::<Example>(Path::new("/nowhere/x.toml")).unwrap_err().to_string().starts_with("/nowhere/x.toml: ")
        );
    }
}
