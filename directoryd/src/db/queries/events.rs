//! Appends to the log of changes. A row gets its number inside the transaction of the change, and one writer commits in
//! order, so that a reader who has seen a number has seen every smaller one.

use diesel::Insertable;
use proto::Timestamp;

use super::{Connection, RunQueryDsl};
use crate::db::Answer;
use crate::db::schema::events;
use crate::events::Event;

/// Rows per statement: five columns each, under SQLite's limit of 32,766 variables.
const PER_STATEMENT: usize = 2000;

#[derive(Insertable)]
#[diesel(table_name = events, treat_none_as_default_value = false)]
struct EventRow<'a> {
    at: i64,
    kind: &'static str,
    peer_id: Option<&'a [u8]>,
    file_id: Option<&'a [u8]>,
    user_name: Option<&'a str>,
}

pub(in crate::db) async fn append(connection: &mut Connection, at: Timestamp, happened: &[Event]) -> Answer<()> {
    let at = at.as_millisecond();
    for part in happened.chunks(PER_STATEMENT) {
        let rows: Vec<EventRow<'_>> = part.iter().map(|event| row(at, event)).collect();
        diesel::insert_into(events::table).values(rows).execute(connection).await?;
    }
    Ok(())
}

fn row(at: i64, event: &Event) -> EventRow<'_> {
    let none = EventRow { at, kind: event.kind(), peer_id: None, file_id: None, user_name: None };
    match event {
        Event::PeerUp(peer) | Event::PeerDown(peer) => EventRow { peer_id: Some(peer.as_bytes()), ..none },
        Event::FileAnnounced { peer, file }
        | Event::FilePartial { peer, file }
        | Event::FileWithdrawn { peer, file } => {
            EventRow { peer_id: Some(peer.as_bytes()), file_id: Some(file.as_bytes()), ..none }
        }
        Event::UserChanged(user) => EventRow { user_name: Some(user.as_str()), ..none },
    }
}
