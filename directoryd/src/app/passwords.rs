//! Passwords: argon2id with the parameters that OWASP's cheat sheet puts first (19 MiB, two passes, one lane), off the async
//! threads and only a few at once, so that a storm of logins costs neither the machine's memory nor other requests' time.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use proto::secret::Secret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::ApiError;

/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// Logins that are under way or wait for their turn; beyond them the answer is "busy" at once. At 30 ms each, the last one
/// waits for two seconds.
const QUEUE: usize = 64;
/// OWASP Password Storage Cheat Sheet: KiB of memory, passes, lanes.
const COSTS: (u32, u32, u32) = (19_456, 2, 1);

/// Checks and makes password hashes.
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// What the passwords of unknown users are checked against, so that they take as long as others.
    nobody: String,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // Whoever guesses this password is still nobody: the answer is thrown away.
        let nobody = hash_password(&Secret::new("nobody".to_owned())).unwrap_or_default();
        // Half of the cores: the other half answers everybody else.
        let turns = Arc::new(Semaphore::new(cores.div_ceil(2).min(4)));
        Self { turns, queue: Arc::new(Semaphore::new(QUEUE)), nobody }
    }

    /// Waits until there is room to work on a password.
    pub(crate) async fn turn(&self) -> Result<Turn, ApiError> {
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| ApiError::busy())?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turns).acquire_owned()).await;
        let turn = turn.map_err(|_| ApiError::busy())?.map_err(|error| internal(&error))?;
        Ok(Turn { _place: place, _turn: turn })
    }

    pub(crate) async fn hash(&self, password: Secret) -> Result<String, ApiError> {
        self.turn().await?.work(move || hash_password(&password)).await?.map_err(|why| internal(&why))
    }

    /// Whether `password` belongs to `hash`; without one, false after the same time.
    pub(crate) async fn verify(&self, turn: Turn, hash: Option<String>, password: Secret) -> Result<bool, ApiError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let fits = turn.work(move || fits(&hash, &password)).await?;
        Ok(fits && known)
    }
}

/// Room to work on one password.
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
    _turn: OwnedSemaphorePermit,
}

impl Turn {
    /// The turn goes with the work, not with the request: a client that hangs up does not make room for the next.
    async fn work<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let work = move || {
            let _turn = self;
            work()
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| internal(&error))
    }
}

fn internal(error: &dyn std::fmt::Display) -> ApiError {
    crate::db::StoreError::Failed(error.to_string()).into()
}

fn argon2() -> Argon2<'static> {
    let (memory, passes, lanes) = COSTS;
    let params = Params::new(memory, passes, lanes, None).expect("constants within argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// The hash of a password as a PHC string, with a salt of its own. Takes tens of milliseconds.
pub fn hash_password(password: &Secret) -> Result<String, argon2::password_hash::Error> {
    Ok(argon2().hash_password(password.expose().as_bytes())?.to_string())
}

fn fits(hash: &str, password: &Secret) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| argon2().verify_password(password.expose().as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn those_who_hang_up_do_not_crowd_the_machine() {
        let passwords = Passwords::new();
        let all = passwords.turns.available_permits();
        let (begun, hear) = std::sync::mpsc::sync_channel(QUEUE * 2);
        let (end, ended) = std::sync::mpsc::sync_channel::<()>(0);
        let ended = Arc::new(std::sync::Mutex::new(ended));
        for _ in 0..QUEUE * 2 {
            let (begun, ended) = (begun.clone(), Arc::clone(&ended));
            let work = move || {
                begun.send(()).unwrap();
                let _ = ended.lock().unwrap().recv();
            };
            // Polled until its work is under way or it waits, and then dropped, as for a client that went away.
            let hung_up = async { passwords.turn().await?.work(work).await };
            let _ = tokio::time::timeout(Duration::from_millis(5), hung_up).await;
        }
        assert_eq!(passwords.turns.available_permits(), 0);
        for _ in 0..all {
            hear.recv_timeout(Duration::from_secs(20)).unwrap();
        }
        assert!(hear.try_recv().is_err(), "more at once than there are turns");
        drop(end);
        passwords.turn().await.unwrap().work(|| ()).await.unwrap();
    }

    #[tokio::test]
    async fn beyond_the_queue_the_answer_is_busy_at_once() {
        let passwords = Passwords::new();
        let _taken = Arc::clone(&passwords.queue).acquire_many_owned(u32::try_from(QUEUE).unwrap()).await.unwrap();
        assert_eq!(passwords.hash(secret("x")).await.unwrap_err(), ApiError::busy());
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        let verify = async |hash, password| {
            let turn = passwords.turn().await?;
            passwords.verify(turn, hash, secret(password)).await
        };
        assert!(verify(Some(hash.clone()), "correct horse").await.unwrap());
        assert!(!verify(Some(hash), "correct house").await.unwrap());
        assert!(!verify(None, "nobody").await.unwrap());
    }
}
