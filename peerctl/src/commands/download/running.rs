//! The transfer that `download --wait FILE` means.

use proto::control::{Failure, Started, Transfer, TransferState};

use crate::commands::paging;
use crate::runner::Context;

/// Fewest digits of an id that count as one, as everywhere.
const SHORTEST_PREFIX: usize = 6;

/// The latest transfer of a file that still runs, or else brought it. One that failed or was cancelled is no answer: the
/// user wants the file.
///
/// A simulated one brings nothing, so it is only meant where that is asked for.
pub(super) async fn find(cx: &Context<'_>, file: &str, simulate: bool) -> Result<Option<Started>, Failure> {
    let mut items = paging::all_transfers(async |question| cx.ask(question).await).await?;
    items.retain(|transfer| transfer.simulated == simulate);
    Ok(choose(items, file).map(joined))
}

fn choose(items: Vec<Transfer>, file: &str) -> Option<Transfer> {
    items
        .into_iter()
        .filter(|transfer| is_meant(transfer, file))
        .filter(|transfer| !transfer.state.is_final() || transfer.state == TransferState::Done)
        .max_by_key(|transfer| (!transfer.state.is_final(), transfer.transfer_id))
}

fn is_meant(transfer: &Transfer, file: &str) -> bool {
    let id = transfer.file_id.to_string();
    transfer.name.as_str() == file
        || (file.len() >= SHORTEST_PREFIX && id.starts_with(&file.to_ascii_lowercase()))
        || file.rsplit_once('/').is_some_and(|(_, name)| transfer.name.as_str() == name)
}

fn joined(transfer: Transfer) -> Started {
    let Transfer { transfer_id, file_id, name, size, path, state, simulated, .. } = transfer;
    Started { transfer_id, file_id, name, size, path, joined: !state.is_final(), simulated }
}

#[cfg(test)]
mod tests {
    use proto::ids::{ByteCount, FileId, TransferId};

    use super::*;

    fn transfer(number: u64, content: &str, state: TransferState) -> Transfer {
        Transfer {
            transfer_id: TransferId(number),
            file_id: FileId::of(content.as_bytes()),
            name: content.parse().unwrap(),
            size: ByteCount::new(1),
            path: "/x".into(),
            state,
            reason: None,
            failure: None,
            bytes: ByteCount::ZERO,
            rate: 0.0,
            seconds: 0.0,
            verified: false,
            simulated: false,
            sources: Vec::new(),
        }
    }

    #[test]
    fn the_one_that_runs_then_the_latest_that_is_done() {
        use TransferState::{Cancelled, Done, Failed, Running};
        let chosen = |states: &[TransferState], file: &str| {
            let items = (1..).zip(states).map(|(number, state)| transfer(number, "a", *state)).collect();
            choose(items, file).map(|transfer| transfer.transfer_id.0)
        };
        assert_eq!(chosen(&[Done, Running, Done, Failed], "a"), Some(2));
        assert_eq!(chosen(&[Done, Done, Cancelled], "a"), Some(2));
        assert_eq!(chosen(&[Failed, Cancelled], "a"), None);
        assert_eq!(chosen(&[Running], "b"), None);
        assert_eq!(chosen(&[Running], "alice/a"), Some(1));
        let id = FileId::of(b"a").to_string();
        assert_eq!(chosen(&[Running], &id[..6]), Some(1));
        assert_eq!(chosen(&[Running], &id[..5]), None);
    }
}
