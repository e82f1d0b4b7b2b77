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

/// Quotes words for a line, all in the same way, so that what they have in common shows.
pub(super) fn quoted(words: &[String]) -> Vec<String> {
    let quote = |word: &String| shlex::try_quote(word).map_or_else(|_| String::new(), std::borrow::Cow::into_owned);
    let each: Vec<String> = words.iter().map(quote).collect();
    let all_bare = each.iter().zip(words).all(|(quoted, word)| quoted == word);
    if all_bare || words.iter().any(|word| word.contains('\'')) {
        return each;
    }
    words.iter().map(|word| format!("'{word}'")).collect()
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
    fn quotes_are_alike_and_read_back() {
        let words: Vec<String> = ["my file", "mine"].map(str::to_owned).into();
        assert_eq!(quoted(&words), ["'my file'", "'mine'"]);
        assert_eq!(quoted(&["plain".to_owned()]), ["plain"]);
        let odd = ["it's".to_owned(), "a b".to_owned()];
        for (quoted, word) in quoted(&odd).iter().zip(&odd) {
            assert_eq!(shlex::split(quoted).unwrap(), std::slice::from_ref(word));
        }
    }
}
