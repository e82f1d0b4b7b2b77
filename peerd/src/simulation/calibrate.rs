//! Measures what this machine makes of the constants of the simulator: hashing and writing as a download does it, and
//! calls and connections over the very TLS and HTTP/2 that peers speak, on loopback. Two seconds or so.
//!
//! Bytes of headers are not measured but counted from the formats: they are the same everywhere.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use proto::ids::ByteCount;
use proto::manifest::{Builder, PieceCheck};
use proto::simulation::{Constants, Span};
use proto::{Timestamp, ids::FileId};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use transport::{DialOptions, Identity, Lanes, Limits};

use super::question::usual_constants;
use crate::store::part::{Destination, Part};

/// What is hashed and written: enough that the first strokes of a cold cache do not count.
const SIZE: usize = 64 << 20;
/// Times that is done.
const ROUNDS: usize = 5;
/// Calls, and connections, that are timed.
const CALLS: usize = 300;
const CONNECTIONS: usize = 20;

/// Measures. The scratch file lies in `folder` and is gone afterwards.
pub async fn measure(identity: &Identity, folder: &Path) -> io::Result<Constants> {
    let folder = folder.to_owned();
    let verify_per_mib = tokio::task::spawn_blocking(move || verify(&folder)).await??;
    let (service, connect) = calls(identity).await.map_err(io::Error::other)?;
    let host = rustix::system::uname();
    let source = format!(
        "measured on {} at {:.0}: {ROUNDS} × 64 MiB hashed and written, {CALLS} calls and {CONNECTIONS} connections over \
         TLS on loopback, medians; headers counted from the formats",
        host.nodename().to_string_lossy(),
        Timestamp::now(),
    );
    let (service, verify_per_mib) = (Span::from(service), Span::from(verify_per_mib));
    Ok(Constants { source, service, verify_per_mib, connect: Span::from(connect), ..usual_constants() })
}

/// What a download does with each MiB that came: hash it, compare, write it.
fn verify(folder: &Path) -> io::Result<Duration> {
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let content: Bytes = (0..SIZE).map(|at| at.to_le_bytes()[0]).collect::<Vec<u8>>().into();
    let mut builder = Builder::new(ByteCount::new(SIZE as u64)).map_err(io::Error::other)?;
    builder.update(&content);
    let manifest = builder.finish().ok_or(io::ErrorKind::InvalidData)?;
    let mut rounds = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let destination = Destination::open(&folder.join(format!("calibration-{round}"))).map_err(io::Error::other)?;
        let id = FileId::of(&round.to_le_bytes());
        let (part, _) = Part::open(destination, id, ByteCount::new(SIZE as u64)).map_err(io::Error::other)?;
        let began = Instant::now();
        let written = write_all(&part, &manifest, &content);
        rounds.push(began.elapsed());
        part.discard()?;
        written?;
    }
    Ok(median(rounds) / u32::try_from(SIZE >> 20).unwrap_or(1))
}

fn write_all(part: &Part, manifest: &proto::manifest::Manifest, content: &Bytes) -> io::Result<()> {
    let geometry = manifest.geometry();
    for piece in 0..geometry.count() {
        let start = usize::try_from(geometry.offset(piece)).map_err(io::Error::other)?;
        let bytes = content.slice(start..start + geometry.len(piece) as usize);
        let mut check = PieceCheck::new(&geometry, piece);
        check.update(&bytes);
        if !manifest.accepts(piece, &check) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        part.write(geometry.offset(piece), &[bytes])?;
    }
    Ok(())
}

/// How long a call that does nothing takes, which is more than a request in a call that lasts, and a new connection with its first call beyond that.
async fn calls(identity: &Identity) -> Result<(Duration, Duration), Box<dyn std::error::Error + Send + Sync>> {
    let listener = tokio::net::TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    let address = listener.local_addr()?.to_string().parse()?;
    let (_, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(health).prepare();
    let closing = CancellationToken::new();
    let _ends = closing.clone().drop_guard();
    let tls = Arc::new(transport::server_config(identity));
    tokio::spawn(transport::serve(Lanes::none(), listener, Some(tls), routes, Limits::http2_only(), closing));
    let dial = async || transport::dial(&address, identity, identity.peer_id(), DialOptions::default()).await;
    let call = HealthCheckRequest { service: String::new() };
    let mut client = HealthClient::new(dial().await?);
    let mut services = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let began = Instant::now();
        client.check(call.clone()).await?;
        services.push(began.elapsed());
    }
    let service = median(services);
    let mut connections = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        let began = Instant::now();
        HealthClient::new(dial().await?).check(call.clone()).await?;
        connections.push(began.elapsed());
    }
    Ok((service, median(connections).saturating_sub(service)))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn figures_of_this_machine() {
        let folder = tempfile::tempdir().unwrap();
        let identity = Identity::load_or_create(&folder.path().join("key.pem")).unwrap();
        let scratch = folder.path().join("scratch");
        let constants = measure(&identity, &scratch).await.unwrap();
        for span in [constants.service, constants.verify_per_mib, constants.connect] {
            assert!((Span::from_micros(1)..Span::from_micros(1_000_000)).contains(&span), "{constants:?}");
        }
        assert!(constants.source.starts_with("measured on "), "{}", constants.source);
        assert_eq!(std::fs::read_dir(&scratch).unwrap().count(), 0, "the scratch files are gone");
    }
}
