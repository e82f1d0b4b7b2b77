//! Owns the catalog and its journal. Control connections ask it to share and to unshare, finished downloads are adopted,
//! and the gRPC server reports content that no longer hashes. It watches over what is shared: a file that changes or
//! disappears is withdrawn before anybody is misled for long (never misinformed: every piece is hashed when it is read).
//!
//! A failure loses scans under way, whose askers are told; the journal brings back the rest.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::ids::{ByteCount, FileId, FileName};
use proto::manifest::Manifest;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::{Semaphore, watch};

use super::catalog::{Catalog, Share};
use super::journal::{Journal, Record};
use super::scan::{self, Fate, Unshareable};
use crate::mailbox::Reply;
use crate::store::layout::StateDir;
use crate::store::manifests::Manifests;

/// How often shared files are looked at. Looking costs one `stat` each: 0.2 s for 100,000.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Files hashed at the same time. One saturates a disk; the second fills its pauses.
const SCANS: usize = 2;

/// The shares actor.
pub struct Shares;

/// What it hears.
pub enum Msg {
    /// Share a file. `progress` carries bytes done and in all while it is hashed.
    Share {
        /// Which; resolved ([`scan::resolve`]).
        path: PathBuf,
        /// Another name than its own.
        name: Option<FileName>,
        /// Who wants to see how far it is.
        progress: Option<watch::Sender<(ByteCount, ByteCount)>>,
        /// Who asked.
        reply: Option<Reply<Result<Shared, NotShared>>>,
    },
    /// Stop sharing a file; all its names, or one.
    Unshare {
        /// Which.
        file_id: FileId,
        /// One name of it.
        name: Option<FileName>,
        /// Who asked.
        reply: Reply<Result<Vec<Arc<Share>>, NotShared>>,
    },
    /// A download has begun: the file is served as far as it is there.
    Fetching {
        /// Which.
        file_id: FileId,
        /// Under which name.
        name: FileName,
        /// Its size.
        size: ByteCount,
    },
    /// A download was given up.
    NotFetching {
        /// Which.
        file_id: FileId,
    },
    /// A download has ended well: its file is a share from now on. Its manifest is on disk already.
    Adopt {
        /// What and where.
        share: Share,
        /// Who wants to know.
        reply: Option<Reply<Result<Shared, NotShared>>>,
    },
    /// A file was hashed, because somebody asked.
    Hashed {
        /// What came of it.
        result: Result<(Share, Manifest), Unshareable>,
        /// Who asked.
        reply: Option<Reply<Result<Shared, NotShared>>>,
    },
    /// A new share is on disk, or could not be put there.
    Journaled {
        /// Which.
        share: Share,
        /// What the journal said.
        result: io::Result<()>,
        /// Who asked.
        reply: Option<Reply<Result<Shared, NotShared>>>,
    },
    /// What was read for somebody did not hash.
    Suspect {
        /// Which file.
        file_id: FileId,
    },
    /// A suspected or touched file was hashed again.
    Reconsidered {
        /// What was shared.
        old: Arc<Share>,
        /// What it is now.
        result: Result<(Share, Manifest), Unshareable>,
    },
    /// Time to look at everything.
    Look,
    /// Everything was looked at.
    Looked {
        /// What is not as it was.
        fates: Vec<(Arc<Share>, Fate)>,
        /// Files under the share roots that are not shared yet.
        fresh: Vec<PathBuf>,
    },
    /// Panic, for tests of the supervision.
    Crash,
}

/// A file is shared: durable here, and in the catalog from this version on.
#[derive(Debug, Clone)]
pub struct Shared {
    /// What and where.
    pub share: Share,
    /// Version of the catalog that has it.
    pub version: u64,
}

/// Why a file is not shared, or not unshared.
#[derive(Debug, thiserror::Error)]
pub enum NotShared {
    /// The file.
    #[error(transparent)]
    Unshareable(#[from] Unshareable),
    /// The state folder.
    #[error("the state folder cannot be written: {0}")]
    State(io::Error),
    /// It is not shared.
    #[error("it is not shared")]
    Unknown,
}

/// What it is started with.
pub struct Args {
    /// Where journal and manifests lie.
    pub state_dir: Arc<StateDir>,
    /// Piece hashes.
    pub manifests: Arc<Manifests>,
    /// Roots that are shared whole.
    pub roots: Vec<PathBuf>,
    /// Where snapshots are published.
    pub catalog: watch::Sender<Arc<Catalog>>,
}

/// What it knows.
pub struct State {
    args: Args,
    journal: Journal,
    /// Everything in the journal.
    known: Catalog,
    /// What of it is withheld: missing, or doubted and being hashed.
    absent: HashSet<(FileId, FileName)>,
    /// Paths under the roots that could not be shared, so that each is reported once.
    refused: HashSet<PathBuf>,
    scans: Arc<Semaphore>,
}

impl Actor for Shares {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        let path = args.state_dir.shares();
        let (journal, known) = tokio::task::spawn_blocking(move || Journal::open(&path)).await??;
        let scans = Arc::new(Semaphore::new(SCANS));
        let state = State { args, journal, known, absent: HashSet::new(), refused: HashSet::new(), scans };
        state.publish();
        me.cast(Msg::Look)?;
        Ok(state)
    }

    async fn handle(&self, me: ActorRef<Msg>, message: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match message {
            Msg::Share { path, name, progress, reply } => state.share(&me, path, name, progress, reply),
            Msg::Unshare { file_id, name, reply } => state.unshare(file_id, name.as_ref(), reply),
            Msg::Fetching { file_id, name, size } => state.fetching(file_id, name, size),
            Msg::NotFetching { file_id } => state.not_fetching(file_id),
            Msg::Adopt { share, reply } => state.record(&me, share, reply),
            Msg::Hashed { result, reply } => state.hashed(&me, result, reply),
            Msg::Journaled { share, result, reply } => state.journaled(share, result, reply),
            Msg::Suspect { file_id } => state.suspect(&me, file_id),
            Msg::Reconsidered { old, result } => state.reconsidered(&me, &old, result),
            Msg::Look => state.look(&me),
            Msg::Looked { fates, fresh } => state.looked(&me, fates, fresh),
            Msg::Crash => panic!("crash was asked for"),
        }
        Ok(())
    }
}

impl State {
    fn share(
        &self,
        me: &ActorRef<Msg>,
        path: PathBuf,
        name: Option<FileName>,
        progress: Option<watch::Sender<(ByteCount, ByteCount)>>,
        reply: Option<Reply<Result<Shared, NotShared>>>,
    ) {
        let report = move |done, total| {
            if let Some(progress) = &progress {
                progress.send_replace((done, total));
            }
        };
        self.scan(me, path, name, report, |result| Msg::Hashed { result, reply });
    }

    /// Hashes on a blocking thread, a few at a time, saves the manifest there too, and reports back.
    fn scan(
        &self,
        me: &ActorRef<Msg>,
        path: PathBuf,
        name: Option<FileName>,
        progress: impl FnMut(ByteCount, ByteCount) + Send + 'static,
        report: impl FnOnce(Result<(Share, Manifest), Unshareable>) -> Msg + Send + 'static,
    ) {
        let (me, scans, manifests) = (me.clone(), Arc::clone(&self.scans), Arc::clone(&self.args.manifests));
        tokio::spawn(async move {
            let Ok(_permit) = scans.acquire_owned().await else { return };
            let hashed = tokio::task::spawn_blocking(move || {
                let (share, manifest) = scan::hash(&path, name, progress)?;
                manifests.save(&manifest).map_err(|error| Unshareable::Io { path: share.path.clone(), error })?;
                Ok((share, manifest))
            });
            if let Ok(result) = hashed.await {
                let _ = me.cast(report(result));
            }
        });
    }

    fn hashed(
        &mut self,
        me: &ActorRef<Msg>,
        result: Result<(Share, Manifest), Unshareable>,
        reply: Option<Reply<Result<Shared, NotShared>>>,
    ) {
        match result {
            Ok((share, _)) => self.record(me, share, reply),
            Err(error) => answer(reply, Err(error.into())),
        }
    }

    /// Puts a share into the journal; it is in the catalog only once it is there.
    fn record(&self, me: &ActorRef<Msg>, share: Share, reply: Option<Reply<Result<Shared, NotShared>>>) {
        let me = me.clone();
        self.journal.append(Record::Add(share.clone()), move |result| {
            let _ = me.cast(Msg::Journaled { share, result, reply });
        });
    }

    fn journaled(&mut self, share: Share, result: io::Result<()>, reply: Option<Reply<Result<Shared, NotShared>>>) {
        if let Err(error) = result {
            return answer(reply, Err(NotShared::State(error)));
        }
        self.absent.remove(&(share.file_id, share.name.clone()));
        self.known.remove_partial(share.file_id);
        self.known.insert(share.clone());
        let version = self.publish();
        answer(reply, Ok(Shared { share, version }));
    }

    fn fetching(&mut self, file_id: FileId, name: FileName, size: ByteCount) {
        if self.known.get(file_id).is_none() {
            self.known.insert_partial(file_id, name, size);
            self.publish();
        }
    }

    fn not_fetching(&mut self, file_id: FileId) {
        self.known.remove_partial(file_id);
        self.publish();
    }

    fn unshare(&mut self, file_id: FileId, name: Option<&FileName>, reply: Reply<Result<Vec<Arc<Share>>, NotShared>>) {
        let wanted = |share: &&Arc<Share>| name.is_none_or(|name| share.name == *name);
        let gone: Vec<_> = self.known.shares_of(file_id).filter(wanted).cloned().collect();
        let Some(last) = gone.last() else {
            let _ = reply.send(Err(NotShared::Unknown));
            return;
        };
        for share in &gone[..gone.len() - 1] {
            self.journal.append(drop_of(share), |_| {});
        }
        let last = drop_of(last);
        self.forget(&gone);
        // The last line on disk means all of them are.
        self.journal.append(last, move |result| {
            let _ = reply.send(result.map(|()| gone).map_err(NotShared::State));
        });
    }

    fn forget(&mut self, gone: &[Arc<Share>]) {
        for share in gone {
            self.known.remove(share.file_id, &share.name);
            self.absent.remove(&(share.file_id, share.name.clone()));
            if self.known.get(share.file_id).is_none() {
                self.args.manifests.forget(share.file_id);
            }
        }
        self.publish();
    }

    fn suspect(&mut self, me: &ActorRef<Msg>, file_id: FileId) {
        for share in self.known.shares_of(file_id).cloned().collect::<Vec<_>>() {
            self.doubt(me, share, "what was read does not hash");
        }
    }

    /// Withholds a share and hashes its file again. Says so once, however often it is suspected meanwhile.
    fn doubt(&mut self, me: &ActorRef<Msg>, share: Arc<Share>, why: &str) {
        if !self.absent.insert((share.file_id, share.name.clone())) {
            return;
        }
        tracing::warn!(file_id = %share.file_id, path = %share.path.display(), "a shared file may have changed ({why}); it is withdrawn and hashed again");
        self.publish();
        let (path, name) = (share.path.clone(), Some(share.name.clone()));
        self.scan(me, path, name, |_, _| {}, |result| Msg::Reconsidered { old: share, result });
    }

    fn reconsidered(&mut self, me: &ActorRef<Msg>, old: &Arc<Share>, result: Result<(Share, Manifest), Unshareable>) {
        match result {
            Ok((share, _)) if share.file_id == old.file_id => self.record(me, share, None),
            Ok((share, _)) if self.under_roots(&share) => {
                self.drop_quietly(old);
                self.record(me, share, None);
            }
            Ok(_) => {
                tracing::warn!(file_id = %old.file_id, path = %old.path.display(), "a shared file has changed; it is no longer shared. Upload it again to share what it is now");
                self.drop_quietly(old);
            }
            // Missing or still being written: it stays withheld, and is looked at again.
            Err(error) => tracing::info!(file_id = %old.file_id, %error, "a shared file is not there now"),
        }
    }

    fn drop_quietly(&mut self, share: &Arc<Share>) {
        self.journal.append(drop_of(share), |_| {});
        self.forget(std::slice::from_ref(share));
    }

    fn under_roots(&self, share: &Share) -> bool {
        scan::is_beneath(&share.path, &self.args.roots)
    }

    fn look(&self, me: &ActorRef<Msg>) {
        let (me, known, roots) = (me.clone(), self.known.clone(), self.args.roots.clone());
        tokio::spawn(async move {
            let looked = tokio::task::spawn_blocking(move || {
                let fates = known.iter().map(|share| (Arc::clone(share), scan::look(share))).collect();
                let shared: HashSet<_> = known.iter().map(|share| &share.path).collect();
                let fresh = scan::walk(&roots).into_iter().filter(|path| !shared.contains(path)).collect();
                Msg::Looked { fates, fresh }
            });
            if let Ok(message) = looked.await {
                let _ = me.cast(message);
            }
        });
    }

    fn looked(&mut self, me: &ActorRef<Msg>, fates: Vec<(Arc<Share>, Fate)>, fresh: Vec<PathBuf>) {
        let mut back = false;
        for (share, fate) in fates {
            let key = (share.file_id, share.name.clone());
            match fate {
                Fate::Same => back |= self.absent.remove(&key),
                Fate::Touched if self.absent.remove(&key) => {
                    self.doubt(me, share, "it is back with another size or time");
                }
                Fate::Touched => self.doubt(me, share, "size or time is another"),
                Fate::Missing if self.absent.insert(key) => {
                    tracing::warn!(file_id = %share.file_id, path = %share.path.display(), "a shared file is gone; it is withdrawn until it is back");
                    back = true;
                }
                Fate::Missing => {}
            }
        }
        if back {
            self.publish();
        }
        for path in fresh {
            if self.refused.insert(path.clone()) {
                self.share(me, path, None, None, None);
            }
        }
        me.send_after(LOOK_EVERY, || Msg::Look);
    }

    /// Publishes what is known less what is absent; answers its version.
    fn publish(&self) -> u64 {
        let mut shown = self.known.clone();
        for (id, name) in &self.absent {
            shown.remove(*id, name);
        }
        let mut version = 0;
        self.args.catalog.send_modify(|current| {
            let next = shown.after(current);
            version = next.version();
            *current = Arc::new(next);
        });
        version
    }
}

fn drop_of(share: &Share) -> Record {
    Record::Drop { file_id: share.file_id, name: share.name.clone() }
}

fn answer(reply: Option<Reply<Result<Shared, NotShared>>>, result: Result<Shared, NotShared>) {
    match (reply, result) {
        (Some(reply), result) => drop(reply.send(result)),
        (None, Err(error)) => tracing::warn!(%error, "a file under a share root is not shared"),
        (None, Ok(_)) => {}
    }
}
