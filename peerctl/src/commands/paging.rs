//! Long lists: page after page up to a limit or the end, each on the screen before the next is asked for.

use proto::control::{Failure, FailureCode, ListTransfers, Method, Transfer};
use proto::directory::Page;

use crate::error::Outcome;
use crate::render::{Format, Listing, Row};
use crate::runner::Context;

/// Entries of a page. With the longest names and addresses there are, it stays well under the longest message.
const PAGE: u64 = 200;

/// Lists what `question` gives for a cursor and a number of entries.
pub(super) async fn list<M, T, R>(
    cx: &Context<'_>,
    limit: Option<u64>,
    question: impl Fn(Option<String>, u32) -> M,
    row: impl Fn(T) -> R,
    nothing: &str,
) -> Outcome
where
    M: Method<Reply = Page<T>>,
    R: Row,
{
    let mut listing = Listing::new(cx.out);
    let mut cursor: Option<String> = None;
    let more = loop {
        let room = limit.map_or(u64::MAX, |limit| limit - listing.rows());
        let entries = u32::try_from(room.min(PAGE)).unwrap_or(u32::MAX);
        let mut page = cx.ask(question(cursor.clone(), entries)).await?;
        page.items.truncate(usize::try_from(room).unwrap_or(usize::MAX));
        let rows: Vec<R> = page.items.into_iter().map(&row).collect();
        listing.page(&rows)?;
        match page.next {
            None => break false,
            Some(_) if cx.out.is_closed() => return Ok(()),
            Some(_) if limit.is_some_and(|limit| listing.rows() >= limit) => break true,
            Some(next) if cursor.as_ref() == Some(&next) => return Err(in_circles().into()),
            Some(next) => cursor = Some(next),
        }
    };
    listing.end()?;
    if cx.out.format() == Format::Human {
        if listing.rows() == 0 {
            cx.out.note(nothing);
        } else if more {
            cx.out.note("there are more: raise --limit or leave it out");
        }
    }
    Ok(())
}

/// Every transfer, page by page; `ask` asks the daemon.
pub(crate) async fn all_transfers(
    ask: impl AsyncFn(ListTransfers) -> Result<proto::control::Transfers, Failure>,
) -> Result<Vec<Transfer>, Failure> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let mut page = ask(ListTransfers { after, limit: None }).await?;
        items.append(&mut page.items);
        match page.next {
            None => return Ok(items),
            // Whoever starts transfers faster than they are listed has to be left somewhere.
            Some(next) if after.is_some_and(|after| next <= after) => return Err(in_circles()),
            Some(next) => after = Some(next),
        }
    }
}

fn in_circles() -> Failure {
    Failure::new(FailureCode::Internal, "the daemon gives the same page again and again")
        .hint("peerctl and peerd may be of different versions: compare `peerctl version`")
}
