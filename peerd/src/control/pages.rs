//! Lists of this daemon's own, cut into pages that fit a line of the socket whatever is in them.

use proto::control::{LONGEST_LINE, ListTransfers, Transfer, Transfers};

/// Entries of a page, unless fewer are asked for.
const MOST: usize = 200;
/// Bytes of a page: the rest of the line is for what stands around it.
const ROOM: usize = LONGEST_LINE / 2;

/// The page that is asked for, of all transfers in the order of their numbers.
pub(super) fn transfers(all: Vec<Transfer>, asked: &ListTransfers) -> Transfers {
    let limit = asked.limit.map_or(MOST, |limit| usize::try_from(limit).unwrap_or(MOST).clamp(1, MOST));
    let mut rest =
        all.into_iter().filter(|transfer| asked.after.is_none_or(|after| transfer.transfer_id > after)).peekable();
    let (mut items, mut bytes) = (Vec::new(), 0);
    while items.len() < limit
        && let Some(transfer) = rest.peek()
    {
        bytes += serde_json::to_string(transfer).map_or(0, |text| text.len() + 1);
        if bytes > ROOM && !items.is_empty() {
            break;
        }
        items.extend(rest.next());
    }
    let next = rest.peek().and(items.last()).map(|last: &Transfer| last.transfer_id);
    Transfers { items, next }
}

#[cfg(test)]
mod tests {
    use proto::control::{Source, TransferState};
    use proto::ids::{ByteCount, FileId, PeerId, TransferId};

    use super::*;

    fn transfer(number: u64, sources: usize) -> Transfer {
        let source = Source {
            peer: "a".repeat(60).parse().unwrap(),
            peer_id: PeerId::from_bytes([7; 20]),
            bytes: ByteCount::new(u64::MAX),
            banned: None,
        };
        Transfer {
            transfer_id: TransferId(number),
            file_id: FileId::of(b"x"),
            name: "x".parse().unwrap(),
            size: ByteCount::new(1),
            path: "/x".into(),
            state: TransferState::Running,
            reason: None,
            failure: None,
            bytes: ByteCount::ZERO,
            rate: 0.0,
            seconds: 0.0,
            verified: false,
            simulated: false,
            sources: vec![source; sources],
        }
    }

    #[test]
    fn every_page_fits_a_line_and_nothing_is_left_out() {
        let all: Vec<Transfer> =
            (1..=1000).map(|number| transfer(number, usize::try_from(number).unwrap() % 256)).collect();
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let page = transfers(all.clone(), &ListTransfers { after, limit: None });
            let line = serde_json::to_string(&page).unwrap();
            assert!(line.len() < LONGEST_LINE * 3 / 4, "{}", line.len());
            seen.extend(page.items.iter().map(|transfer| transfer.transfer_id.0));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(seen.into_iter().eq(1..=1000) && pages > 10, "{pages}");
        let page = transfers(all, &ListTransfers { after: Some(TransferId(997)), limit: Some(2) });
        assert_eq!((page.items.len(), page.next), (2, Some(TransferId(999))));
        assert_eq!(transfers(Vec::new(), &ListTransfers::default()).next, None);
    }
}
