//! `directoryd healthcheck`, for service managers and container engines: a request to the running directory, over TLS where
//! it serves TLS. The service manager's watchdog is fed by the same request ([`answers`]).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use directoryd::Config;
use reqwest::{Client, StatusCode};

/// How long the directory may take, handshake included.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    super::block_on(ask(config))
}

async fn ask(config: &Config) -> anyhow::Result<()> {
    let status = status(super::reachable(config.listen), config.tls.is_some()).await?;
    ensure!(status == StatusCode::OK, "the directory on {} is not ready: {status}", super::reachable(config.listen));
    Ok(())
}

/// Whether the directory answers at all. That it is not ready is an answer too: a restart would not bring back a database
/// that is gone.
pub(super) async fn answers(listen: SocketAddr, tls: bool) -> Result<(), String> {
    status(super::reachable(listen), tls).await.map(drop).map_err(|error| format!("{error:#}"))
}

async fn status(address: SocketAddr, tls: bool) -> anyhow::Result<StatusCode> {
    // One cryptography for all of TLS. Fails only where one was installed before, which is as good.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    // Whether the certificate is right is for clients to say, who know by which name they call; nothing secret is sent.
    let client = Client::builder().timeout(PATIENCE).no_proxy().tls_danger_accept_invalid_certs(true).build()?;
    let scheme = if tls { "https" } else { "http" };
    let answer = client.get(format!("{scheme}://{address}/readyz")).send().await;
    Ok(answer.with_context(|| format!("no directory answers on {address}"))?.status())
}
