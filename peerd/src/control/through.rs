//! Questions that another peer answers over gRPC: what it shares, what the network looks like from there, who holds a file.

use proto::control::{Failure, FailureCode, ListFiles};
use proto::directory::{FileEntry, Page, Peer, PeerState};
use proto::ids::{ByteCount, FileId, Malformed, PeerId, PeerName};
use proto::peer::peer_client::PeerClient;
use proto::peer::{DiscoverFileReply, DiscoverFileRequest, FileInfo, ListFilesRequest};
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use transport::DialOptions;

use super::dispatch::Desk;
use super::queries;
use crate::transfers::bearer::Bearer;

/// Calls to a peer, with our ticket.
pub(super) type Caller = PeerClient<InterceptedService<Channel, Bearer>>;

/// A page of files as the peer `via` sees them.
pub(super) async fn list_files(desk: &Desk, list: ListFiles, via: &str) -> Result<Page<FileEntry>, Failure> {
    let (peer, mut client) = connect(desk, via).await?;
    let asked = ListFilesRequest {
        own: list.own,
        pattern: list.pattern.unwrap_or_default(),
        cursor: list.cursor.unwrap_or_default(),
        limit: list.limit.unwrap_or_default(),
    };
    let reply = client.list_files(asked).await.map_err(|status| refused(&peer, &status))?.into_inner();
    let items: Result<Vec<FileEntry>, Failure> = reply.files.into_iter().map(|file| entry(&peer.name, file)).collect();
    Ok(Page { items: items?, next: Some(reply.next).filter(|next| !next.is_empty()) })
}

/// What a word means to the peer `via`, and who holds that as far as it knows.
pub(super) async fn discover(desk: &Desk, word: &str, via: &str) -> Result<(FileEntry, Vec<PeerId>), Failure> {
    let (peer, mut client) = connect(desk, via).await?;
    let DiscoverFileReply { file, holders, candidates } =
        match client.discover_file(DiscoverFileRequest { file: word.to_owned() }).await {
            Ok(reply) => reply.into_inner(),
            Err(status) if status.code() == Code::NotFound => {
                let message = format!("peer {} knows no file called `{}`", peer.name, word.escape_debug());
                return Err(Failure::new(FailureCode::NotFound, message)
                    .hint(format!("`peerctl list-files --via {}` shows what it knows", peer.name)));
            }
            Err(status) => return Err(refused(&peer, &status)),
        };
    let Some(file) = file else {
        let message = format!("`{}` means more than one file to peer {}", word.escape_debug(), peer.name);
        return Err(Failure::new(FailureCode::Ambiguous, message)
            .hint("name the one you mean by its id")
            .candidates(candidates));
    };
    let holders = holders.iter().filter_map(|holder| holder.peer_id.parse().ok()).collect();
    Ok((entry(&peer.name, file)?, holders))
}

/// The peer that a word means, and a channel to it.
pub(super) async fn connect(desk: &Desk, word: &str) -> Result<(Peer, Caller), Failure> {
    let peer = queries::resolve_peer(desk, &queries::token(desk)?, word).await?;
    let client = call(desk, &peer).await.map_err(|error| {
        let state = if peer.state == PeerState::Down { ", which counts as down," } else { "" };
        Failure::new(FailureCode::TransferFailed, format!("peer {}{state} cannot be reached: {error}", peer.name))
            .hint("`peerctl list-peers` shows who is up; `connect directory` goes back to the directory")
    })?;
    Ok((peer, client))
}

/// A channel to a peer.
pub(super) async fn call(desk: &Desk, peer: &Peer) -> Result<Caller, transport::DialError> {
    let options = DialOptions::default();
    let channel = transport::dial(&peer.address, &desk.identity, peer.peer_id, options).await?;
    Ok(PeerClient::with_interceptor(channel, Bearer::new(desk.view.clone())))
}

fn refused(peer: &Peer, status: &tonic::Status) -> Failure {
    let code = match status.code() {
        Code::PermissionDenied | Code::Unauthenticated => FailureCode::Forbidden,
        Code::Unavailable => FailureCode::DirectoryUnreachable,
        Code::Unimplemented => FailureCode::Usage,
        _ => FailureCode::Internal,
    };
    Failure::new(code, format!("peer {} does not answer that: {}", peer.name, status.message()))
        .hint("`connect directory` goes back to the directory")
}

/// What a peer says is checked as anything from outside: a name that is none is not shown.
fn entry(peer: &PeerName, file: FileInfo) -> Result<FileEntry, Failure> {
    let nonsense =
        |why: &str| Failure::new(FailureCode::Internal, format!("the answer of peer {peer} makes no sense: {why}"));
    let id = <[u8; FileId::LEN]>::try_from(file.file_id.as_ref()).map_err(|_| nonsense("a file id is 32 bytes"))?;
    Ok(FileEntry {
        file_id: FileId::from_bytes(id),
        name: file.name.parse().map_err(|why: Malformed| nonsense(&why.to_string()))?,
        size: ByteCount::new(file.size),
        holders: file.holders,
        holders_up: file.holders_up,
        simulated: file.simulated,
        url: file.url,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_calls_a_file_is_refused_by_name() {
        let peer: PeerName = "laptop".parse().unwrap();
        let named = |name: &str| FileInfo {
            file_id: vec![7; FileId::LEN].into(),
            name: name.to_owned(),
            ..FileInfo::default()
        };
        assert_eq!(entry(&peer, named("fine")).unwrap().name.as_str(), "fine");
        let long = "x".repeat(256);
        for (name, shown) in [
            ("../../etc/x", "../../etc/x"),
            ("/etc/x", "/etc/x"),
            ("nul\0", r"nul\0"),
            ("\u{1b}[2J", r"\u{1b}[2J"),
            (&long, &long),
        ] {
            let said = entry(&peer, named(name)).unwrap_err().message;
            assert!(said.contains("laptop") && said.contains(shown), "{said}");
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
        let short = FileInfo { file_id: vec![7; 31].into(), ..named("fine") };
        assert!(entry(&peer, short).unwrap_err().message.contains("32 bytes"));
    }
}
