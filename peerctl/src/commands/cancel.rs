//! `cancel`: gives a download up.

use clap::Args;
use proto::control::{self, Failure, FailureCode, TransferState};
use proto::ids::TransferId;

use super::transfers::TransferRow;
use crate::error::Outcome;
use crate::render::safe;
use crate::runner::Context;

/// Give a download up and remove what it has
#[derive(Debug, Args)]
pub(crate) struct Cancel {
    /// Number of the transfer, as `transfers` shows it
    #[arg(value_name = "ID")]
    id: TransferId,
}

impl Cancel {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let transfer = cx.ask(control::Cancel { transfer_id: self.id }).await?;
        cx.session.has_read(transfer.transfer_id);
        let (id, state) = (transfer.transfer_id, transfer.state);
        if state != TransferState::Cancelled {
            let failure = Failure::new(FailureCode::Conflict, format!("transfer {id} has ended: it is {state}"));
            return Err(failure.hint("there is nothing left to give up").into());
        }
        let sentence = format!("cancelled {id}: {}", safe(transfer.name.as_str()));
        Ok(cx.out.result(&TransferRow(transfer), || sentence)?)
    }
}
