//! Peers: registering, beating, listing, leaving.

use std::sync::Arc;
use std::time::Instant;

use proto::directory::{
    Heartbeat, IssuedChallenge, Lease, Page, PartDigests, Peer, ProblemCode, RegisterPeer, SharesDigest, Ticket,
    registration_message,
};
use proto::ids::{InstanceId, PeerId};
use rand::RngExt as _;

use super::caller::Caller;
use super::paging::{self, Cursor};
use crate::app::{App, CHALLENGE_LIFE, ChallengeRefusal, now};
use crate::db::{PeerFilter, Registered, Registration};
use crate::error::ApiError;
use crate::leases::LeaseHolder;

/// Longest version text that a peer may give, bytes.
const LONGEST_VERSION: usize = 64;

pub(crate) fn challenge(app: &App, caller: &Caller) -> Result<IssuedChallenge, ApiError> {
    let nonce = app.challenges.issue(caller.user.clone(), Instant::now()).map_err(|refusal| match refusal {
        ChallengeRefusal::OfOne => ApiError::too_many_challenges(CHALLENGE_LIFE),
        ChallengeRefusal::OfAll => ApiError::busy(),
    })?;
    Ok(IssuedChallenge { nonce, expires_at: now() + CHALLENGE_LIFE })
}

/// Whether the peer is new, and its first lease.
pub(crate) async fn register(
    app: &Arc<App>,
    caller: &Caller,
    peer: PeerId,
    request: RegisterPeer,
) -> Result<(bool, Lease), ApiError> {
    check_proof(app, caller, &peer, &request)?;
    let RegisterPeer { name, address, key, instance, version, shares_digest: believed, .. } = request;
    if version.len() > LONGEST_VERSION || version.chars().any(char::is_control) {
        return Err(ApiError::malformed(format!(
            "`version` is longer than {LONGEST_VERSION} bytes, or not plain text"
        )));
    }
    let user = caller.user.clone();
    let registration = Registration { peer_id: peer, user, key, name, address, instance, version };
    match app.to_its_end(|app| async move { app.liveness.register(registration).await }).await? {
        Registered::Taken => Err(ApiError::new(ProblemCode::Conflict, "this peer id belongs to another user")),
        registered => {
            // It may have been taken away and be new, behind the back of this process too.
            app.digests.changed(&peer);
            let listed = shares_digest(app, peer).await;
            let parts = if differ(believed, listed) { part_digests(app, peer).await } else { None };
            let ticket = app.tickets.issue(peer, caller.user.clone());
            Ok((registered == Registered::New, lease(app, ticket, listed, parts)))
        }
    }
}

/// The id follows from the key, and whoever asks holds the key now: the nonce is fresh and ours.
fn check_proof(app: &App, caller: &Caller, peer: &PeerId, request: &RegisterPeer) -> Result<(), ApiError> {
    let bad = |why: &'static str| Err(ApiError::new(ProblemCode::BadProof, why));
    if PeerId::of(&request.key) != *peer {
        return bad("the peer id does not follow from the key");
    }
    let message = registration_message(&request.nonce, peer, &request.instance, &request.name, &request.address);
    if !transport::verify(&request.key, &message, &request.signature) {
        return bad("the signature does not hold");
    }
    if !app.challenges.redeem(&request.nonce, &caller.user, Instant::now()) {
        return bad("the nonce is not one of ours, was used, or has ended: ask for another");
    }
    Ok(())
}

pub(crate) async fn heartbeat(
    app: &Arc<App>,
    caller: Caller,
    peer: PeerId,
    beat: Heartbeat,
) -> Result<Lease, ApiError> {
    let Heartbeat { instance, shares_digest: believed } = beat;
    let holder = LeaseHolder { user: caller.user.clone(), instance };
    if !app.liveness.beat(&peer, &holder)? {
        app.to_its_end(move |app| async move { app.liveness.come_back(peer, holder).await }).await?;
    }
    let ticket = app.tickets.renew(peer, caller.user);
    let listed = if believed.is_some() { shares_digest(app, peer).await } else { None };
    if !differ(believed, listed) {
        return Ok(lease(app, ticket, None, None));
    }
    Ok(lease(app, ticket, listed, part_digests(app, peer).await))
}

/// Whether a peer says what it believes, and believes something else.
fn differ(believed: Option<SharesDigest>, listed: Option<SharesDigest>) -> bool {
    believed.is_some() && listed.is_some() && believed != listed
}

/// Where the lists differ.
async fn part_digests(app: &App, peer: PeerId) -> Option<PartDigests> {
    app.store.part_digests(peer).await.ok()
}

/// Of what is listed of a peer. That it cannot be told now is no reason to refuse a sign of life.
async fn shares_digest(app: &App, peer: PeerId) -> Option<SharesDigest> {
    match app.digests.get(&peer) {
        Ok(digest) => Some(digest),
        Err(asked) => {
            let digest = app.store.known_peer(peer).await.ok()??.digest?;
            app.digests.put(peer, digest, asked);
            Some(digest)
        }
    }
}

/// The next heartbeat comes up to a tenth early, so that peers which started together do not beat together.
fn lease(
    app: &App,
    ticket: Option<Ticket>,
    shares_digest: Option<SharesDigest>,
    part_digests: Option<PartDigests>,
) -> Lease {
    let early = rand::rng().random_range(0.9..=1.0);
    Lease {
        lease: app.terms.lease,
        next_in: app.terms.heartbeat.mul_f64(early),
        now: app.tickets.now(),
        ticket,
        key_ids: app.tickets.key_ids(),
        shares_digest,
        part_digests,
    }
}

/// Down at once. An instance that says which one it is cannot log out its successor.
pub(crate) async fn log_out(
    app: &Arc<App>,
    caller: &Caller,
    peer: PeerId,
    instance: Option<InstanceId>,
) -> Result<(), ApiError> {
    app.liveness.may_speak(peer, &caller.user, instance).await?;
    app.to_its_end(move |app| async move { app.liveness.log_out(peer).await }).await?;
    app.tickets.forget(&peer);
    Ok(())
}

pub(crate) async fn get(app: &App, peer: PeerId) -> Result<Peer, ApiError> {
    let mut found = app.store.peer(peer).await?;
    app.liveness.freshen(found.as_mut_slice());
    found.ok_or_else(|| ApiError::not_found("there is no such peer"))
}

pub(crate) async fn list(
    app: &App,
    filter: PeerFilter,
    cursor: Option<Cursor>,
    limit: usize,
) -> Result<Page<Peer>, ApiError> {
    let mut peers = app.store.peers(filter, cursor, paging::one_more(limit)).await?;
    app.liveness.freshen(&mut peers);
    let cursor = |peer: &Peer| Cursor { name: peer.name.to_string(), id: peer.peer_id.as_bytes().to_vec() };
    Ok(paging::page(peers, limit, cursor))
}
