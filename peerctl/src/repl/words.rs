//! The line up to the cursor, cut into words by the rules of a shell, where the last one is not finished yet.

/// What stands before the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unfinished {
    /// The words that are complete.
    pub(super) before: Vec<String>,
    /// The one that is being typed, without quotes; empty after a blank.
    pub(super) typed: String,
    /// Where it starts in the line.
    pub(super) start: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// Cuts a line. What `shlex` does to the finished line, for one that is not.
pub(super) fn cut(line: &str) -> Unfinished {
    let (mut before, mut typed, mut start) = (Vec::new(), None::<String>, line.len());
    let mut quote = Quote::None;
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        if quote == Quote::None && c.is_ascii_whitespace() {
            before.extend(typed.take());
            start = line.len();
            continue;
        }
        if typed.is_none() {
            start = at;
        }
        let word = typed.get_or_insert_default();
        match (quote, c) {
            (Quote::None, '\'') => quote = Quote::Single,
            (Quote::None, '"') => quote = Quote::Double,
            (Quote::Single, '\'') | (Quote::Double, '"') => quote = Quote::None,
            (Quote::None, '\\') => word.extend(chars.next().map(|(_, next)| next)),
            (Quote::Double, '\\') => match chars.next() {
                Some((_, next @ ('"' | '\\' | '$' | '`'))) => word.push(next),
                Some((_, next)) => word.extend(['\\', next]),
                None => (),
            },
            _ => word.push(c),
        }
    }
    Unfinished { before, typed: typed.unwrap_or_default(), start }
}

/// A word as it is typed into a line. Each character for itself, unlike quotes: what words have in common shows then, and what
/// is half completed can be typed on.
pub(super) fn escaped(word: &str) -> String {
    let plain = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || "%+,-./:=@_".contains(c);
    word.chars().flat_map(|c| (!plain(c)).then_some('\\').into_iter().chain([c])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_lines() {
        for (line, before, typed, start) in [
            ("", vec![], "", 0),
            ("down", vec![], "down", 0),
            ("download ", vec!["download"], "", 9),
            ("download my\\ fi", vec!["download"], "my fi", 9),
            ("download 'my fi", vec!["download"], "my fi", 9),
            ("get \"a\\\"b\" --fr", vec!["get", "a\"b"], "--fr", 11),
            ("get ''", vec!["get"], "", 4),
            ("get \\", vec!["get"], "", 4),
        ] {
            let before: Vec<String> = before.into_iter().map(str::to_owned).collect();
            assert_eq!(cut(line), Unfinished { before, typed: typed.to_owned(), start }, "{line}");
        }
    }

    #[test]
    fn finished_lines_are_cut_as_they_are_run() {
        for line in ["a b", "a 'b c' \"d\\\\e\"", "x\\ y z", "a\"b\"'c'", "\"\\$x \\n\""] {
            let words = shlex::split(line).unwrap();
            assert_eq!(cut(&format!("{line} ")).before, words, "{line}");
        }
    }

    #[test]
    fn what_is_escaped_reads_back() {
        for word in ["plain-1.0.iso", "my file", "it's", "\"$x\" & (y)*", "#1", "~a", "a\\b", "日本 語", "!"] {
            let typed = escaped(word);
            assert_eq!(shlex::split(&typed).unwrap(), [word], "{typed}");
            assert_eq!(cut(&typed).typed, word, "{typed}");
        }
        assert_eq!(escaped("my file"), "my\\ file");
    }
}
