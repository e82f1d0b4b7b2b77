//! How names are searched: lower case by Unicode, in the program and not in the database, whose rules differ.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_plain_characters() {
        assert_eq!(like("50%_\\É"), "%50\\%\\_\\\\é%");
    }
}
