//! Every command, one file each: what may be typed, what is asked, what is shown.

use clap::Subcommand;

use crate::error::Outcome;
use crate::runner::Context;

mod cancel;
mod completions;
mod connect;
mod doctor;
mod download;
mod events;
mod explain;
mod help;
mod list_files;
mod list_peers;
mod login;
mod logout;
mod man;
mod paging;
mod paths;
mod pause;
mod resume;
mod show_file;
mod show_peer;
mod simulate;
mod status;
mod transfers;
mod unshare;
mod upload;
mod verify;
mod version;
mod whoami;

pub(crate) use download::{how_it_ended, how_it_failed};
pub(crate) use help::topics as help_topics;
pub(crate) use login::ask_line;
pub(crate) use paging::all_transfers;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Login(login::Login),
    Logout(logout::Logout),
    Whoami(whoami::Whoami),
    Status(status::Status),
    #[command(visible_alias = "peers")]
    ListPeers(list_peers::ListPeers),
    ShowPeer(show_peer::ShowPeer),
    #[command(visible_aliases = ["files", "ls"])]
    ListFiles(list_files::ListFiles),
    ShowFile(show_file::ShowFile),
    #[command(visible_aliases = ["share", "add"])]
    Upload(upload::Upload),
    Unshare(unshare::Unshare),
    #[command(visible_alias = "get")]
    Download(download::Download),
    Transfers(transfers::ListTransfers),
    Events(events::Events),
    Simulate(Box<simulate::Simulate>),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Cancel(cancel::Cancel),
    Explain(explain::Explain),
    Verify(verify::Verify),
    Doctor(doctor::Doctor),
    Connect(connect::Connect),
    /// Choose by digits what to do: log in, connect, upload, list, download
    Menu,
    Completions(completions::Completions),
    Man(man::Man),
    Version(version::Version),
    Help(help::Help),
    /// Leave the session
    Exit,
}

impl Command {
    /// The word that it is typed as.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Login(_) => "login",
            Self::Logout(_) => "logout",
            Self::Whoami(_) => "whoami",
            Self::Status(_) => "status",
            Self::ListPeers(_) => "list-peers",
            Self::ShowPeer(_) => "show-peer",
            Self::ListFiles(_) => "list-files",
            Self::ShowFile(_) => "show-file",
            Self::Upload(_) => "upload",
            Self::Unshare(_) => "unshare",
            Self::Download(_) => "download",
            Self::Transfers(_) => "transfers",
            Self::Events(_) => "events",
            Self::Simulate(_) => "simulate",
            Self::Pause(_) => "pause",
            Self::Resume(_) => "resume",
            Self::Cancel(_) => "cancel",
            Self::Explain(_) => "explain",
            Self::Verify(_) => "verify",
            Self::Doctor(_) => "doctor",
            Self::Connect(_) => "connect",
            Self::Completions(_) => "completions",
            Self::Man(_) => "man",
            Self::Version(_) => "version",
            Self::Help(_) => "help",
            Self::Menu => "menu",
            Self::Exit => "exit",
        }
    }

    pub(crate) async fn run(self, cx: &Context<'_>) -> Outcome {
        match self {
            Self::Login(command) => command.run(cx).await,
            Self::Logout(command) => command.run(cx).await,
            Self::Whoami(command) => command.run(cx).await,
            Self::Status(command) => command.run(cx).await,
            Self::ListPeers(command) => command.run(cx).await,
            Self::ShowPeer(command) => command.run(cx).await,
            Self::ListFiles(command) => command.run(cx).await,
            Self::ShowFile(command) => command.run(cx).await,
            Self::Upload(command) => command.run(cx).await,
            Self::Unshare(command) => command.run(cx).await,
            Self::Download(command) => command.run(cx).await,
            Self::Transfers(command) => command.run(cx).await,
            Self::Events(command) => command.run(cx).await,
            Self::Simulate(command) => command.run(cx).await,
            Self::Pause(command) => command.run(cx).await,
            Self::Resume(command) => command.run(cx).await,
            Self::Cancel(command) => command.run(cx).await,
            Self::Explain(command) => command.run(cx).await,
            Self::Verify(command) => command.run(cx).await,
            Self::Doctor(command) => command.run(cx).await,
            Self::Connect(command) => command.run(cx).await,
            Self::Completions(command) => command.run(cx),
            Self::Man(command) => command.run(cx),
            Self::Version(command) => command.run(cx).await,
            Self::Help(command) => command.run(cx),
            // The runner looks for both; a command that stands alone leaves what was never entered.
            Self::Exit | Self::Menu => Ok(()),
        }
    }
}
