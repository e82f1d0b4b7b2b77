//! Words that somebody may be about to type.

use serde::{Deserialize, Serialize};

/// Parameters of `complete`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Complete {
    /// What a word stands for.
    pub kind: Completable,
    /// How it begins; nothing is known of it where this is empty.
    pub start: String,
}

/// What a word can stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Completable {
    /// A file that anybody shares: its name, `USER/NAME`, or its id from six digits on.
    File,
    /// A file that this peer shares: its name, or its id from six digits on.
    OwnFile,
    /// A peer that is up: its name, or its id from six digits on.
    Peer,
}

/// Answer to `complete`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// In alphabetical order, each once. Where there are more than a terminal can show, the first ones and the very last:
    /// what these begin with, all begin with.
    pub words: Vec<Completion>,
    /// Whether words were left out before the last.
    pub more: bool,
}

/// A word, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// As it may be typed.
    pub word: String,
    /// Id of what it stands for, of one where it stands for several.
    pub id: String,
}
