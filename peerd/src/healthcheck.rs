//! `peerd healthcheck`, for service managers and container engines: a question to the running daemon over its control
//! socket, and its answer. Whether the directory can be reached does not count: a restart of the daemon would not mend it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use proto::control::{GetStatus, LONGEST_LINE, RequestFrame, Response, Status};

/// How long the daemon may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks the daemon behind a socket for its status. Blocks.
///
/// # Errors
/// One line: that nobody listens, or what the one who does has said instead of an answer.
pub fn ask(socket: &Path) -> Result<(), String> {
    let at = socket.display();
    let stream = UnixStream::connect(socket).map_err(|error| format!("no daemon answers on {at}: {error}"))?;
    let line = exchange(&stream).map_err(|error| format!("the daemon on {at} gives no answer: {error}"))?;
    let response: Response =
        serde_json::from_str(&line).map_err(|error| format!("what listens on {at} is no peerd: {error}"))?;
    response.into_result::<Status>().map(drop).map_err(|failure| format!("the daemon on {at} is not well: {failure}"))
}

fn exchange(mut stream: &UnixStream) -> io::Result<String> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    writeln!(stream, "{}", serde_json::to_string(&RequestFrame::new(1, GetStatus {}))?)?;
    let mut line = String::new();
    BufReader::new(stream.take(LONGEST_LINE as u64)).read_line(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// What is said of a listener that answers with this line.
    fn verdict(answer: &'static str) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s");
        let listener = UnixListener::bind(&socket).unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            BufReader::new(&stream).read_line(&mut String::new()).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let verdict = ask(&socket);
        answering.join().unwrap();
        verdict
    }

    #[test]
    fn only_an_answer_is_an_answer() {
        let folder = tempfile::tempdir().unwrap();
        assert!(ask(&folder.path().join("s")).unwrap_err().contains("no daemon answers"));
        assert!(verdict("").unwrap_err().contains("is no peerd"));
        assert!(verdict("hello\n").unwrap_err().contains("is no peerd"));
        assert!(verdict("{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n").unwrap_err().contains("is not well"));
    }
}
