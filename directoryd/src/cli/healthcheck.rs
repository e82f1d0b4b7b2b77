//! `directoryd healthcheck`: for service managers and container engines.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, ensure};
use directoryd::Config;

/// How long the directory may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(config: &Config) -> anyhow::Result<()> {
    let address = super::reachable(config.listen);
    let connect = || -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(stream)
    };
    let stream = connect().with_context(|| format!("nothing answers on {address}"))?;
    if config.tls.is_some() {
        // Whether the certificate is right is for clients to say; here it counts that somebody listens.
        return Ok(());
    }
    let status = ask(stream).with_context(|| format!("what listens on {address} gives no answer"))?;
    ensure!(status.starts_with("HTTP/1.1 200"), "the directory on {address} is not ready: {status}");
    Ok(())
}

fn ask(mut stream: TcpStream) -> anyhow::Result<String> {
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
