//! News from the daemon, shown above the prompt. They come over a connection of their own, which is made again when the
//! daemon has gone and come back; while a command runs they wait.

use std::time::Duration;

use proto::control::{DirectoryState, FailureCode, News, Progress, Subscribe, TransferState};
use tokio::sync::mpsc;

use crate::commands::{how_it_ended, how_it_failed};
use crate::connection::Daemon;
use crate::render::safe;
use crate::session::Session;

/// News that may wait for a long command; more than that are not worth reading afterwards.
const WAITING: usize = 256;
/// How often a daemon that is away is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// What there is to tell.
#[derive(Debug)]
pub(super) enum Told {
    News(News),
    /// The daemon no longer answers.
    Gone,
    /// It does again.
    Back,
}

/// Listens from now on; has to be called within a `LocalSet`.
pub(super) fn listen(daemon: Daemon) -> mpsc::Receiver<Told> {
    let (tell, told) = mpsc::channel(WAITING);
    tokio::task::spawn_local(async move { listening(&daemon, &tell).await });
    told
}

async fn listening(daemon: &Daemon, tell: &mpsc::Sender<Told>) {
    let mut away = false;
    loop {
        let mut stood = false;
        let asked = daemon.call(Subscribe {}, |progress| {
            let Progress::News(news) = progress else { return };
            let told = match news {
                News::Listening {} => {
                    stood = true;
                    std::mem::take(&mut away).then_some(Told::Back)
                }
                news => Some(Told::News(news)),
            };
            if let Some(told) = told {
                // Where the room is used up by news that nobody has read, this one can be missed as well.
                let _ = tell.try_send(told);
            }
        });
        match asked.await {
            // Another version, or a refusal: asking again would be answered in the same way.
            Err(failure) if failure.code != FailureCode::DaemonUnreachable => return,
            _ if stood => drop(tell.try_send(Told::Gone)),
            _ => {}
        }
        away = true;
        tokio::time::sleep(LOOK).await;
    }
}

/// What keeps the news in mind that the next one is measured by.
#[derive(Debug, Default)]
pub(super) struct Reader {
    unreachable: bool,
}

impl Reader {
    /// The line to show, if it is worth one.
    pub(super) fn line(&mut self, told: Told, session: &Session) -> Option<String> {
        let text = match told {
            Told::Gone => "the daemon has gone; what it did goes on when it is back".to_owned(),
            Told::Back => "the daemon is back".to_owned(),
            Told::News(news) => self.news(news, session)?,
        };
        Some(format!("* {text}\n"))
    }

    fn news(&mut self, news: News, session: &Session) -> Option<String> {
        Some(match news {
            News::Listening {} => return None,
            News::Ended(transfer) if session.knows(transfer.transfer_id) => return None,
            News::Ended(transfer) if transfer.state == TransferState::Done => how_it_ended(&transfer),
            News::Ended(transfer) => how_it_failed(transfer),
            News::Directory(status) => {
                let before = std::mem::replace(&mut self.unreachable, status.state == DirectoryState::Unreachable);
                let why = status.problem.as_deref().map(|why| format!(": {}", safe(why)));
                match (status.state, why) {
                    (DirectoryState::Unreachable, why) => {
                        format!("the directory does not answer{}", why.unwrap_or_default())
                    }
                    (DirectoryState::Connected, _) if before => "the directory answers again".to_owned(),
                    // A logout that nobody here has asked for.
                    (DirectoryState::LoggedOut, Some(why)) => format!("logged out{why}; `login USER`"),
                    _ => return None,
                }
            }
            News::PeerUp { peer, .. } => format!("peer {} is up", safe(peer.as_str())),
            News::PeerDown { peer, .. } => format!("peer {} is down", safe(peer.as_str())),
        })
    }
}
