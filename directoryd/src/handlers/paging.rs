//! Pages and their cursors, and what a prefix of an id stands for.

use std::ops::RangeInclusive;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use proto::directory::{MOST_ENTRIES, Page, USUAL_ENTRIES};
use proto::ids::{FileId, PeerId};

use crate::db::After;
use crate::error::ApiError;

/// Shortest prefix of an id that is looked for, digits.
const SHORTEST_PREFIX: usize = 6;

/// Where a page ended. Opaque to callers: base64url of a length, the name, and the id.
pub(crate) type Cursor = After;

pub(crate) fn encode(cursor: &Cursor) -> String {
    let mut bytes = u32::try_from(cursor.name.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend(cursor.name.as_bytes());
    bytes.extend(&cursor.id);
    BASE64URL_NOPAD.encode(&bytes)
}

pub(crate) fn decode(text: &str) -> Result<Cursor, ApiError> {
    let parse = || {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
        let (length, rest) = bytes.split_at_checked(4)?;
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let (name, id) = rest.split_at_checked(length)?;
        let name = String::from_utf8(name.to_vec()).ok().filter(|name| !name.contains('\0'))?;
        Some(Cursor { name, id: id.to_vec() })
    };
    parse().ok_or_else(no_cursor)
}

pub(crate) fn no_cursor() -> ApiError {
    ApiError::malformed("the cursor is none that a page gave out")
}

/// How many entries a page may have.
pub(crate) fn limit(asked: Option<usize>, usual: usize) -> Result<usize, ApiError> {
    match asked.unwrap_or(usual) {
        limit @ 1..=MOST_ENTRIES => Ok(limit),
        _ => Err(ApiError::malformed(format!("`limit` is a number from 1 to {MOST_ENTRIES}"))),
    }
}

/// As [`limit`], for listings.
pub(crate) fn page_limit(asked: Option<usize>) -> Result<usize, ApiError> {
    limit(asked, USUAL_ENTRIES)
}

/// One row beyond the page tells whether there is another page.
pub(crate) fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
}

/// Cuts what was read for [`one_more`] down to a page.
pub(crate) fn page<T>(mut items: Vec<T>, limit: usize, cursor: impl Fn(&T) -> Cursor) -> Page<T> {
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| encode(&cursor(last)));
    Page { items, next }
}

/// File ids that begin with these hex digits.
pub(crate) fn file_ids(prefix: &str) -> Result<RangeInclusive<FileId>, ApiError> {
    ids(prefix, 2 * FileId::LEN, ['0', 'f'])
}

/// Peer ids that begin with these base32 digits, grouped by dashes or not.
pub(crate) fn peer_ids(prefix: &str) -> Result<RangeInclusive<PeerId>, ApiError> {
    ids(&prefix.replace('-', ""), 32, ['a', '7'])
}

fn ids<T: FromStr>(prefix: &str, digits: usize, [least, greatest]: [char; 2]) -> Result<RangeInclusive<T>, ApiError> {
    let filled = |digit: char| {
        let missing = digits.checked_sub(prefix.len())?;
        format!("{prefix}{}", String::from(digit).repeat(missing)).parse().ok()
    };
    match (prefix.len() >= SHORTEST_PREFIX, filled(least), filled(greatest)) {
        (true, Some(from), Some(to)) => Ok(from..=to),
        _ => Err(ApiError::malformed(format!("`prefix` is {SHORTEST_PREFIX} to {digits} digits of an id"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        let cursor = Cursor { name: "naïve / name".into(), id: vec![0, 255, 7] };
        let again = decode(&encode(&cursor)).unwrap();
        assert_eq!((again.name, again.id), (cursor.name, cursor.id));
        for bad in ["", "!", "AAAA", "_____w", &BASE64URL_NOPAD.encode(&[0, 0, 0, 1, 0xff]), "AAAAAQA"] {
            assert!(decode(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn prefixes_are_ranges() {
        let range = file_ids("ABCDEF0").unwrap();
        assert!(range.contains(&format!("abcdef0{}", "7".repeat(57)).parse().unwrap()));
        assert!(!range.contains(&format!("abcdef1{}", "0".repeat(57)).parse().unwrap()));
        let id = FileId::of(b"x");
        assert_eq!(file_ids(&id.to_string()).unwrap(), id..=id);
        let peer = PeerId::from_bytes([7; 20]);
        assert!(peer_ids(&peer.grouped()[..9]).unwrap().contains(&peer));
        for bad in ["abcde", "abcdeg", "%%%%%%", &"a".repeat(65)] {
            assert!(file_ids(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_page_says_so() {
        let cursor = |number: &u8| Cursor { name: number.to_string(), id: vec![] };
        assert_eq!(page(vec![1, 2], 2, cursor).next, None);
        let first = page(vec![1, 2, 3], 2, cursor);
        assert_eq!((first.items.len(), decode(&first.next.unwrap()).unwrap().name.as_str()), (2, "2"));
    }
}
