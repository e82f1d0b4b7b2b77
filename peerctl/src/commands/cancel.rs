//! `cancel`: gives a download up.

use clap::Args;
use proto::control;
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
        let sentence = format!("{} {}: {}", transfer.state, transfer.transfer_id, safe(transfer.name.as_str()));
        Ok(cx.out.result(&TransferRow(transfer), || sentence)?)
    }
}
