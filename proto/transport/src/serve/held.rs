//! What waits on a connection between the service and the wire, held to so many bytes.
//!
//! Between a byte that was written and the wire are the TLS session and the system's socket. On a fast link their room is
//! what keeps the processor from being asked for every packet. On a slow one it is a queue of its own for each
//! connection, in which what was granted long ago waits beside what is urgent, and which still empties itself after
//! everything in it was cancelled.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// What is written beside the bytes of one part: the head of the frame, and what frames the message in it. Cut off from
/// their part, these few bytes would be a packet of their own.
const FRAMING: usize = 64;

/// How many bytes may wait on a connection. In the extensions of every request that came over TLS; clones are the same.
#[derive(Debug, Clone)]
pub struct Backlog(Arc<AtomicU32>);

impl Backlog {
    /// Not held to anything.
    const FREE: u32 = u32::MAX;

    pub(super) fn free() -> Self {
        Self(Arc::new(AtomicU32::new(Self::FREE)))
    }

    /// From the next write on, at most about this many bytes wait in the TLS session, and as many in the socket; `None`
    /// for as many as there is room for ([`Limits::unsent`](super::Limits::unsent)).
    pub fn hold_to(&self, bytes: Option<u32>) {
        self.0.store(bytes.unwrap_or(Self::FREE), Ordering::Relaxed);
    }

    fn bytes(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A TLS stream whose writes follow a [`Backlog`].
#[derive(Debug)]
pub(super) struct Held {
    stream: TlsStream<TcpStream>,
    backlog: Backlog,
    /// For the socket where the backlog is free.
    unsent: u32,
    /// What the socket was told last.
    told: u32,
}

impl Held {
    pub(super) const fn new(stream: TlsStream<TcpStream>, backlog: Backlog, unsent: u32) -> Self {
        Self { stream, backlog, unsent, told: Backlog::FREE }
    }

    /// How much may be written now. Where little may wait, nothing is taken before what was taken is with the system.
    fn room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let bytes = self.backlog.bytes();
        if bytes != self.told {
            let socket = socket2::SockRef::from(self.stream.get_ref().0);
            socket.set_tcp_notsent_lowat(bytes.min(self.unsent))?;
            self.told = bytes;
        }
        if bytes == Backlog::FREE {
            return Poll::Ready(Ok(usize::MAX));
        }
        if self.stream.get_ref().1.wants_write() {
            ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        }
        Poll::Ready(Ok(bytes as usize + FRAMING))
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = ready!(self.room(cx))?;
        let bytes = &bytes[..bytes.len().min(room)];
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.room(cx))?;
        let mut all = 0;
        let fit = parts.iter().take_while(|part| {
            all += part.len();
            all <= room
        });
        match fit.count() {
            // The first alone is too long.
            0 => match parts.first() {
                Some(first) => Pin::new(&mut self.stream).poll_write(cx, &first[..first.len().min(room)]),
                None => Poll::Ready(Ok(0)),
            },
            count => Pin::new(&mut self.stream).poll_write_vectored(cx, &parts[..count]),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}
