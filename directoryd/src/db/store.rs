//! The store as handlers see it: a method per question and per change, each one line that picks the database.

use std::sync::Arc;

use proto::Timestamp;
use proto::directory::{
    Event, FileDetail, FileEntry, Holder, HoldingState, PartDigests, PatchFiles, PatchUser, PatchedFiles, Peer,
    PeerFile, SessionId, Stats, User,
};
use proto::ids::{FileId, PeerId, UserName};
use proto::ticket::KeyId;
use tokio::sync::Notify;

use super::model::{
    After, Credentials, FileFilter, KeyTerms, KnownPeer, ListedSession, NewAccount, NewSession, PeerFilter, Reach,
    Registered, Registration, Rotation, SessionOwner, SigningKey,
};
use super::{Answer, Commits, Purpose, StoreError, postgres, sqlite};
use crate::config::Database;

/// A handle on the open database. A clone is another handle on the same one.
#[derive(Clone)]
pub struct Store {
    backend: Backend,
    written: Arc<Notify>,
}

#[derive(Clone)]
enum Backend {
    Sqlite(sqlite::Threads),
    Postgres(postgres::Tasks),
}

/// Has one query answered by whichever database is open: `ask!(store.read, [kept], subject::query(arguments))`. What is
/// `kept` has to be named: over PostgreSQL a query may be run more than once, and each time takes a clone.
macro_rules! ask {
    ($store:ident.$how:ident, [$($kept:ident),*], $subject:ident::$query:ident($($argument:expr),*)) => {
        match &$store.backend {
            Backend::Sqlite(threads) => {
                threads.$how(move |c| sqlite::done(sqlite::queries::$subject::$query(c, $($argument),*))).await
            }
            Backend::Postgres(tasks) => {
                tasks
                    .$how(move |c| {
                        $(let $kept = $kept.clone();)*
                        Box::pin(async move { postgres::queries::$subject::$query(c, $($argument),*).await })
                    })
                    .await
            }
        }
    };
}

impl Store {
    /// Over a database that is up to date ([`super::migrate`]).
    pub async fn open(database: &Database, purpose: Purpose) -> Answer<Self> {
        let written = Arc::new(Notify::new());
        let backend = match database {
            Database::Sqlite(path) => {
                let threads = sqlite::Threads::spawn(path, &written)
                    .map_err(|error| StoreError::Broken(format!("cannot start a thread: {error}")))?;
                Backend::Sqlite(threads)
            }
            Database::Postgres(server) => Backend::Postgres(postgres::Tasks::spawn(server, purpose, &written).await?),
        };
        Ok(Self { backend, written })
    }

    /// What is counted of the writing.
    pub(crate) fn commits(&self) -> &Commits {
        match &self.backend {
            Backend::Sqlite(threads) => threads.commits(),
            Backend::Postgres(tasks) => tasks.commits(),
        }
    }

    // ---- accounts ----

    /// The account made; `None` where the name is taken.
    pub async fn add_user(&self, new: NewAccount, now: Timestamp) -> Answer<Option<User>> {
        ask!(self.write, [new], users::add(&new, now))
    }

    /// An account.
    pub async fn user(&self, name: UserName) -> Answer<Option<User>> {
        ask!(self.read, [name], users::get(&name))
    }

    /// Accounts in order of name, from behind `after` on.
    pub async fn users(&self, after: Option<String>, limit: i64) -> Answer<Vec<User>> {
        ask!(self.read, [after], users::list(after.as_deref(), limit))
    }

    /// The account as it is then; `None` where there is none.
    pub async fn patch_user(&self, name: UserName, patch: PatchUser, now: Timestamp) -> Answer<Option<User>> {
        ask!(self.write, [name, patch], users::patch(&name, &patch, now))
    }

    /// Whether there is such an account. Its sessions end, but for the one whose token has the hash `keep`.
    pub async fn set_password(
        &self,
        name: UserName,
        hash: String,
        keep: Option<[u8; 32]>,
        now: Timestamp,
    ) -> Answer<bool> {
        ask!(self.write, [name, hash], users::set_password(&name, &hash, keep.as_ref(), now))
    }

    /// The peers that went with the account; `None` where there is none of that name.
    pub async fn remove_user(&self, name: UserName, now: Timestamp) -> Answer<Option<Vec<PeerId>>> {
        ask!(self.write, [name], users::remove(&name, now))
    }

    pub(crate) async fn credentials(&self, name: UserName) -> Answer<Option<Credentials>> {
        ask!(self.read, [name], users::credentials(&name))
    }

    // ---- sessions ----

    pub(crate) async fn add_session(&self, new: NewSession) -> Answer<bool> {
        ask!(self.write, [new], sessions::add(&new))
    }

    pub(crate) async fn session(&self, token_hash: [u8; 32]) -> Answer<Option<SessionOwner>> {
        ask!(self.read, [], sessions::owner(&token_hash))
    }

    pub(crate) async fn remove_session(&self, token_hash: [u8; 32]) -> Answer<()> {
        ask!(self.write, [], sessions::remove(&token_hash))
    }

    pub(crate) async fn sessions_of(
        &self,
        user: UserName,
        after: Option<(i64, Vec<u8>)>,
        limit: i64,
    ) -> Answer<Vec<ListedSession>> {
        ask!(self.read, [user, after], sessions::list(&user, after.as_ref(), limit))
    }

    pub(crate) async fn revoke_session(&self, id: SessionId, of: Option<UserName>) -> Answer<bool> {
        ask!(self.write, [of], sessions::revoke(id, of.as_ref()))
    }

    pub(crate) async fn running_sessions(&self, now: Timestamp) -> Answer<u64> {
        ask!(self.read, [], sessions::running(now))
    }

    pub(crate) async fn remove_ended_sessions(&self, now: Timestamp) -> Answer<()> {
        ask!(self.write, [], sessions::remove_ended(now))
    }

    // ---- signing keys ----

    /// At each start: notes how long things last from now on, and makes the first key. Answers the audience.
    pub(crate) async fn begin_keys(&self, terms: KeyTerms, now: Timestamp) -> Answer<String> {
        ask!(self.write, [], keys::begin(terms, now))
    }

    /// The newest first.
    pub async fn signing_keys(&self) -> Answer<Vec<SigningKey>> {
        ask!(self.read, [], keys::all())
    }

    /// Makes a new key; the present one ends when its last ticket does, or with `force` at once. `terms` count where no
    /// directory has served from here yet.
    pub async fn rotate_keys(&self, terms: KeyTerms, force: bool, now: Timestamp) -> Answer<Rotation> {
        ask!(self.write, [], keys::rotate(terms, force, now))
    }

    pub(crate) async fn remove_keys(&self, ended: Vec<KeyId>) -> Answer<()> {
        ask!(self.write, [ended], keys::remove(&ended))
    }

    // ---- peers ----

    pub(crate) async fn register_peer(&self, peer: Registration, now: Timestamp) -> Answer<Registered> {
        ask!(self.write, [peer], peers::register(&peer, now))
    }

    pub(crate) async fn peer_up(&self, peer: PeerId, now: Timestamp) -> Answer<bool> {
        ask!(self.write, [], presence::set_up(&peer, now))
    }

    pub(crate) async fn peer_down(&self, peer: PeerId, last_seen: Timestamp, now: Timestamp) -> Answer<bool> {
        ask!(self.write, [], presence::set_down(&peer, last_seen, now))
    }

    pub(crate) async fn log_out_peer(&self, peer: PeerId, now: Timestamp) -> Answer<()> {
        ask!(self.write, [], presence::log_out(&peer, now))
    }

    /// Has all files of a peer that went up or down count it as what it is now.
    pub(crate) async fn count_presence(&self, peer: PeerId) -> Answer<()> {
        if !ask!(self.read, [], presence::is_counted(&peer))? {
            while ask!(self.write, [], presence::count_some(&peer))? {}
        }
        Ok(())
    }

    /// Peers for which that is still to be done.
    pub(crate) async fn uncounted_presences(&self) -> Answer<Vec<PeerId>> {
        ask!(self.read, [], presence::uncounted())
    }

    pub(crate) async fn touch_peers(&self, seen: Vec<(PeerId, Timestamp)>) -> Answer<Vec<PeerId>> {
        ask!(self.write, [seen], peers::touch(&seen))
    }

    /// Counts the shares of peers from before there were digests; of how many.
    pub(crate) async fn count_shares(&self) -> Answer<usize> {
        let uncounted = ask!(self.read, [], peers::uncounted())?;
        let peers = uncounted.len();
        for peer in uncounted {
            ask!(self.write, [], peers::count_shares(&peer))?;
        }
        Ok(peers)
    }

    /// Digests of the parts of a peer's list; reads all of it.
    pub(crate) async fn part_digests(&self, peer: PeerId) -> Answer<PartDigests> {
        ask!(self.read, [], peers::part_digests(&peer))
    }

    pub(crate) async fn known_peer(&self, peer: PeerId) -> Answer<Option<KnownPeer>> {
        ask!(self.read, [], peers::known(&peer))
    }

    pub(crate) async fn peers_up(&self) -> Answer<Vec<KnownPeer>> {
        ask!(self.read, [], peers::all_up())
    }

    pub(crate) async fn peer(&self, peer: PeerId) -> Answer<Option<Peer>> {
        ask!(self.read, [], peers::get(&peer))
    }

    pub(crate) async fn peers(&self, filter: PeerFilter, after: Option<After>, limit: i64) -> Answer<Vec<Peer>> {
        ask!(self.read, [filter, after], listing::peers(&filter, after.as_ref(), limit))
    }

    // ---- files ----

    pub(crate) async fn patch_files(
        &self,
        peer: PeerId,
        request: PatchFiles,
        now: Timestamp,
    ) -> Answer<Option<PatchedFiles>> {
        ask!(self.write, [request], announce::patch(&peer, &request, now))
    }

    pub(crate) async fn files(&self, filter: FileFilter, after: Option<After>, limit: i64) -> Answer<Vec<FileEntry>> {
        ask!(self.read, [filter, after], listing::files(&filter, after.as_ref(), limit))
    }

    /// These files, under each of their names.
    pub(crate) async fn files_named(&self, ids: Vec<FileId>) -> Answer<Vec<FileEntry>> {
        ask!(self.read, [ids], listing::of_ids(&ids))
    }

    /// Files that a peer has all of, in order of id, from behind `after` on.
    pub(crate) async fn held_by(&self, peer: PeerId, after: Option<FileId>, limit: i64) -> Answer<Vec<FileId>> {
        ask!(self.read, [], listing::held_by(&peer, after.as_ref(), limit))
    }

    pub(crate) async fn files_of(
        &self,
        peer: PeerId,
        partial: bool,
        part: Option<u8>,
        after: Option<After>,
        limit: i64,
    ) -> Answer<Vec<PeerFile>> {
        ask!(self.read, [after], listing::files_of(&peer, partial, part, after.as_ref(), limit))
    }

    pub(crate) async fn file(&self, id: FileId, most_names: i64) -> Answer<Option<FileDetail>> {
        ask!(self.read, [], listing::file(&id, most_names))
    }

    pub(crate) async fn holders(
        &self,
        file: FileId,
        partial: bool,
        limit: usize,
        point: PeerId,
    ) -> Answer<Option<Vec<Holder>>> {
        ask!(self.read, [], holders::sample(&file, partial, limit, &point))
    }

    /// All holders of a file, or one more than `most`.
    pub(crate) async fn all_holders(&self, file: FileId, most: usize) -> Answer<Vec<(PeerId, HoldingState)>> {
        ask!(self.read, [], holders::all(&file, most))
    }

    /// These peers, as complete holders of something.
    pub(crate) async fn holder_cards(&self, peers: Vec<PeerId>) -> Answer<Vec<Holder>> {
        ask!(self.read, [peers], holders::cards(&peers))
    }

    // ---- the log of changes ----

    /// What is behind a number, of some files or of all, in order.
    pub(crate) async fn events_after(&self, files: Option<Vec<FileId>>, since: u64, limit: i64) -> Answer<Vec<Event>> {
        ask!(self.read, [files], events::after(files.as_deref(), since, limit))
    }

    /// The last ones, in order.
    pub(crate) async fn latest_events(&self, files: Option<Vec<FileId>>, limit: i64) -> Answer<Vec<Event>> {
        ask!(self.read, [files], events::latest(files.as_deref(), limit))
    }

    /// From where to where the log goes.
    pub(crate) async fn events_reach(&self) -> Answer<Reach> {
        ask!(self.read, [], events::reach())
    }

    /// The number of the last change of an account behind a number.
    pub(crate) async fn users_changed(&self, since: u64) -> Answer<Option<u64>> {
        ask!(self.read, [], events::users_changed(since))
    }

    /// Forgets some of the oldest events beyond `keep`, and some from before `before`; how many.
    pub(crate) async fn forget_events(&self, keep: u64, before: Timestamp) -> Answer<usize> {
        ask!(self.write, [], events::forget(keep, before))
    }

    /// Up to which number NATS has them all; `None` before it has had any.
    pub(crate) async fn events_fed(&self) -> Answer<Option<u64>> {
        ask!(self.read, [], events::fed())
    }

    pub(crate) async fn set_events_fed(&self, upto: u64) -> Answer<()> {
        ask!(self.write, [], events::set_fed(upto))
    }

    /// Somebody else has written.
    pub(crate) fn ring(&self) {
        self.written.notify_one();
    }

    /// Something was written since this was last asked: waits for that. Only one may wait.
    pub(crate) async fn written(&self) {
        self.written.notified().await;
    }

    // ---- all of it ----

    pub(crate) async fn stats(&self) -> Answer<Stats> {
        ask!(self.read, [], listing::stats())
    }

    /// Whether it can be read.
    pub(crate) async fn ping(&self) -> Answer<()> {
        self.users(None, 1).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
