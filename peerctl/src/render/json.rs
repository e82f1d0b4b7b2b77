//! JSON for programs: `"v":1` first, one object a line, and nothing in it that steers a terminal.

use serde::Serialize;

use super::text::steers;

/// Version of every object that is written; a key that changes its meaning raises it.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    v: u8,
    #[serde(flatten)]
    body: &'a T,
}

/// An object with its version, as a line.
pub(crate) fn json_line<T: Serialize>(body: &T) -> String {
    let mut line = value(&Versioned { v: VERSION, body });
    line.push('\n');
    line
}

/// The beginning of an object whose items follow one by one.
pub(super) fn list_start() -> String {
    format!(r#"{{"v":{VERSION},"items":["#)
}

/// A value, without its version.
pub(super) fn value<T: Serialize>(body: &T) -> String {
    // Our own structs have string keys and finite depth; what else could fail is a path that is not UTF-8, and those come
    // from JSON here.
    let text = serde_json::to_string(body).unwrap_or_else(|error| format!(r#""unprintable: {error}""#));
    if text.contains(steers) { harmless(&text) } else { text }
}

/// The same JSON: what steers a terminal can only stand inside a string, where an escape means the same.
fn harmless(json: &str) -> String {
    let mut units = [0; 2];
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if steers(c) {
            text.extend(c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}")));
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_the_same_and_harmless() {
        let hostile = "a\u{9b}\u{202e}\u{e0041}\"\\\u{1b}";
        let line = json_line(&std::collections::BTreeMap::from([("name", hostile)]));
        assert!(line.starts_with(r#"{"v":1,"name":"a"#), "{line}");
        assert!(!line.trim_end().contains(steers), "{line}");
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["name"], hostile);
    }
}
