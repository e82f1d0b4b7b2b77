//! Messages of the control socket between `peerctl` and `peerd`: JSON-RPC 2.0, one message a line, at most
//! [`LONGEST_LINE`] bytes.
//!
//! A request names a method and gets exactly one [`Response`] with its id. While a long one runs, `peerd` sends
//! [`Notification`]s that carry the same id; the latest wins. Closing the connection abandons the question, not the work:
//! a download goes on in the daemon.

use serde::{Deserialize, Serialize};

use crate::directory::{Event, FileEntry, Page, Peer};
use crate::ids::ByteCount;
use crate::simulated::Simulated;
use crate::simulation::{Answer, Constants, Scenario};

mod account;
mod checkup;
mod complete;
mod events;
mod explain;
mod failure;
mod frame;
mod network;
mod news;
mod shares;
mod status;
mod transfers;

pub use account::{Identity, Login, Logout, WhoAmI};
pub use checkup::{Check, Examination, Examine, GetVersions, Verdict, Verified, Verify, Versions};
pub use complete::{Completable, Complete, Completion, Completions};
pub use events::WatchEvents;
pub use explain::{Explain, Explanation, Limit, PieceCount, SourceFigures, SourceState};
pub use failure::{Failure, FailureCode};
pub use frame::{Incoming, LONGEST_LINE, Notification, RequestFrame, Response};
pub use network::{FileShown, ListFiles, ListPeers, ShowFile, ShowPeer};
pub use news::{News, Subscribe, WATCHED_PEERS};
pub use shares::{Unshare, Unshared, Upload, Uploaded};
pub use status::{ActorStatus, DirectoryState, DirectoryStatus, GetStatus, Status};
pub use transfers::{
    Cancel, Download, ListTransfers, Pause, Resume, Source, Started, Transfer, TransferState, Transfers, Wait,
};

/// A request with the type of its answer.
pub trait Method: Into<Request> {
    /// What a success carries.
    type Reply: Serialize + serde::de::DeserializeOwned;
}

/// One table of everything that can be asked: method name, parameters, answer.
macro_rules! methods {
    ($($(#[$doc:meta])* $text:literal $name:ident => $reply:ty;)+) => {
        /// Everything that can be asked.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        #[serde(tag = "method", content = "params")]
        pub enum Request {
            $($(#[$doc])* #[serde(rename = $text)] $name($name),)+
        }

        impl Request {
            /// The method's name.
            pub fn method(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => $text,)+
                }
            }
        }

        $(
            impl Method for $name {
                type Reply = $reply;
            }

            impl From<$name> for Request {
                fn from(params: $name) -> Self {
                    Self::$name(params)
                }
            }
        )+
    };
}

methods! {
    /// How the daemon is.
    "status" GetStatus => Status;
    /// Logs in at the directory and remembers it.
    "login" Login => Identity;
    /// Logs out: the peer is down at once, and the session ends.
    "logout" Logout => Done;
    /// Who is logged in, and which peer this is.
    "whoami" WhoAmI => Identity;
    /// A page of peers.
    "list-peers" ListPeers => Page<Peer>;
    /// One peer.
    "show-peer" ShowPeer => Peer;
    /// A page of files.
    "list-files" ListFiles => Page<FileEntry>;
    /// What a word that is being typed could become.
    "complete" Complete => Completions;
    /// One file with its holders.
    "show-file" ShowFile => FileShown;
    /// Shares a file. Notifications carry [`Progress::Hashing`].
    "upload" Upload => Uploaded;
    /// Shares a simulated file: a name, a URL and a size without content.
    "upload-simulated" Simulated => Uploaded;
    /// Stops sharing a file; the file itself stays.
    "unshare" Unshare => Unshared;
    /// Fetches a file. Notifications carry [`Progress::Transfer`] where `wait` is set.
    "download" Download => Started;
    /// Waits for a transfer that runs. Notifications as above.
    "wait" Wait => Transfer;
    /// A page of the transfers since the daemon started, and of the unfinished ones from before.
    "transfers" ListTransfers => Transfers;
    /// Stops fetching until it is resumed, over restarts of the daemon too. What is there is kept, and served.
    "pause" Pause => Transfer;
    /// Goes on with what was paused.
    "resume" Resume => Transfer;
    /// Who gives how much, and what limits a transfer now.
    "explain" Explain => Explanation;
    /// Gives a download up and removes what it has.
    "cancel" Cancel => Transfer;
    /// Hashes a shared file again. Notifications carry [`Progress::Hashing`].
    "verify" Verify => Verified;
    /// Asks the simulator. Notifications carry [`Progress::Simulation`]; closing the connection ends the run.
    "simulate" Simulate => Answer;
    /// Measures this machine for the simulator; the daemon keeps the figures.
    "calibrate" Calibrate => Constants;
    /// Looks at everything that is often wrong.
    "examine" Examine => Examination;
    /// Versions of the daemon and of the directory.
    "version" GetVersions => Versions;
    /// Tells what happens, until the connection is closed. Notifications carry [`Progress::News`].
    "subscribe" Subscribe => Done;
    /// Tells what has changed in the network. Notifications carry [`Progress::Event`].
    "events" WatchEvents => Done;
    /// Makes an actor panic; refused unless the daemon was started with `--fault-injection`.
    "crash" Crash => Done;
}

/// Parameters of `simulate`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Simulate {
    /// What is asked.
    pub scenario: Scenario,
}

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrate {}

/// Parameters of `crash`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// Name of the actor as `status` lists it.
    pub actor: String,
}

/// Done; nothing to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {}

/// How far a long request is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
pub enum Progress {
    /// An upload reads and hashes its file.
    Hashing {
        /// Bytes done.
        done: ByteCount,
        /// Bytes in all.
        total: ByteCount,
    },
    /// A transfer moves.
    Transfer(Transfer),
    /// A simulation runs; this is its answer so far.
    Simulation(Box<Answer>),
    /// Something happened.
    News(News),
    /// Something has changed in the network.
    Event(Event),
}
