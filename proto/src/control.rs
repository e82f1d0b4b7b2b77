//! Messages of the control socket between `peerctl` and `peerd`: JSON-RPC 2.0, one message a line, at most
//! [`LONGEST_LINE`] bytes.
//!
//! A request names a method and gets exactly one [`Response`] with its id. While a long one runs, `peerd` sends
//! [`Notification`]s that carry the same id; the latest wins. Closing the connection abandons the question, not the work:
//! a download goes on in the daemon.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::directory::{Event, FileDetail, FileEntry, Holder, Page, Peer, Role};
use crate::ids::{ByteCount, FileId, FileName, PeerAddress, PeerId, PeerName, Rate, TransferId, UserName};
use crate::secret::Secret;
use crate::simulated::Simulated;
use crate::simulation::{Answer, Constants, Scenario};

mod checkup;
mod complete;
mod events;
mod explain;
mod failure;
mod frame;
mod news;

pub use checkup::{Check, Examination, Examine, GetVersions, Verdict, Verified, Verify, Versions};
pub use complete::{Completable, Complete, Completion, Completions};
pub use events::WatchEvents;
pub use explain::{Explain, Explanation, Limit, PieceCount, SourceFigures, SourceState};
pub use failure::{Failure, FailureCode};
pub use frame::{Incoming, LONGEST_LINE, Notification, RequestFrame, Response};
pub use news::{News, Subscribe, WATCHED_PEERS};

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

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GetStatus {}

/// Parameters of `login`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// Account.
    pub user: UserName,
    /// Its password.
    pub password: Secret,
}

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Logout {}

/// No parameters.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoAmI {}

/// Parameters of `list-peers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListPeers {
    /// Down ones too.
    #[serde(default)]
    pub all: bool,
    /// From the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Entries of a page: 1 to 1000, usually 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `show-peer`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowPeer {
    /// Name, id or unique prefix of an id.
    pub peer: String,
}

/// Parameters of `list-files`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListFiles {
    /// Part of the name, in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// Only what this peer holds: name, id or unique prefix of an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Only what this peer itself shares.
    #[serde(default)]
    pub mine: bool,
    /// As this peer sees the network, asked of itself and not of the directory: name, id or unique prefix of an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Only what the peer in `via` itself shares.
    #[serde(default)]
    pub own: bool,
    /// From the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Entries of a page: 1 to 1000, usually 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `show-file`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShowFile {
    /// Id, unique prefix of at least 6 digits, exact name, or `USER/NAME`.
    pub file: String,
}

/// Parameters of `upload`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    /// Absolute path of a regular file.
    pub path: PathBuf,
    /// Another name than the file's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<FileName>,
}

/// Parameters of `unshare`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unshare {
    /// Id, unique prefix of at least 6 digits, or exact name of a file that this peer shares.
    pub file: String,
}

/// Parameters of `download`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Download {
    /// Id, unique prefix of at least 6 digits, exact name, or `USER/NAME`.
    pub file: String,
    /// Absolute path of the file to write, or of a folder for it; without one, the daemon's download folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<PathBuf>,
    /// Only from these peers: names, ids or unique prefixes.
    #[serde(default)]
    pub from: Vec<String>,
    /// This peer is asked what `file` means and who holds it: name, id or unique prefix of an id. Without `from`, the
    /// holders that it names are those that are fetched from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<String>,
    /// Replace a file that is there.
    #[serde(default)]
    pub force: bool,
    /// Only pretend: no content moves, and this peer then holds a simulated file. So it is with every simulated file.
    #[serde(default)]
    pub simulate: bool,
    /// Rate that it is held to. One that is under way already keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
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

/// Parameters of `wait`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// Which.
    pub transfer_id: TransferId,
}

/// Parameters of `transfers`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListTransfers {
    /// Only those with a higher number: `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<TransferId>,
    /// Entries of a page: 1 to 200, usually 200, and fewer where they are long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Parameters of `pause`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pause {
    /// Which.
    pub transfer_id: TransferId,
}

/// Parameters of `resume`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resume {
    /// Which.
    pub transfer_id: TransferId,
}

/// Parameters of `cancel`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// Which.
    pub transfer_id: TransferId,
}

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

/// Answer to `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// This peer.
    pub peer_id: PeerId,
    /// What people call it.
    pub name: PeerName,
    /// Who is logged in.
    pub user: Option<UserName>,
    /// The directory, and how it is with it.
    pub directory: DirectoryStatus,
    /// Where other peers are told to reach this one.
    pub address: PeerAddress,
    /// Files shared.
    pub shares: u64,
    /// Transfers that run.
    pub transfers: u64,
    /// Version of the daemon.
    pub version: String,
    /// Since when it runs.
    pub started_at: Timestamp,
    /// Where downloads go that name no other place.
    pub download_dir: PathBuf,
    /// The daemon's parts.
    pub actors: Vec<ActorStatus>,
}

/// The directory as this peer sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DirectoryStatus {
    /// Where it is.
    pub url: String,
    /// How it is with it.
    pub state: DirectoryState,
    /// Since when it is so.
    pub since: Timestamp,
    /// What the last attempt said, where it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// How it is with the directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryState {
    /// Registered; heartbeats are answered.
    Connected,
    /// On the way there.
    Connecting,
    /// Does not answer; it is being tried again.
    Unreachable,
    /// Nobody has logged in, or the session has ended.
    LoggedOut,
}

impl std::fmt::Display for DirectoryState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Connected => "connected",
            Self::Connecting => "connecting",
            Self::Unreachable => "unreachable",
            Self::LoggedOut => "logged-out",
        })
    }
}

/// One part of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActorStatus {
    /// Its name.
    pub name: String,
    /// How often it was restarted after a failure.
    pub restarts: u32,
}

/// Answer to `login` and `whoami`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Account.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// This peer.
    pub peer_id: PeerId,
    /// What people call it.
    pub peer: PeerName,
}

/// Answer to `show-file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileShown {
    /// The file.
    #[serde(flatten)]
    pub file: FileDetail,
    /// Up to 1000 of its holders.
    pub holders_list: Vec<Holder>,
}

/// Answer to `upload`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploaded {
    /// Id of the content.
    pub file_id: FileId,
    /// Shared under this name.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Without content.
    pub simulated: bool,
    /// Whether the directory has acknowledged it; if not, it will be told as soon as it answers.
    pub announced: bool,
}

/// Answer to `unshare`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unshared {
    /// Id of the content.
    pub file_id: FileId,
    /// Name that it was shared under.
    pub name: FileName,
}

/// Answer to `download`: it runs. `wait` follows it to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Which.
    pub transfer_id: TransferId,
    /// What is fetched.
    pub file_id: FileId,
    /// Name that it is shared under.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Where the file will be; empty for a simulated transfer.
    pub path: PathBuf,
    /// Whether it was under way already, and this question only joined it.
    pub joined: bool,
    /// Without content.
    #[serde(default)]
    pub simulated: bool,
}

/// Answer to `transfers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfers {
    /// In the order of their numbers.
    pub items: Vec<Transfer>,
    /// Goes into `after` for the next page; nothing on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<TransferId>,
}

/// A download, as far as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// Which.
    pub transfer_id: TransferId,
    /// What is fetched.
    pub file_id: FileId,
    /// Name that it is shared under.
    pub name: FileName,
    /// Size of the content.
    pub size: ByteCount,
    /// Where the file is or will be; empty for a simulated transfer.
    pub path: PathBuf,
    /// How it is.
    pub state: TransferState,
    /// Why it is so, where that needs words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Kind of failure, of a failed one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureCode>,
    /// Bytes checked and stored.
    pub bytes: ByteCount,
    /// Bytes per second over the last seconds; over the whole time once it has ended.
    pub rate: f64,
    /// Time spent so far, since the daemon took it up.
    pub seconds: f64,
    /// Whether all of it was checked against the id: true exactly for `done` ones with content.
    pub verified: bool,
    /// Without content.
    pub simulated: bool,
    /// Who gave how much.
    pub sources: Vec<Source>,
}

impl Eq for Transfer {}

/// How a transfer is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransferState {
    /// Looking for holders and the manifest, or checking what is already there.
    Preparing,
    /// Pieces are on their way.
    Running,
    /// Nobody to fetch from; goes on when somebody is.
    Stalled,
    /// Waits for room on the disk or for the user, as `reason` says.
    Paused,
    /// The file is at its place.
    Done,
    /// Given up, as `reason` says.
    Failed,
    /// Given up by the user.
    Cancelled,
}

impl TransferState {
    /// Whether nothing more will happen.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }
}

impl std::fmt::Display for TransferState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Preparing => "preparing",
            Self::Running => "running",
            Self::Stalled => "stalled",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        })
    }
}

/// What one peer gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub peer: PeerName,
    /// Its id.
    pub peer_id: PeerId,
    /// Bytes of pieces that were checked and stored.
    pub bytes: ByteCount,
    /// Why it is no longer asked, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banned: Option<String>,
}

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
