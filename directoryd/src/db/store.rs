//! The store as handlers see it: a method per question and per change, each one line that picks the thread.

use std::path::Path;

use proto::Timestamp;
use proto::directory::{
    FileDetail, FileEntry, Holder, PatchFiles, PatchUser, PatchedFiles, Peer, SessionId, Stats, User,
};
use proto::ids::{FileId, PeerId, UserName};
use proto::ticket::KeyId;

use super::keys::{self, KeyTerms, Rotation, SigningKey};
use super::readers::Readers;
use super::users::NewAccount;
use super::writer::Writer;
use super::{
    After, Answer, Credentials, FileFilter, KnownPeer, ListedSession, NewSession, PeerFilter, Registered, Registration,
    SessionOwner, announce, holders, listing, peers, sessions, users,
};

/// A handle on the open database. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Store {
    writer: Writer,
    readers: Readers,
}

impl Store {
    /// Over a database that is up to date ([`super::migrate`]).
    pub fn open(path: &Path) -> std::io::Result<Self> {
        Ok(Self { writer: Writer::spawn(path.to_owned())?, readers: Readers::spawn(path)? })
    }

    // ---- accounts ----

    /// The account made; `None` where the name is taken.
    pub async fn add_user(&self, new: NewAccount, now: Timestamp) -> Answer<Option<User>> {
        self.writer.run(move |c| users::add(c, &new, now)).await
    }

    /// An account.
    pub async fn user(&self, name: UserName) -> Answer<Option<User>> {
        self.readers.run(move |c| users::get(c, &name)).await
    }

    /// Accounts in order of name, from behind `after` on.
    pub async fn users(&self, after: Option<String>, limit: i64) -> Answer<Vec<User>> {
        self.readers.run(move |c| users::list(c, after.as_deref(), limit)).await
    }

    /// The account as it is then; `None` where there is none.
    pub async fn patch_user(&self, name: UserName, patch: PatchUser, now: Timestamp) -> Answer<Option<User>> {
        self.writer.run(move |c| users::patch(c, &name, patch, now)).await
    }

    /// Whether there is such an account. Its sessions end, but for the one whose token has the hash `keep`.
    pub async fn set_password(
        &self,
        name: UserName,
        hash: String,
        keep: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Answer<bool> {
        self.writer.run(move |c| users::set_password(c, &name, &hash, keep.as_ref(), now)).await
    }

    /// The peers that went with the account; `None` where there is none of that name.
    pub async fn remove_user(&self, name: UserName, now: Timestamp) -> Answer<Option<Vec<PeerId>>> {
        self.writer.run(move |c| users::remove(c, &name, now)).await
    }

    pub(crate) async fn credentials(&self, name: UserName) -> Answer<Option<Credentials>> {
        self.readers.run(move |c| users::credentials(c, &name)).await
    }

    // ---- sessions ----

    pub(crate) async fn add_session(&self, new: NewSession) -> Answer<bool> {
        self.writer.run(move |c| sessions::add(c, &new)).await
    }

    pub(crate) async fn session(&self, token_hash: [u8; 32]) -> Answer<Option<SessionOwner>> {
        self.readers.run(move |c| sessions::owner(c, &token_hash)).await
    }

    pub(crate) async fn remove_session(&self, token_hash: [u8; 32]) -> Answer<()> {
        self.writer.run(move |c| sessions::remove(c, &token_hash)).await
    }

    pub(crate) async fn sessions_of(
        &self,
        user: UserName,
        after: Option<(i64, Vec<u8>)>,
        limit: i64,
    ) -> Answer<Vec<ListedSession>> {
        self.readers.run(move |c| sessions::list(c, &user, after.as_ref(), limit)).await
    }

    pub(crate) async fn revoke_session(&self, id: SessionId, of: Option<UserName>) -> Answer<bool> {
        self.writer.run(move |c| sessions::revoke(c, id, of.as_ref())).await
    }

    pub(crate) async fn remove_ended_sessions(&self, now: Timestamp) -> Answer<()> {
        self.writer.run(move |c| sessions::remove_ended(c, now)).await
    }

    // ---- signing keys ----

    /// At each start: notes how long things last from now on, and makes the first key. Answers the audience.
    pub(crate) async fn begin_keys(&self, terms: KeyTerms, now: Timestamp) -> Answer<String> {
        self.writer.run(move |c| keys::begin(c, terms, now)).await
    }

    /// The newest first.
    pub async fn signing_keys(&self) -> Answer<Vec<SigningKey>> {
        self.readers.run(keys::all).await
    }

    /// Makes a new key; the present one ends when its last ticket does, or with `force` at once. `terms` count where no
    /// directory has served from here yet.
    pub async fn rotate_keys(&self, terms: KeyTerms, force: bool, now: Timestamp) -> Answer<Rotation> {
        self.writer.run(move |c| keys::rotate(c, terms, force, now)).await
    }

    pub(crate) async fn remove_keys(&self, ended: Vec<KeyId>) -> Answer<()> {
        self.writer.run(move |c| keys::remove(c, &ended)).await
    }

    // ---- peers ----

    pub(crate) async fn register_peer(&self, peer: Registration, now: Timestamp) -> Answer<Registered> {
        self.writer.run(move |c| peers::register(c, &peer, now)).await
    }

    pub(crate) async fn peer_up(&self, peer: PeerId, now: Timestamp) -> Answer<bool> {
        self.writer.run(move |c| peers::set_up(c, &peer, now)).await
    }

    pub(crate) async fn peer_down(&self, peer: PeerId, last_seen: Timestamp, now: Timestamp) -> Answer<bool> {
        self.writer.run(move |c| peers::set_down(c, &peer, last_seen, now)).await
    }

    pub(crate) async fn log_out_peer(&self, peer: PeerId, now: Timestamp) -> Answer<()> {
        self.writer.run(move |c| peers::log_out(c, &peer, now)).await
    }

    pub(crate) async fn touch_peers(&self, seen: Vec<(PeerId, Timestamp)>) -> Answer<Vec<PeerId>> {
        self.writer.run(move |c| peers::touch(c, &seen)).await
    }

    pub(crate) async fn known_peer(&self, peer: PeerId) -> Answer<Option<KnownPeer>> {
        self.readers.run(move |c| peers::known(c, &peer)).await
    }

    pub(crate) async fn peers_up(&self) -> Answer<Vec<KnownPeer>> {
        self.readers.run(peers::all_up).await
    }

    pub(crate) async fn peer(&self, peer: PeerId) -> Answer<Option<Peer>> {
        self.readers.run(move |c| peers::get(c, &peer)).await
    }

    pub(crate) async fn peers(&self, filter: PeerFilter, after: Option<After>, limit: i64) -> Answer<Vec<Peer>> {
        self.readers.run(move |c| listing::peers(c, &filter, after.as_ref(), limit)).await
    }

    // ---- files ----

    pub(crate) async fn patch_files(
        &self,
        peer: PeerId,
        request: PatchFiles,
        now: Timestamp,
    ) -> Answer<Option<PatchedFiles>> {
        self.writer.run(move |c| announce::patch(c, &peer, &request, now)).await
    }

    pub(crate) async fn files(&self, filter: FileFilter, after: Option<After>, limit: i64) -> Answer<Vec<FileEntry>> {
        self.readers.run(move |c| listing::files(c, &filter, after.as_ref(), limit)).await
    }

    pub(crate) async fn files_of(
        &self,
        peer: PeerId,
        partial: bool,
        after: Option<After>,
        limit: i64,
    ) -> Answer<Vec<FileEntry>> {
        self.readers.run(move |c| listing::files_of(c, &peer, partial, after.as_ref(), limit)).await
    }

    pub(crate) async fn file(&self, id: FileId, most_names: i64) -> Answer<Option<FileDetail>> {
        self.readers.run(move |c| listing::file(c, &id, most_names)).await
    }

    pub(crate) async fn holders(
        &self,
        file: FileId,
        partial: bool,
        limit: usize,
        point: PeerId,
    ) -> Answer<Option<Vec<Holder>>> {
        self.readers.run(move |c| holders::sample(c, &file, partial, limit, &point)).await
    }

    pub(crate) async fn stats(&self) -> Answer<Stats> {
        self.readers.run(listing::stats).await
    }

    /// Whether it can be read.
    pub(crate) async fn ping(&self) -> Answer<()> {
        self.users(None, 1).await.map(drop)
    }
}
