//! `directoryd healthcheck`, for service managers and container engines: a request to the running directory, over TLS where
//! it serves TLS.

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
    // One cryptography for all of TLS. Fails only where one was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Whether the certificate is right is for clients to say, who know by which name they call; nothing secret is sent.
    let client = Client::builder().timeout(PATIENCE).no_proxy().tls_danger_accept_invalid_certs(true).build()?;
    let address = super::reachable(config.listen);
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let answer = client.get(format!("{scheme}://{address}/readyz")).send().await;
    let status = answer.with_context(|| format!("no directory answers on {address}"))?.status();
    ensure!(status == StatusCode::OK, "the directory on {address} is not ready: {status}");
    Ok(())
}
