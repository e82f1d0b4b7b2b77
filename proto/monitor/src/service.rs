//! The service manager that started this process, where one did: hears that it is ready, that it stops, and that it lives.
//!
//! The protocol is one datagram per word to the socket that `$NOTIFY_SOCKET` names (`sd_notify(3)`). A manager that is gone
//! hears nothing, and nothing depends on it.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// A service manager, or nobody.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// As the environment has it: `variable` answers for `$NOTIFY_SOCKET`, `$WATCHDOG_USEC` and `$WATCHDOG_PID`. One that
    /// cannot be reached is said in the log.
    pub fn find(variable: impl Fn(&str) -> Option<String>) -> Self {
        let Some(place) = variable("NOTIFY_SOCKET") else { return Self::default() };
        let socket = match connect(&place) {
            Ok(socket) => socket,
            Err(error) => {
                tracing::warn!(%error, "the service manager cannot be reached");
                return Self::default();
            }
        };
        let ours = variable("WATCHDOG_PID").is_none_or(|pid| pid == std::process::id().to_string());
        let watchdog = variable("WATCHDOG_USEC").filter(|_| ours).and_then(|text| text.parse().ok());
        Self { socket: Some(socket), watchdog: watchdog.map(Duration::from_micros) }
    }

    /// The daemon does from here on what it is for.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The daemon has begun to stop.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// Says that the daemon lives as long as `lives` says so, twice in the time after which the manager would take it for
    /// hung. Returns at once where nobody wants to know, and else never.
    pub async fn watch<F: Future<Output = Result<(), String>>>(&self, lives: impl Fn() -> F) {
        let Some(patience) = self.watchdog else { return };
        loop {
            match lives().await {
                Ok(()) => self.tell("WATCHDOG=1"),
                Err(why) => tracing::error!(why, "the daemon does not answer itself; it is to be started again soon"),
            }
            tokio::time::sleep(patience / 3).await;
        }
    }

    fn tell(&self, word: &str) {
        if let Some(socket) = &self.socket
            && let Err(error) = socket.send(word.as_bytes())
        {
            tracing::warn!(%error, word, "the service manager could not be told");
        }
    }
}

/// A place that begins with `@` is a name and no path.
fn connect(place: &str) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    let address = match place.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(place)?,
    };
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn heard(by: &UnixDatagram) -> String {
        let mut word = [0; 64];
        let length = by.recv(&mut word).unwrap();
        String::from_utf8_lossy(&word[..length]).into_owned()
    }

    /// A manager at a place, and the environment that it gives.
    fn managed(place: &str, address: &SocketAddr, watchdog: &[(&str, &str)]) -> (UnixDatagram, ServiceManager) {
        let manager = UnixDatagram::bind_addr(address).unwrap();
        manager.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let variable = |name: &str| match name {
            "NOTIFY_SOCKET" => Some(place.to_owned()),
            _ => watchdog.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
        };
        (manager, ServiceManager::find(variable))
    }

    #[test]
    fn words_reach_a_path_and_a_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("enjambre-{}", std::process::id());
        for (place, address) in [
            (path.to_str().unwrap().to_owned(), SocketAddr::from_pathname(&path).unwrap()),
            (format!("@{name}"), SocketAddr::from_abstract_name(&name).unwrap()),
        ] {
            let (manager, daemon) = managed(&place, &address, &[]);
            daemon.ready();
            daemon.stopping();
            assert_eq!((heard(&manager).as_str(), heard(&manager).as_str()), ("READY=1", "STOPPING=1"), "{place}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_lives_is_said_to_live() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let address = SocketAddr::from_pathname(&path).unwrap();
        let (manager, daemon) = managed(path.to_str().unwrap(), &address, &[("WATCHDOG_USEC", "9000000")]);
        let asked = Cell::new(0);
        let lives = || {
            asked.set(asked.get() + 1);
            std::future::ready(if asked.get() == 1 { Ok(()) } else { Err("hung".to_owned()) })
        };
        let watched = tokio::time::timeout(Duration::from_secs(10), daemon.watch(lives)).await;
        assert!(watched.is_err() && asked.get() == 4, "{}", asked.get());
        assert_eq!(heard(&manager), "WATCHDOG=1");
        manager.set_nonblocking(true).unwrap();
        assert!(manager.recv(&mut [0; 64]).is_err(), "once, and not again");
    }

    #[tokio::test]
    async fn without_a_manager_nobody_is_told() {
        let nobody = ServiceManager::find(|_| None);
        nobody.ready();
        nobody.watch(|| std::future::ready(Err("hung".to_owned()))).await;
        let other = ServiceManager::find(|name| match name {
            "NOTIFY_SOCKET" => Some("/nowhere/at/all".to_owned()),
            _ => Some("1".to_owned()),
        });
        assert!(other.socket.is_none());
    }
}
