//! A TCP proxy of our own between two peers: slow, or cut. TLS passes through it untouched.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Forwards until it is dropped.
pub(crate) struct Proxy {
    rate: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

impl Proxy {
    /// From one address to another, at so many bytes per second towards the client, over all connections.
    pub(crate) fn new(from: SocketAddr, to: SocketAddr, bytes_per_second: u64) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let rate = Arc::new(AtomicU64::new(bytes_per_second));
        let listener = runtime.block_on(TcpListener::bind(from)).unwrap();
        let passed = Arc::default();
        let (shared, counted) = (Arc::clone(&rate), Arc::clone(&passed));
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, to, Arc::clone(&shared), Arc::clone(&counted)));
            }
        });
        Self { rate, passed, _runtime: runtime }
    }

    /// Bytes that went to clients, over all connections.
    pub(crate) fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }

    pub(crate) fn set_rate(&self, bytes_per_second: u64) {
        self.rate.store(bytes_per_second, Ordering::Relaxed);
    }
}

async fn forward(
    client: TcpStream,
    to: SocketAddr,
    rate: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
) -> std::io::Result<()> {
    let (mut client_in, mut client_out) = client.into_split();
    let (mut server_in, mut server_out) = TcpStream::connect(to).await?.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut client_in, &mut server_out).await });
    let mut buffer = vec![0; 16 << 10];
    loop {
        let count = server_in.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        client_out.write_all(&buffer[..count]).await?;
        passed.fetch_add(count as u64, Ordering::Relaxed);
        // At these rates a u64 is exact; a pause of less than a microsecond is none.
        let micros = count as u64 * 1_000_000 / rate.load(Ordering::Relaxed);
        let pause = Duration::from_micros(micros);
        tokio::time::sleep(pause).await;
    }
}
