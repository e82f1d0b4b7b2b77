//! `menu`: everything that the words do, by bare digits, for people who would rather choose. Each choice becomes a line of
//! the session, which is shown: whoever has seen it a few times can type it.

use std::io::{BufRead, IsTerminal};

use proto::control::{Failure, FailureCode, GetStatus};

use crate::commands::ask_line;
use crate::error::{Trouble, usage};
use crate::render::{safe, stderr};
use crate::runner::{Origin, Runner};

/// What stands behind a digit.
type Choice<T> = (&'static str, T);

#[derive(Debug, Clone, Copy)]
enum Connection {
    Directory,
    Peer,
    LogIn,
    Exit,
}

#[derive(Debug, Clone, Copy)]
enum Action {
    Upload,
    Peers,
    Files,
    FilesOfPeer,
    Download,
    Transfers,
    ChangeConnection,
    Exit,
}

const CONNECTIONS: &[Choice<Connection>] = &[
    ("connect to the directory", Connection::Directory),
    ("connect to a peer", Connection::Peer),
    ("log in as somebody else", Connection::LogIn),
    ("exit", Connection::Exit),
];
const ACTIONS: &[Choice<Action>] = &[
    ("upload a file", Action::Upload),
    ("list active peers", Action::Peers),
    ("list all files", Action::Files),
    ("list the files of a peer", Action::FilesOfPeer),
    ("download a file", Action::Download),
    ("list transfers", Action::Transfers),
    ("change the connection", Action::ChangeConnection),
    ("exit", Action::Exit),
];
const WHOSE: &[Choice<bool>] = &[("its own files", true), ("the whole network as it sees it", false)];
const FROM: &[Choice<bool>] = &[("from all holders", true), ("from one of them", false)];

/// Nobody answers any more: Ctrl-C, Ctrl-D, or the end of what was piped in.
struct Left;

/// Runs the menu to its end and gives its exit status.
pub(crate) async fn run(runner: &Runner) -> u8 {
    if runner.origin() == Origin::Script {
        let trouble = Trouble::from(
            usage("the menu needs standard input for its digits, and this script stands there")
                .hint("`peerctl menu` starts it by itself"),
        );
        trouble.report(&runner.output());
        return trouble.status();
    }
    runner.session.enter_menu();
    let menu = Menu { runner };
    match menu.log_in_first().await {
        Ok(()) => {}
        Err(None) => return FailureCode::NotLoggedIn.exit_status(),
        Err(Some(failure)) => {
            let trouble = Trouble::from(failure);
            trouble.report(&runner.output());
            return trouble.status();
        }
    }
    // Whichever way it is left, it is left on purpose.
    let Left = menu.connections().await;
    0
}

struct Menu<'a> {
    runner: &'a Runner,
}

impl Menu<'_> {
    /// Returns when somebody is logged in; why not where the daemon cannot be asked, nothing where the user gives up.
    async fn log_in_first(&self) -> Result<(), Option<Failure>> {
        loop {
            let status = self.runner.daemon.call(GetStatus {}, |_| ()).await?;
            if status.user.is_some() {
                return Ok(());
            }
            match ask("Log in as: ") {
                Ok(user) if !user.is_empty() => drop(self.line(&["login", &user]).await),
                _ => return Err(None),
            }
        }
    }

    async fn connections(&self) -> Left {
        loop {
            let chosen = match choose("Where to?", CONNECTIONS) {
                Ok(chosen) => chosen,
                Err(left) => return left,
            };
            let went = match chosen {
                Connection::Directory => self.at(&["connect", "directory"]).await,
                Connection::Peer => self.at_peer().await,
                Connection::LogIn => self.log_in().await,
                Connection::Exit => return Left,
            };
            if let Err(left) = went {
                return left;
            }
        }
    }

    async fn log_in(&self) -> Result<(), Left> {
        let user = ask("Log in as: ")?;
        if !user.is_empty() {
            self.line(&["login", &user]).await;
        }
        Ok(())
    }

    async fn at_peer(&self) -> Result<(), Left> {
        self.line(&["list-peers"]).await;
        let peer = ask("Which peer? ")?;
        if peer.is_empty() { Ok(()) } else { self.at(&["connect", "peer", &peer]).await }
    }

    /// Connects, and offers what can be done there.
    async fn at(&self, connect: &[&str]) -> Result<(), Left> {
        if self.line(connect).await { self.actions().await } else { Ok(()) }
    }

    async fn actions(&self) -> Result<(), Left> {
        loop {
            let place = self.runner.session.place();
            let place = place.map_or("the directory".to_owned(), |place| format!("peer {}", safe(place.name.as_str())));
            match choose(&format!("Connected to {place}. What next?"), ACTIONS)? {
                Action::Upload => self.upload().await?,
                Action::Peers => drop(self.line(&["list-peers"]).await),
                Action::Files => drop(self.line(&["list-files"]).await),
                Action::FilesOfPeer => self.files_of_peer().await?,
                Action::Download => self.download().await?,
                Action::Transfers => drop(self.line(&["transfers"]).await),
                Action::ChangeConnection => return Ok(()),
                Action::Exit => return Err(Left),
            }
        }
    }

    async fn upload(&self) -> Result<(), Left> {
        let path = ask("Path of the file: ")?;
        if !path.is_empty() {
            self.line(&["upload", "--", &path]).await;
        }
        Ok(())
    }

    async fn files_of_peer(&self) -> Result<(), Left> {
        let peer = match self.runner.session.place() {
            Some(place) => place.name.to_string(),
            None => ask("Which peer? ")?,
        };
        if peer.is_empty() {
            return Ok(());
        }
        let own = choose("Which files?", WHOSE)?;
        let words: &[&str] = if own { &["list-files", "--own", "--via"] } else { &["list-files", "--via"] };
        self.line(&[words, &[&peer]].concat()).await;
        Ok(())
    }

    async fn download(&self) -> Result<(), Left> {
        let file = ask("Name or id of the file: ")?;
        if file.is_empty() {
            return Ok(());
        }
        if choose("From whom?", FROM)? {
            self.line(&["download", "--", &file]).await;
            return Ok(());
        }
        self.line(&["show-file", "--", &file]).await;
        let peer = ask("Which peer? ")?;
        if !peer.is_empty() {
            self.line(&["download", "--from", &peer, "--", &file]).await;
        }
        Ok(())
    }

    /// Runs words as a line, shown; whether it went well.
    async fn line(&self, words: &[&str]) -> bool {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let shown = shlex::try_join(words.iter().map(String::as_str)).unwrap_or_default();
        stderr(&format!("> {}\n", safe(&shown)));
        Box::pin(self.runner.words(&words)).await.is_ok()
    }
}

/// Offers choices until one is taken.
fn choose<T: Copy>(question: &str, choices: &[Choice<T>]) -> Result<T, Left> {
    let lines: Vec<String> = (1..).zip(choices).map(|(digit, (text, _))| format!("  {digit}  {text}\n")).collect();
    loop {
        stderr(&format!("\n{question}\n{}", lines.concat()));
        let typed = ask("Digit: ")?;
        let picked = typed.parse::<usize>().ok().and_then(|digit| choices.get(digit.checked_sub(1)?));
        match picked {
            Some((_, choice)) => return Ok(*choice),
            None => stderr(&format!("`{}` is none of 1 to {}\n", safe(&typed), choices.len())),
        }
    }
}

/// A line from the terminal, or from what is piped in; without the blanks around it.
fn ask(prompt: &str) -> Result<String, Left> {
    if std::io::stdin().is_terminal() {
        return ask_line(prompt).map(|line| line.trim().to_owned()).map_err(|_| Left);
    }
    stderr(prompt);
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(read) if read > 0 => Ok(line.trim().to_owned()),
        _ => Err(Left),
    }
}
