//! `pause`: a download waits until it is resumed.

use clap::Args;
use proto::control;
use proto::ids::TransferId;

use super::transfers::TransferRow;
use crate::error::Outcome;
use crate::render::safe;
use crate::runner::Context;

/// Stop fetching until `resume`, over restarts of the daemon too; what is there is kept, and served to others
#[derive(Debug, Args)]
pub(crate) struct Pause {
    /// Number of the transfer, as `transfers` shows it
    #[arg(value_name = "ID")]
    id: TransferId,
}

impl Pause {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let transfer = cx.ask(control::Pause { transfer_id: self.id }).await?;
        let (id, name) = (transfer.transfer_id, safe(transfer.name.as_str()).into_owned());
        let sentence = format!("paused {id}: {name}; `peerctl resume {id}` goes on");
        Ok(cx.out.result(&TransferRow(transfer), || sentence)?)
    }
}
