//! Cuts a stream of server-sent events into events (HTML Living Standard, "Server-sent events"): as much of it as the
//! directory uses. Pure.

use proto::directory::Event;

/// Longest frame, bytes: an event is far shorter.
const LONGEST: usize = 64 << 10;

/// What has come and is not a whole frame yet.
#[derive(Debug, Default)]
pub(in crate::directory) struct Frames(Vec<u8>);

impl Frames {
    pub(in crate::directory) fn push(&mut self, part: &[u8]) {
        self.0.extend_from_slice(part);
    }

    /// The next event that is there; why it is none, where it is none.
    pub(in crate::directory) fn next(&mut self) -> Option<Result<Event, String>> {
        while let Some(end) = self.0.windows(2).position(|pair| pair == b"\n\n") {
            let frame: Vec<u8> = self.0.drain(..end + 2).collect();
            let Ok(text) = std::str::from_utf8(&frame) else { return Some(Err("it is not text".into())) };
            // Comments keep the connection alive; all that we need is in the data.
            if let Some(data) = text.lines().find_map(|line| line.strip_prefix("data:")) {
                return Some(serde_json::from_str(data).map_err(|error| error.to_string()));
            }
        }
        (self.0.len() > LONGEST).then(|| Err("it has no end".into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_however_they_are_cut() {
        let text = ": hello\n\nid: 7\nevent: peer.up\ndata:{\"seq\":7,\"at\":\"1970-01-01T00:00:00Z\",\"kind\":\"star.born\"}\n\n\
                    :\n\ndata: {\"seq\":9,\"at\":\"1970-01-01T00:00:00Z\",\"kind\":\"star.born\"}\n\n";
        for size in 1..text.len() {
            let (mut frames, mut numbers) = (Frames::default(), Vec::new());
            for part in text.as_bytes().chunks(size) {
                frames.push(part);
                while let Some(event) = frames.next() {
                    numbers.push(event.unwrap().seq);
                }
            }
            assert_eq!(numbers, [7, 9], "in parts of {size}");
        }
    }

    #[test]
    fn what_is_no_event_is_an_error_and_bounded() {
        let mut frames = Frames::default();
        frames.push(b"data: {}\n\n");
        assert!(frames.next().is_some_and(|event| event.is_err()));
        frames.push(&vec![b'x'; LONGEST + 1]);
        assert!(frames.next().is_some_and(|event| event.is_err()));
    }
}
