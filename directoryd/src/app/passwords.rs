//! Passwords: argon2id with the parameters that OWASP's cheat sheet puts first (19 MiB, two passes, one lane), off the async
//! threads and only a few at once, so that a storm of logins costs neither the machine's memory nor other requests' time.

use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use proto::secret::Secret;
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// How long a login waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);
/// OWASP Password Storage Cheat Sheet: KiB of memory, passes, lanes.
const COSTS: (u32, u32, u32) = (19_456, 2, 1);

/// Checks and makes password hashes.
pub(crate) struct Passwords {
    turns: Semaphore,
    /// What the passwords of unknown users are checked against, so that they take as long as others.
    nobody: String,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // Whoever guesses this password is still nobody: the answer is thrown away.
        let nobody = hash_password(&Secret::new("nobody".to_owned())).unwrap_or_default();
        Self { turns: Semaphore::new(cores.div_ceil(2).min(4)), nobody }
    }

    pub(crate) async fn hash(&self, password: Secret) -> Result<String, ApiError> {
        self.in_turn(move || hash_password(&password)).await?.map_err(|why| internal(&why))
    }

    /// Whether `password` belongs to `hash`; without one, false after the same time.
    pub(crate) async fn verify(&self, hash: Option<String>, password: Secret) -> Result<bool, ApiError> {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.nobody.clone());
        let fits = self.in_turn(move || fits(&hash, &password)).await?;
        Ok(fits && known)
    }

    async fn in_turn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.acquire()).await;
        let _turn = turn.map_err(|_| ApiError::busy())?.map_err(|error| internal(&error))?;
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
    async fn a_password_fits_its_own_hash_only() {
        let passwords = Passwords::new();
        let hash = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(passwords.verify(Some(hash.clone()), secret("correct horse")).await.unwrap());
        assert!(!passwords.verify(Some(hash), secret("correct house")).await.unwrap());
        assert!(!passwords.verify(None, secret("nobody")).await.unwrap());
    }
}
