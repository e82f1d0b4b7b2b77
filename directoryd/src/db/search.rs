//! How names are searched: lower case by Unicode, in the program and not in the database, whose rules differ; and by how they
//! begin, as a stretch of the order of names, which an index answers at any number of names.

/// How a name is compared.
pub(super) fn folded(name: &str) -> String {
    name.to_lowercase()
}

/// `LIKE` for "somewhere in it", with `\` before what `LIKE` would take for a wildcard.
pub(super) fn like(search: &str) -> String {
    let mut pattern = String::from("%");
    for c in folded(search).chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// The first text behind all that begin with this one, in the order of code points, which is that of both databases;
/// nothing where there is none.
pub(super) fn behind(start: &str) -> Option<String> {
    let mut text = start.to_owned();
    while let Some(last) = text.pop() {
        // No character lies between U+D7FF and U+E000.
        let next = if last == '\u{d7ff}' { Some('\u{e000}') } else { char::from_u32(u32::from(last) + 1) };
        if let Some(next) = next {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_begins_alike_lies_together() {
        for (start, end) in [
            ("a", Some("b")),
            ("part-", Some("part.")),
            ("\u{7f}", Some("\u{80}")),
            ("x\u{d7ff}", Some("x\u{e000}")),
            ("y\u{10ffff}", Some("z")),
            ("\u{10ffff}", None),
            ("", None),
        ] {
            assert_eq!(behind(start).as_deref(), end, "{start:?}");
            let longer = format!("{start}\u{10ffff}zz");
            assert!(end.is_none_or(|end| longer.as_str() < end && start < end), "{start:?}");
        }
    }

    #[test]
    fn wildcards_are_plain_characters() {
        assert_eq!(like("50%_\\É"), "%50\\%\\_\\\\é%");
    }
}
