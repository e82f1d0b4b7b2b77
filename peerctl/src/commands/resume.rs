//! `resume`: a paused download goes on.

use clap::Args;
use proto::control;
use proto::ids::TransferId;

use super::transfers::TransferRow;
use crate::error::Outcome;
use crate::render::safe;
use crate::runner::Context;

/// Go on with a download that was paused
#[derive(Debug, Args)]
pub(crate) struct Resume {
    /// Number of the transfer, as `transfers` shows it
    #[arg(value_name = "ID")]
    id: TransferId,
}

impl Resume {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let transfer = cx.ask(control::Resume { transfer_id: self.id }).await?;
        let sentence = format!("{} goes on: {}", transfer.transfer_id, safe(transfer.name.as_str()));
        Ok(cx.out.result(&TransferRow(transfer), || sentence)?)
    }
}
