//! The least of an HTTP client that can drive a server: whole requests out, whole answers in, on connections that stay.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Connections at once.
const CONNECTIONS: u32 = 32;

/// A connection that stays.
pub(crate) struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// An answer; its body is in the connection until the next one.
pub(crate) struct Answer<'a> {
    pub(crate) status: u16,
    pub(crate) body: &'a [u8],
}

impl Connection {
    pub(crate) async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(1 << 16) })
    }

    /// Sends a request and waits for all of its answer.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer<'_>> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let (status, begin, length) = loop {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(head) = head(&self.read) {
                break head;
            }
        };
        while self.read.len() < begin + length {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Answer { status, body: &self.read[begin..begin + length] })
    }
}

/// Status, where the body begins, and how long it is; `None` until the head is there.
fn head(read: &[u8]) -> Option<(u16, usize, usize)> {
    let end = read.windows(4).position(|four| four == b"\r\n\r\n")?;
    let text = std::str::from_utf8(&read[..end]).ok()?;
    let status = text.get(9..12)?.parse().ok()?;
    let length = text.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    Some((status, end + 4, length.unwrap_or(0)))
}

/// A request as it goes out.
pub(crate) fn request(method: &str, path: &str, token: &str, body: &str) -> Bytes {
    let body = if body.is_empty() {
        String::new()
    } else {
        format!("content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    };
    let end = if body.is_empty() { "\r\n" } else { "" };
    format!("{method} /api/v1{path} HTTP/1.1\r\nhost: d\r\nauthorization: Bearer {token}\r\n{body}{end}").into()
}

/// What came of driving a server.
pub(crate) struct Driven {
    /// Requests answered per second.
    pub(crate) rate: f64,
    /// From when a request was due to the end of its answer.
    pub(crate) p99: Duration,
}

/// Drives a server for a time, or until there are no more requests: as fast as it answers, or at a rate that does not wait for
/// it.
pub(crate) async fn drive(
    address: &str,
    time: Duration,
    rate: Option<f64>,
    source: impl Fn() -> Option<Bytes>,
) -> Driven {
    let (begin, source) = (Instant::now(), &source);
    let interval = rate.map(|rate| Duration::from_secs_f64(f64::from(CONNECTIONS) / rate));
    let connections = (0..CONNECTIONS).map(|number| async move {
        let mut connection = Connection::open(address).await.unwrap();
        let mut waited = Vec::new();
        // Those of a rate begin one after another.
        let mut due = begin + interval.unwrap_or_default() * number / CONNECTIONS;
        while begin.elapsed() < time {
            if let Some(interval) = interval {
                tokio::time::sleep_until(due).await;
                due += interval;
            }
            let since = if interval.is_some() { due - interval.unwrap_or_default() } else { Instant::now() };
            let Some(request) = source() else { break };
            let answer = connection.ask(&request).await.unwrap();
            assert!(answer.status < 300, "{}: {}", answer.status, String::from_utf8_lossy(answer.body));
            waited.push(since.elapsed());
        }
        waited
    });
    let mut waited: Vec<Duration> = futures_util::future::join_all(connections).await.into_iter().flatten().collect();
    let took = begin.elapsed();
    waited.sort_unstable();
    let p99 = waited[waited.len() * 99 / 100];
    Driven { rate: waited.len() as f64 / took.as_secs_f64(), p99 }
}
