//! Texts as they fit a terminal.

/// Columns that the topics are written for; with fewer, their lines are cut anew.
pub(super) const WRITTEN: usize = 79;
/// Columns that are enough beside a name; with fewer, what is said of it stands below.
const BESIDE: usize = 24;
/// Columns before what stands below a name.
const BELOW: usize = 6;

/// A part of a text.
enum Part {
    Blank,
    Prose(String),
    Entry {
        name: String,
        text: String,
        /// Columns before the text.
        indent: usize,
    },
}

/// A text in lines of at most so many columns, single words apart.
pub(super) fn fitted(text: &str, columns: usize) -> String {
    if columns >= WRITTEN {
        return text.to_owned();
    }
    parts(text).iter().map(|part| part.fitted(columns)).collect()
}

fn parts(text: &str) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for line in text.lines() {
        let (indent, words) = (line.len() - line.trim_start().len(), line.trim());
        match parts.last_mut() {
            _ if words.is_empty() => parts.push(Part::Blank),
            Some(Part::Prose(before)) if indent == 0 => {
                before.push(' ');
                before.push_str(words);
            }
            Some(Part::Entry { text, .. }) if indent > 2 => {
                text.push(' ');
                text.push_str(words);
            }
            _ if indent == 0 => parts.push(Part::Prose(words.to_owned())),
            _ => {
                let (name, text) = words.split_once("  ").unwrap_or((words, ""));
                let indent = indent + words.len() - text.trim_start().len();
                parts.push(Part::Entry { name: name.to_owned(), text: text.trim_start().to_owned(), indent });
            }
        }
    }
    parts
}

impl Part {
    fn fitted(&self, columns: usize) -> String {
        match self {
            Self::Blank => "\n".to_owned(),
            Self::Prose(text) => wrapped(text, columns).join("\n") + "\n",
            Self::Entry { name, text, .. } if text.is_empty() => format!("  {name}\n"),
            Self::Entry { name, text, indent } if indent + BESIDE <= columns => {
                let between = format!("\n{}", " ".repeat(*indent));
                format!("{:indent$}{}\n", format!("  {name}"), wrapped(text, columns - indent).join(&between))
            }
            Self::Entry { name, text, .. } => {
                let between = format!("\n{}", " ".repeat(BELOW));
                format!("  {name}{between}{}\n", wrapped(text, columns.saturating_sub(BELOW)).join(&between))
            }
        }
    }
}

/// A text cut between its words.
pub(super) fn wrapped(text: &str, columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= columns => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::topics::{EXAMPLES, TOPICS};
    use super::*;

    #[test]
    fn topics_fit_every_terminal_and_lose_no_word() {
        let texts = || TOPICS.iter().map(|(_, text)| *text).chain([EXAMPLES]);
        for text in texts() {
            assert!(text.lines().all(|line| line.chars().count() <= WRITTEN), "{text}");
            assert_eq!(fitted(text, WRITTEN), text);
        }
        for columns in 40..WRITTEN {
            for text in texts() {
                let narrow = fitted(text, columns);
                let longest = narrow.lines().map(|line| line.chars().count()).max().unwrap();
                assert!(longest <= columns, "{columns}: {longest}\n{narrow}");
                assert!(narrow.split_whitespace().eq(text.split_whitespace()), "{narrow}");
            }
        }
    }

    #[test]
    fn what_is_said_of_a_name_stands_beside_or_below_it() {
        let text = "A sentence that is\ncut.\n\n  -q   ids only, one of them on each line\n  --plain\n";
        assert_eq!(
            fitted(text, 32),
            "A sentence that is cut.\n\n  -q   ids only, one of them on\n       each line\n  --plain\n"
        );
        assert_eq!(
            fitted(text, 30),
            "A sentence that is cut.\n\n  -q\n      ids only, one of them on\n      each line\n  --plain\n"
        );
    }
}
