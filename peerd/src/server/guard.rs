//! Who gets anything at all: a peer that shows a ticket of this directory, made out to the key at the other end of the
//! connection, while it lasts. Everybody else gets a reason code, and not one byte, name or size.
//!
//! The signature of a ticket is checked once and its verdict kept for a while: a requester shows the same ticket with every
//! call. Time is checked every time, and again whenever something is asked for in a call that lasts ([`Pass`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use proto::Timestamp;
use proto::control::DirectoryState;
use proto::ids::PeerId;
use proto::ticket::{Claims, Refused};
use tokio::sync::watch;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};
use transport::PeerIdentity;

use crate::directory::{self, View};
use crate::mailbox::Mailbox;

/// Metadata key of the reason code in a refusal.
pub const REASON: &str = "enjambre-reason";
/// Tickets whose verdict is kept. A serving peer has far fewer neighbours than this.
const KEPT: usize = 1024;

/// Checks every request. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    view: watch::Receiver<View>,
    directory: Mailbox<directory::Msg>,
    grace: Duration,
    genuine: Arc<Mutex<HashMap<(PeerId, String), Claims>>>,
}

/// That somebody may, while their ticket lasts. In the extensions of every request that came past the guard.
#[derive(Clone)]
pub struct Pass {
    view: watch::Receiver<View>,
    grace: Duration,
    claims: Claims,
}

impl Guard {
    /// Judges by the directory's keys and clock in the view. For `grace` after its end a ticket still opens, as long as
    /// this peer cannot reach the directory.
    pub fn new(view: watch::Receiver<View>, directory: Mailbox<directory::Msg>, grace: Duration) -> Self {
        Self { view, directory, grace, genuine: Arc::default() }
    }

    fn judge(&self, metadata: &MetadataMap, shown_by: PeerId) -> Result<Pass, Refused> {
        let token = bearer(metadata).ok_or(Refused::Missing)?;
        let view = self.view.borrow();
        let (verifier, now) = view.verifier.as_ref().zip(now(&view, self.grace)).ok_or(Refused::NotReady)?;
        let key = (shown_by, token.to_owned());
        let known = self.genuine().get(&key).cloned();
        let claims = match known {
            Some(claims) => claims,
            None => verifier.check(token, &shown_by)?,
        };
        claims.at(now)?;
        let mut genuine = self.genuine();
        if genuine.len() >= KEPT {
            genuine.retain(|_, claims| claims.at(now).is_ok());
        }
        if genuine.len() < KEPT {
            genuine.insert(key, claims.clone());
        }
        Ok(Pass { view: self.view.clone(), grace: self.grace, claims })
    }

    fn genuine(&self) -> std::sync::MutexGuard<'_, HashMap<(PeerId, String), Claims>> {
        self.genuine.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pass {
    /// Whether it is good still.
    pub fn check(&self) -> Result<(), Status> {
        let now = now(&self.view.borrow(), self.grace).ok_or(Refused::NotReady);
        now.and_then(|now| self.claims.at(now)).map_err(refusal)
    }
}

/// What time it is for tickets: with the directory out of reach, earlier by the time of grace.
fn now(view: &View, grace: Duration) -> Option<Timestamp> {
    let now = view.clock?.now();
    let unreachable = view.status.state == DirectoryState::Unreachable;
    Some(if unreachable { now.checked_sub(grace).unwrap_or(now) } else { now })
}

impl Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        // The accept loop lets nobody in without a proven key; a request without one is a fault of ours.
        let Some(who) = request.extensions().get::<PeerIdentity>().copied() else {
            return Err(Status::internal("the caller's key is not known"));
        };
        match self.judge(request.metadata(), who.peer_id) {
            Ok(pass) => {
                request.extensions_mut().insert(pass);
                Ok(request)
            }
            Err(refused) => {
                if refused == Refused::UnknownKey {
                    // The directory may have a new key that the next heartbeat would tell of.
                    let _ = self.directory.cast(directory::Msg::FetchKeys);
                }
                Err(refusal(refused))
            }
        }
    }
}

fn bearer(metadata: &MetadataMap) -> Option<&str> {
    metadata.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

/// The answer to whoever may not: a sentence for people, a code for programs.
fn refusal(refused: Refused) -> Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(REASON, MetadataValue::from_static(refused.code()));
    Status::with_metadata(tonic::Code::PermissionDenied, refused.to_string(), metadata)
}
