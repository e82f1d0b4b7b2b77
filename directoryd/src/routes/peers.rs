//! `/peers…`

use http::StatusCode;
use proto::directory::ProblemCode::{BadProof, Conflict, Forbidden, NotRegistered, Superseded};
use proto::directory::{Heartbeat, IssuedChallenge, Lease, PatchFiles, PatchedFiles, Peer, PeerFile, RegisterPeer};

use super::context::{Context, LARGE, SMALL};
use super::endpoint::{Endpoint, endpoint};
use super::query;
use super::reply::{self, Outcome};
use crate::handlers::caller::Caller;
use crate::handlers::{files, peers};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        endpoint!(POST "/api/v1/peers/{peer_id}/heartbeat" => heartbeat)
            .does("Say that a peer lives.")
            .takes::<Heartbeat>()
            .gives::<Lease>(StatusCode::OK, "Its next lease.")
            .refuses(&[Forbidden, NotRegistered, Superseded]),
        endpoint!(GET "/api/v1/peers/{peer_id}/files" => list_files_of_peer)
            .does("List what a peer holds, in the order of names.")
            .asks::<query::FilesOfPeer>()
            .lists::<PeerFile>()
            .tagged(),
        endpoint!(PATCH "/api/v1/peers/{peer_id}/files" => announce)
            .does("Announce and withdraw files of a peer, at most 1000 in one request.")
            .asks::<query::Speaker>()
            .takes::<PatchFiles>()
            .gives::<PatchedFiles>(StatusCode::OK, "What became of each entry.")
            .refuses(&[Forbidden, NotRegistered, Superseded]),
        endpoint!(POST "/api/v1/peers/challenge" => issue_challenge)
            .does("Ask for a nonce to register with; it lasts a minute.")
            .gives::<IssuedChallenge>(StatusCode::CREATED, "A nonce for one registration."),
        endpoint!(GET "/api/v1/peers/{peer_id}" => show_peer)
            .does("Show a peer.")
            .gives::<Peer>(StatusCode::OK, "The peer."),
        endpoint!(PUT "/api/v1/peers/{peer_id}" => register)
            .does("Register a peer: prove its key, say where it listens.")
            .takes::<RegisterPeer>()
            .gives::<Lease>(StatusCode::CREATED, "Registered for the first time; its first lease.")
            .gives::<Lease>(StatusCode::OK, "Registered again; a new lease.")
            .refuses(&[BadProof, Conflict]),
        endpoint!(DELETE "/api/v1/peers/{peer_id}" => log_out_peer)
            .does("Log a peer out: it is down at once, and until it registers again.")
            .asks::<query::Speaker>()
            .ends("It is down.")
            .refuses(&[Forbidden, NotRegistered, Superseded]),
        endpoint!(GET "/api/v1/peers" => list_peers)
            .does("List peers, in the order of names.")
            .asks::<query::Peers>()
            .lists::<Peer>(),
    ]
}

async fn heartbeat(cx: &mut Context, caller: Caller) -> Outcome {
    let peer = cx.peer()?;
    let beat: Heartbeat = cx.json(SMALL).await?;
    reply::ok(&peers::heartbeat(&cx.app, caller, peer, beat).await?)
}

async fn list_files_of_peer(cx: &mut Context, _: Caller) -> Outcome {
    let peer = cx.peer()?;
    let query: query::FilesOfPeer = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    reply::unless_unchanged(cx, files::list_of(&cx.app, peer, query.partial, query.part, cursor, limit)).await
}

async fn announce(cx: &mut Context, caller: Caller) -> Outcome {
    let peer = cx.peer()?;
    let query::Speaker { instance } = query::parse(&cx.query)?;
    files::may_announce(&cx.app, &caller, peer, instance).await?;
    let request: PatchFiles = cx.json(LARGE).await?;
    reply::ok(&files::patch(&cx.app, peer, request).await?)
}

async fn issue_challenge(cx: &mut Context, caller: Caller) -> Outcome {
    reply::json(StatusCode::CREATED, &peers::challenge(&cx.app, &caller)?)
}

async fn show_peer(cx: &mut Context, _: Caller) -> Outcome {
    reply::ok(&peers::get(&cx.app, cx.peer()?).await?)
}

async fn register(cx: &mut Context, caller: Caller) -> Outcome {
    let peer = cx.peer()?;
    let request: RegisterPeer = cx.json(SMALL).await?;
    let (new, lease) = peers::register(&cx.app, &caller, peer, request).await?;
    reply::json(if new { StatusCode::CREATED } else { StatusCode::OK }, &lease)
}

async fn log_out_peer(cx: &mut Context, caller: Caller) -> Outcome {
    let peer = cx.peer()?;
    let query::Speaker { instance } = query::parse(&cx.query)?;
    peers::log_out(&cx.app, &caller, peer, instance).await?;
    Ok(reply::done())
}

async fn list_peers(cx: &mut Context, _: Caller) -> Outcome {
    let query: query::Peers = query::parse(&cx.query)?;
    let (cursor, limit) = query.page()?;
    reply::ok(&peers::list(&cx.app, query.filter()?, cursor, limit).await?)
}
