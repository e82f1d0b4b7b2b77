//! What is left when everything but the work is taken away: one TLS socket, piece after piece read, hashed and sent, received,
//! hashed and written. No requests, no frames, no daemon; a thread at each end, in a process of its own.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use transport::Identity;

/// Bytes of a piece, as a file of this size is cut.
const PIECE: usize = 1 << 20;

/// Does what the arguments of a child of the bench say; `false` where they are not those of one.
pub(super) fn is_child(arguments: &[OsString]) -> bool {
    let text: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    match text[..] {
        ["bare-give", listen, file, key] => give(listen, Path::new(file), Path::new(key)),
        ["bare-take", from, file, key, of] => take(from, Path::new(file), Path::new(key), Path::new(of)),
        _ => return false,
    }
    true
}

/// Serves the file to one connection after another, for ever.
fn give(listen: &str, file: &Path, key: &Path) {
    let config = Arc::new(transport::server_config(&Identity::load_or_create(key).unwrap()));
    let listener = TcpListener::bind(listen).unwrap();
    let file = File::open(file).unwrap();
    let mut piece = vec![0; PIECE];
    for socket in listener.incoming() {
        let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket.unwrap());
        let mut offset = 0;
        let mut send = || -> std::io::Result<()> {
            loop {
                let read = file.read_at(&mut piece, offset)?;
                if read == 0 {
                    stream.conn.send_close_notify();
                    return stream.flush();
                }
                std::hint::black_box(blake3::hash(&piece[..read]));
                stream.write_all(&piece[..read])?;
                offset += read as u64;
            }
        };
        // Whoever only looks whether this listens ends here.
        let _ = send();
    }
}

fn take(from: &str, file: &Path, key: &Path, of: &Path) {
    let expected = Identity::load_or_create(of).unwrap().peer_id();
    let config = transport::client_config(&Identity::load_or_create(key).unwrap(), expected);
    let name = ServerName::try_from("peer.invalid").unwrap();
    let session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(session, TcpStream::connect(from).unwrap());
    let file = File::create(file).unwrap();
    let (mut piece, mut offset) = (vec![0; PIECE], 0);
    loop {
        let mut filled = 0;
        while filled < PIECE {
            match stream.read(&mut piece[filled..]).unwrap() {
                0 => break,
                read => filled += read,
            }
        }
        if filled == 0 {
            return file.sync_all().unwrap();
        }
        std::hint::black_box(blake3::hash(&piece[..filled]));
        file.write_all_at(&piece[..filled], offset).unwrap();
        offset += filled as u64;
    }
}
