//! What `doctor` and `verify` ask: everything that is often wrong on the daemon's side, each with what to do about it.

use std::path::Path;

use proto::Timestamp;
use proto::control::{Check, DirectoryState, Examination, Failure, FailureCode, Verified, Verify, Versions};
use proto::directory::PeerState;
use proto::ids::ByteCount;
use proto::peer::DialBackRequest;

use super::connection::Watcher;
use super::dispatch::Desk;
use super::sharing::tell_hashing;
use super::{failures, queries, through};
use crate::directory::client::PeerQuery;
use crate::shares::actor::NotShared;
use crate::shares::{self, Catalog, scan};
use crate::store::source::{Stamp, open_regular};

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// From here on a wall clock is worth a word, seconds. Nothing in here depends on it, but people compare logs.
const SKEW: i64 = 5;
/// A session that ends within this many seconds is worth a word.
const SOON: i64 = 24 * 3600;
/// Peers that are asked whether they reach this one, at the most.
const ASKED: usize = 3;
/// Room below which it is worth a word, and below which next to nothing can be fetched.
const LITTLE: ByteCount = ByteCount::new(1 << 30);
const NEXT_TO_NOTHING: ByteCount = ByteCount::new(16 << 20);
/// Descriptors that a daemon with a few dozen neighbours wants.
const DESCRIPTORS: u64 = 1024;

/// Looks at everything.
pub(super) async fn examine(desk: &Desk) -> Examination {
    let versions = versions(desk).await;
    let mut checks = vec![directory(desk, &versions), login(desk), clock(desk), address(desk).await];
    let (state, downloads, catalog) =
        (desk.config.state_dir.clone(), desk.config.download_dir.clone(), desk.catalog.borrow().clone());
    let local = tokio::task::spawn_blocking(move || {
        [room("state-room", &state), room("download-room", &downloads), descriptors(), readable(&catalog)]
    });
    checks.extend(local.await.into_iter().flatten());
    checks.push(parts(desk));
    Examination { checks }
}

/// Asks the directory for its version; it may be another one than ours.
pub(super) async fn versions(desk: &Desk) -> Versions {
    let (directory, problem) = match desk.client.version().await {
        Ok(version) => (Some(version), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Versions { peerd: VERSION.into(), directory, problem }
}

fn directory(desk: &Desk, versions: &Versions) -> Check {
    let status = desk.view.borrow().status.clone();
    let Some(theirs) = &versions.directory else {
        let why = versions.problem.as_deref().unwrap_or("no answer");
        return Check::fail(
            "directory",
            format!("{} does not answer: {why}", status.url),
            "start directoryd there, or start peerd with another --directory; the network between may be cut",
        );
    };
    let seen = format!("directoryd {theirs} at {}, {}", status.url, status.state);
    if theirs != VERSION {
        return Check::warn("directory", format!("{seen}; peerd is {VERSION}"), "install the same version of both");
    }
    match status.state {
        DirectoryState::Unreachable => {
            Check::warn("directory", seen, "it answers again; peerd tries once more within half a minute")
        }
        _ => Check::ok("directory", seen),
    }
}

fn login(desk: &Desk) -> Check {
    let view = desk.view.borrow();
    let Some(login) = &view.login else {
        let why = view.status.problem.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        return Check::fail("login", format!("nobody is logged in{why}"), "`peerctl login USER`");
    };
    let left = login.expires_at.as_second() - Timestamp::now().as_second();
    let message = format!("{}, until {:.0}", login.user, login.expires_at);
    if left < SOON && desk.config.login.is_none() {
        Check::warn("login", message, "`peerctl login` again before it ends")
    } else {
        Check::ok("login", message)
    }
}

fn clock(desk: &Desk) -> Check {
    let Some(directory) = desk.view.borrow().clock else {
        return Check::warn("clock", "the directory has not told the time yet", "`peerctl login` first");
    };
    let skew = Timestamp::now().as_second() - directory.now().as_second();
    match skew {
        0 => Check::ok("clock", "as the directory's"),
        _ if skew.abs() <= SKEW => Check::ok("clock", format!("within {} s of the directory's", skew.abs())),
        _ => {
            let side = if skew > 0 { "ahead of" } else { "behind" };
            Check::warn(
                "clock",
                format!("{} s {side} the directory's", skew.abs()),
                "set the clock (`timedatectl set-ntp true`); transfers do not mind, people who compare logs do",
            )
        }
    }
}

/// Whether others reach this peer where they are told to: best asked of others.
async fn address(desk: &Desk) -> Check {
    let here = desk.address.to_string();
    let fix = "let the port through the firewall, or start peerd with --advertise HOST:PORT that others can reach";
    let mut silent = 0;
    for peer in others(desk).await {
        let Ok(mut client) = through::call(desk, &peer).await else {
            silent += 1;
            continue;
        };
        match client.dial_back(DialBackRequest {}).await.map(|reply| reply.into_inner().problem) {
            Ok(problem) if problem.is_empty() => {
                return Check::ok("address", format!("{here}, reached by peer {}", peer.name));
            }
            Ok(problem) => {
                return Check::fail("address", format!("{here}, not reached by {}: {problem}", peer.name), fix);
            }
            Err(_) => silent += 1,
        }
    }
    let own = transport::dial(&desk.address, &desk.identity, desk.peer_id, transport::DialOptions::default()).await;
    match own {
        Err(error) => Check::fail("address", format!("{here}, not even reached from here: {error}"), fix),
        Ok(_) if silent == 0 => Check::ok("address", format!("{here}, reached from here; no other peer is up to try")),
        Ok(_) => Check::warn("address", format!("{here}, reached from here, but no other peer could try it"), fix),
    }
}

async fn others(desk: &Desk) -> Vec<proto::directory::Peer> {
    let Ok(token) = queries::token(desk) else { return Vec::new() };
    let query = PeerQuery { state: Some("up"), limit: u32::try_from(ASKED + 1).ok(), ..PeerQuery::default() };
    let page = desk.client.peers(&token, &query).await.map(|page| page.items).unwrap_or_default();
    page.into_iter().filter(|peer| peer.peer_id != desk.peer_id && peer.state == PeerState::Up).take(ASKED).collect()
}

/// Room where a folder is or will be.
fn room(name: &str, folder: &Path) -> Check {
    let existing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"));
    let stat = match rustix::fs::statvfs(existing) {
        Ok(stat) => stat,
        Err(error) => {
            let message = format!("{}: {error}", folder.display());
            return Check::fail(name, message, "name another folder with --download-dir or --state-dir");
        }
    };
    let free = ByteCount::new(stat.f_bavail.saturating_mul(stat.f_frsize));
    let message = format!("{free} free at {}", folder.display());
    if free < NEXT_TO_NOTHING {
        Check::fail(name, message, "make room there, or name another folder with --download-dir or --state-dir")
    } else if free < LITTLE {
        Check::warn(name, message, "make room there before the next large download")
    } else {
        Check::ok(name, message)
    }
}

fn descriptors() -> Check {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let used = std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
    let message = format!("{used} of {limit} in use");
    let fix = "raise the limit: `ulimit -n 65536` before peerd starts, or LimitNOFILE= in its unit";
    if used.saturating_add(32) >= limit {
        Check::fail("descriptors", message, fix)
    } else if limit < DESCRIPTORS || used > limit / 5 * 4 {
        Check::warn("descriptors", message, fix)
    } else {
        Check::ok("descriptors", message)
    }
}

/// Opens every shared file and compares its size and time; nothing is hashed.
fn readable(catalog: &Catalog) -> Check {
    let (mut lost, mut changed) = (Vec::new(), Vec::new());
    for share in catalog.iter() {
        match open_regular(&share.path).and_then(|file| Stamp::of(&file)) {
            Err(error) => lost.push(format!("{}: {error}", share.path.display())),
            Ok(stamp) if stamp != share.stamp => changed.push(share.path.display().to_string()),
            Ok(_) => {}
        }
    }
    let count = catalog.iter().count();
    match (lost.first(), changed.first()) {
        (Some(first), _) => Check::fail(
            "shares",
            format!("{} of {count} cannot be read, the first: {first}", lost.len()),
            "give peerd's user permission to read it, bring it back, or `peerctl unshare` it",
        ),
        (None, Some(first)) => Check::warn(
            "shares",
            format!("{} of {count} changed since they were shared, the first: {first}", changed.len()),
            "`peerctl upload` shares what is there now",
        ),
        (None, None) => Check::ok("shares", format!("{count}, all readable")),
    }
}

fn parts(desk: &Desk) -> Check {
    let parts = desk.parts.borrow();
    let failed: Vec<String> = parts
        .iter()
        .filter(|part| part.restarts > 0)
        .map(|part| format!("{} ({})", part.name, part.restarts))
        .collect();
    if failed.is_empty() {
        Check::ok("parts", "none has failed since the start")
    } else {
        Check::warn("parts", format!("restarted after a failure: {}", failed.join(", ")), "its log says why; report it")
    }
}

/// Hashes a shared file again.
pub(super) async fn verify(desk: &Desk, verify: &Verify, watcher: Watcher) -> Result<Verified, Failure> {
    let share = desk.find_share(&verify.file)?;
    let (path, name) = (share.path.clone(), share.name.clone());
    let (progress, _telling) = tell_hashing(watcher);
    let hashed = tokio::task::spawn_blocking(move || {
        scan::hash(&path, Some(name), |done, total| {
            progress.send_replace((done, total));
        })
    });
    let hashed = hashed.await.map_err(|error| Failure::new(FailureCode::Internal, error.to_string()))?;
    let (now, _) = hashed.map_err(|error| failures::not_shared(&NotShared::Unshareable(error)))?;
    if now.file_id != share.file_id {
        // Whoever looks after shares had better know as well. Should it be away, it looks when it is back.
        let _ = desk.mail.shares.cast(shares::Msg::Suspect { file_id: share.file_id });
        return Err(changed(&share.path, &share.file_id.to_string(), &now.file_id.to_string()));
    }
    let (file_id, name, path, size) = (share.file_id, share.name.clone(), share.path.clone(), now.stamp.size);
    Ok(Verified { file_id, name, path, size })
}

fn changed(path: &Path, shared: &str, now: &str) -> Failure {
    let message = format!("{} is not what was shared as {shared}: it hashes to {now}", path.display());
    Failure::new(FailureCode::VerificationFailed, message)
        .hint("it is withdrawn; `peerctl upload` shares what is there now")
}
