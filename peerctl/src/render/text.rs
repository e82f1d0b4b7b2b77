//! Text on a terminal: what may be shown, how wide it is, how it is cut.

use std::borrow::Cow;
use std::os::fd::AsFd;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Width where nothing is known about the terminal.
const USUAL_WIDTH: usize = 80;

/// The text with everything escaped that could steer a terminal: control characters, writing direction, line separators,
/// and characters that show nothing (Unicode general categories Cc, Zl, Zp and the most of Cf).
pub(crate) fn safe(text: &str) -> Cow<'_, str> {
    escaped(text, steers)
}

/// The text with only that escaped which would break a line of tab-separated values.
pub(super) fn one_field(text: &str) -> Cow<'_, str> {
    escaped(text, char::is_control)
}

fn escaped(text: &str, bad: fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| match c {
        '\n' | '\r' | '\t' => c.escape_default().to_string(),
        c if bad(c) => c.escape_unicode().to_string(),
        c => c.to_string(),
    };
    Cow::Owned(text.chars().map(show).collect())
}

/// Whether a character can move the cursor, change the writing direction, or hide.
pub(super) fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most so many columns; what is cut ends in an ellipsis.
pub(crate) fn fit(text: &str, columns: usize) -> Cow<'_, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let Some(room) = columns.checked_sub(1) else { return Cow::Borrowed("") };
    let mut used = 0;
    let kept = text.chars().take_while(|c| {
        used += c.width().unwrap_or(0);
        used <= room
    });
    Cow::Owned(kept.chain(['…']).collect())
}

/// A sentence cut between its words where a terminal would cut it anywhere; lines but the first stand `indent` columns in,
/// which is where the first one begins. What stands between backticks is for typing again, and stays whole.
pub(crate) fn flowed(text: &str, columns: usize, indent: usize) -> Cow<'_, str> {
    /// With less room than this, more lines would not read better.
    const NARROWEST: usize = 20;
    if indent + width(text) <= columns || columns < indent + NARROWEST {
        return Cow::Borrowed(text);
    }
    let (mut flowed, mut used) = (String::new(), indent);
    for word in words(text) {
        let wide = width(word);
        if used > indent && used + 1 + wide > columns {
            flowed.push('\n');
            flowed.extend(std::iter::repeat_n(' ', indent));
            used = indent;
        } else if used > indent {
            flowed.push(' ');
            used += 1;
        }
        flowed.push_str(word);
        used += wide;
    }
    Cow::Owned(flowed)
}

/// Words between blanks; a blank between backticks is a part of a word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    })
}

/// Columns of the terminal that a stream goes to.
pub(crate) fn screen_width(stream: &impl AsFd) -> usize {
    rustix::termios::tcgetwinsize(stream)
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .or_else(columns_variable)
        .unwrap_or(USUAL_WIDTH)
}

/// `$COLUMNS`, where a person or a test has exported it.
pub(super) fn columns_variable() -> Option<usize> {
    std::env::var("COLUMNS").ok()?.parse().ok().filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal() {
        let hostile = "a\u{1b}[2J\u{7}\u{9b}\u{202e}\u{61c}\u{2028}\u{e0041}\n\tb";
        let shown = safe(hostile);
        assert!(!shown.chars().any(steers), "{shown}");
        assert_eq!(shown, r"a\u{1b}[2J\u{7}\u{9b}\u{202e}\u{61c}\u{2028}\u{e0041}\n\tb");
        assert!(matches!(safe("café ☕ 日本"), Cow::Borrowed(_)));
    }

    #[test]
    fn names_look_as_the_protocol_shows_them() {
        let name: proto::ids::FileName = "a\u{202e}gpj\u{200b}".parse().unwrap();
        assert_eq!(safe(name.as_str()), name.displayable());
    }

    #[test]
    fn sentences_flow_and_commands_stay_whole() {
        let hint = "the daemon goes on: `peerctl download --wait x` follows it";
        assert_eq!(flowed(hint, 80, 6), hint);
        assert_eq!(flowed(hint, 40, 6), "the daemon goes on:\n      `peerctl download --wait x`\n      follows it");
        assert_eq!(flowed("日本 語日 本語日本 語日本語 日本語", 20, 0), "日本 語日 本語日本\n語日本語 日本語");
        // Nothing is lost, and what is not closed is one word.
        assert_eq!(flowed("an odd ` in a sentence", 21, 0), "an odd\n` in a sentence");
        assert_eq!(flowed(hint, 25, 6), hint);
    }

    #[test]
    fn cuts_count_columns() {
        assert_eq!(fit("abcdef", 6), "abcdef");
        assert_eq!(fit("abcdef", 4), "abc…");
        // A wide character that does not fit as a whole is left out.
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("ab", 0), "");
    }
}
