//! What clients may cost. One struct, every number with its unit and its reason.

use std::time::Duration;

/// Limits of one listener. The defaults suit both REST and gRPC; [`Limits::http2_only`] is for gRPC.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. At the cap a newcomer takes the seat of the connection that has been without a request for
    /// longest (one that never sent any first); where all are busy, or were a second ago, it is closed at once.
    pub connections: usize,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// From the end of the handshake to the first complete request head: the HTTP/2 preface, settings and pings are not
    /// enough. Silent and trickling clients end here.
    pub first_request: Duration,
    /// For each head of an HTTP/1.1 request. The clock also runs while a kept-alive connection is between two requests, so
    /// that HTTP/1.1 connections idle for the smaller of this and `idle`.
    pub header: Duration,
    /// How long a connection is kept without an open request. A request is open until the last byte of its answer is out;
    /// a connection with an open request is never closed by this clock.
    pub idle: Duration,
    /// From the head of a request to the head of its answer, the arrival of the request's body included. What takes longer
    /// is cut off: HTTP/1.1 closes, HTTP/2 resets the stream. The body of the answer may take as long as it likes.
    pub answer: Duration,
    /// How long written bytes may stay unacknowledged, or unread by a client whose window is closed, before the system
    /// drops the connection (`TCP_USER_TIMEOUT`); also the idle time before TCP probes whether the client still exists.
    pub unacknowledged: Duration,
    /// An HTTP/2 ping goes out after this much silence.
    pub keepalive_interval: Duration,
    /// The connection is closed when a ping stays unanswered for this long.
    pub keepalive_timeout: Duration,
    /// How long open requests may go on after the shutdown began.
    pub drain: Duration,
    /// Whether HTTP/1.1 is refused. With it, a client that does not begin with the HTTP/2 preface is closed.
    pub http2_only: bool,
    /// Concurrent HTTP/2 streams of one connection.
    pub max_streams: u32,
    /// Streams that a client may open and reset before they were looked at ("rapid reset", CVE-2023-44487).
    pub max_pending_accept_reset_streams: usize,
    /// Streams that a client may have us reset for its errors before the connection ends (RUSTSEC-2024-0003).
    pub max_local_error_reset_streams: usize,
    /// Largest request head in bytes; at least 8 KiB.
    pub header_list_size: u32,
    /// Largest HTTP/2 frame that a client may send, bytes (16 KiB to 16 MiB). The size of frames that we send is the
    /// client's choice.
    pub frame_size: u32,
    /// Bytes of request body that a client may send ahead on one HTTP/2 stream. Small on purpose, for both windows: no
    /// service of ours receives bulk, and each connection may have this much of our memory.
    pub stream_window: u32,
    /// Bytes that it may send ahead on the whole connection.
    pub connection_window: u32,
    /// Bytes of an answer that may wait in one HTTP/2 stream before its body is asked for more.
    pub send_buffer: usize,
    /// Bytes that the system takes beyond what is on its way to the client (`TCP_NOTSENT_LOWAT`). Without a limit it
    /// takes megabytes: what is written then says nothing of what was sent, and what comes later waits behind it.
    pub unsent: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(10),
            first_request: Duration::from_secs(10),
            header: Duration::from_secs(30),
            // Longer than HTTP clients keep a pooled connection (90 s in reqwest), so that they close first.
            idle: Duration::from_mins(2),
            answer: Duration::from_mins(1),
            unacknowledged: Duration::from_mins(1),
            keepalive_interval: Duration::from_secs(15),
            keepalive_timeout: Duration::from_secs(15),
            drain: Duration::from_secs(10),
            http2_only: false,
            max_streams: 128,
            max_pending_accept_reset_streams: 20,
            max_local_error_reset_streams: 256,
            header_list_size: 16 << 10,
            frame_size: 16 << 10,
            stream_window: 256 << 10,
            connection_window: 1 << 20,
            send_buffer: 16 << 10,
            unsent: 128 << 10,
        }
    }
}

impl Limits {
    /// The defaults, for a gRPC service.
    pub fn http2_only() -> Self {
        Self { http2_only: true, ..Self::default() }
    }
}
