//! At the cap: who gives way, who stays, who is turned away.

use bytes::Bytes;
use tokio::io::AsyncWriteExt;
use transport::Limits;

use super::support::{GET, ask, closed, fed, hello, patient, read_until, soon, start};

#[tokio::test]
async fn silence_cannot_fill_the_server() {
    let server = start(None, Limits { connections: 4, ..patient() }, hello()).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(server.connect().await);
    }
    let mut client = server.connect().await;
    ask(&mut client, "hello").await;
    closed(&mut silent[0]).await;
    ask(&mut client, "hello").await;
}

#[tokio::test]
async fn the_busy_stay_and_the_newcomer_is_turned_away_at_once() {
    let (service, mut opened) = fed();
    let server = start(None, Limits { connections: 2, ..patient() }, service).await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.write_all(GET).await.unwrap();
        busy.push((client, opened.recv().await.unwrap()));
    }
    closed(&mut server.connect().await).await;

    for (client, feed) in &mut busy {
        feed.send(Bytes::from_static(b"still here")).await.unwrap();
        read_until(client, "still here").await;
    }
    // A place is free again when the server has seen that one of them is done.
    let (mut done, feed) = busy.pop().unwrap();
    drop(feed);
    read_until(&mut done, "0\r\n\r\n").await;
    drop(done);
    let mut newcomer = soon("a place", async {
        loop {
            let mut newcomer = server.connect().await;
            let _ = newcomer.write_all(GET).await;
            tokio::select! {
                feed = opened.recv() => {
                    feed.unwrap().send(Bytes::from_static(b"welcome")).await.unwrap();
                    return newcomer;
                }
                () = closed(&mut newcomer) => {}
            }
        }
    })
    .await;
    read_until(&mut newcomer, "welcome").await;
}
