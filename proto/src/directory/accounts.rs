//! Accounts and their sessions.

use std::net::IpAddr;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::ids::UserName;
use crate::secret::Secret;

/// What an account may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Runs peers, reads what is shared.
    #[default]
    User,
    /// Manages accounts as well.
    Admin,
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "user" => Ok(Self::User),
            "admin" => Ok(Self::Admin),
            _ => Err("a role is `user` or `admin`".into()),
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::User => "user",
            Self::Admin => "admin",
        })
    }
}

/// `POST /sessions`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct LoginRequest {
    /// Account.
    pub username: UserName,
    /// Its password.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
}

/// Answer to a login, 201.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Session {
    /// Goes into `Authorization: Bearer …`. 256 random bits; the directory keeps only its hash.
    #[serde(deserialize_with = "secret")]
    pub token: Secret,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// Account.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
}

/// `GET /sessions/current`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CurrentSession {
    /// Account.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// Names a session without opening it: 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SessionId([u8; Self::LEN]);

impl SessionId {
    /// Length in bytes.
    pub const LEN: usize = 16;

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// From the bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }
}

impl std::fmt::Display for SessionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl std::str::FromStr for SessionId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| format!("a session id has {} hex digits", 2 * Self::LEN))
    }
}

impl Serialize for SessionId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// `GET /sessions`, and with `?user=` an admin's look at somebody else's: the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ListedSession {
    /// For `DELETE /sessions/{id}`.
    pub id: SessionId,
    /// Account.
    pub user: UserName,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// Where the login came from, as far as the directory can tell.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub address: Option<IpAddr>,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// An account, as admins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct User {
    /// Name.
    pub name: UserName,
    /// What it may do.
    pub role: Role,
    /// A disabled account cannot log in.
    pub disabled: bool,
    /// Since when it is there.
    pub created_at: Timestamp,
}

/// `POST /users`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Name; no account may have it yet.
    pub name: UserName,
    /// First password.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    /// What it may do.
    #[serde(default)]
    pub role: Role,
}

/// `PATCH /users/{name}`: what is absent stays.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchUser {
    /// A disabled account cannot log in, and its sessions end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
    /// What it may do from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
}

/// `PUT /users/{name}/password`: ends every session of the account but the one that asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    /// From now on.
    #[serde(deserialize_with = "secret")]
    pub password: Secret,
    /// What it was until now: whoever changes their own has to know it, an admin who changes another's does not.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_secret")]
    pub current: Option<Secret>,
}

/// A secret of the wrong type must not turn up in the error, as serde would have it.
pub(super) fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    Secret::deserialize(deserializer).map_err(|_| serde::de::Error::custom("a secret has to be a string"))
}

fn some_secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    secret(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_do_not_repeat_secrets() {
        for body in [
            r#"{"username":"ana","password":8675309}"#,
            r#"{"username":"ana","password":["8675309"]}"#,
            r#"{"username":"ana","password":"8675309""#,
        ] {
            let error = serde_json::from_str::<LoginRequest>(body).unwrap_err().to_string();
            assert!(!error.contains("8675309"), "{error}");
        }
        let error =
            serde_json::from_str::<NewPassword>(r#"{"password":"x","current":8675309}"#).unwrap_err().to_string();
        assert!(!error.contains("8675309"), "{error}");
    }
}
