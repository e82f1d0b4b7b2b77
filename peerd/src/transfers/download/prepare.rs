//! Before the first request: the destination is opened, what an earlier attempt left is hashed, and what this peer has
//! under another name is copied. Blocks.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proto::ids::ByteCount;
use proto::manifest::Manifest;
use swarm::{Bitfield, Piece};

use crate::shares::Share;
use crate::shares::scan;
use crate::store::buffers::Buffers;
use crate::store::part::{BadDestination, Destination, Part};
use crate::store::resume;
use crate::store::source::{self, Wait};

/// How often, and with which pause, a part file is tried that somebody still has open: an earlier incarnation of the same
/// download may be ending its last write.
const BUSY_TRIES: u32 = 20;
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// What is prepared.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    /// What the pieces must hash to.
    pub manifest: Arc<Manifest>,
    /// Where the file goes.
    pub path: PathBuf,
    /// Whether a file that is there is replaced.
    pub force: bool,
    /// Whether this download began before the daemon did: the file may be at its place already.
    pub resumed: bool,
    /// The same content, shared by this peer.
    pub local: Option<Arc<Share>>,
}

/// How it stands.
#[derive(Debug)]
pub enum Ground {
    /// Some pieces are there, others have to come.
    Open {
        /// The file to write to.
        part: Part,
        /// What is in it.
        stored: Bitfield,
    },
    /// The file is at its place: a crash came between the rename and the note of it.
    AlreadyThere(Share),
}

/// Prepares on a blocking thread.
pub(super) async fn prepare(plan: Plan) -> Result<Ground, BadDestination> {
    for _ in 1..BUSY_TRIES {
        match attempt(plan.clone()).await {
            Err(BadDestination::Busy(_)) => tokio::time::sleep(BUSY_PAUSE).await,
            other => return other,
        }
    }
    attempt(plan).await
}

async fn attempt(plan: Plan) -> Result<Ground, BadDestination> {
    let path = plan.path.clone();
    let failed = |error: tokio::task::JoinError| BadDestination::Io { path, error: std::io::Error::other(error) };
    tokio::task::spawn_blocking(move || plan.lay()).await.map_err(failed)?
}

impl Plan {
    fn lay(&self) -> Result<Ground, BadDestination> {
        let destination = Destination::open(&self.path)?;
        if self.resumed
            && let Some(share) = self.find_finished()
        {
            return Ok(Ground::AlreadyThere(share));
        }
        if !self.force {
            destination.check_vacant()?;
        }
        let (part, was_there) = Part::open(destination, self.manifest.id(), self.manifest.geometry().size())?;
        let failed = |error| BadDestination::Io { path: self.path.clone(), error };
        let count = self.manifest.geometry().count();
        let mut stored = if was_there {
            resume::verified_pieces(&part, &self.manifest).map_err(failed)?
        } else {
            Bitfield::new(count)
        };
        part.check_room(self.missing(&stored))?;
        if let Some(share) = &self.local {
            self.copy(share, &part, &mut stored).map_err(failed)?;
        }
        Ok(Ground::Open { part, stored })
    }

    fn find_finished(&self) -> Option<Share> {
        let name = self.path.file_name()?.to_str()?.parse().ok();
        let (share, _) = scan::hash(&self.path, name, |_, _| {}).ok()?;
        (share.file_id == self.manifest.id()).then_some(share)
    }

    fn missing(&self, stored: &Bitfield) -> ByteCount {
        let geometry = self.manifest.geometry();
        let missing = (0..geometry.count()).filter(|piece| !stored.get(Piece(*piece)));
        missing.map(|piece| ByteCount::new(u64::from(geometry.len(piece)))).sum()
    }

    /// Takes from the local copy what hashes; the rest comes from others.
    fn copy(&self, share: &Share, part: &Part, stored: &mut Bitfield) -> std::io::Result<()> {
        let Ok(file) = source::open_regular(&share.path) else { return Ok(()) };
        let buffers = Buffers::default();
        for piece in 0..self.manifest.geometry().count() {
            if stored.get(Piece(piece)) {
                continue;
            }
            if let Ok(bytes) = source::read_piece(&file, &self.manifest, piece, &buffers, Wait::ForDisk) {
                part.write(self.manifest.geometry().offset(piece), &[bytes])?;
                stored.set(Piece(piece));
            }
        }
        Ok(())
    }
}
