//! Logging in and out. The token is kept on disk, so that a restart needs no password.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proto::directory::{LoginRequest, Session as Login};
use proto::secret::Secret;
use ractor::ActorRef;

use super::{Msg, Registrant, State};
use crate::directory::client::{Client, ClientError};
use crate::directory::session::Fact;
use crate::mailbox::Reply;
use crate::store::layout;

/// How long a parting word to the directory may take.
const PARTING: Duration = Duration::from_secs(2);

impl State {
    pub(super) fn log_in_by_file(&mut self, me: &ActorRef<Msg>) {
        let Some((user, file)) = self.args.login.clone() else { return };
        match Secret::read(&file) {
            Ok(password) => self.log_in(me, LoginRequest { username: user, password }, None),
            Err(error) => {
                let error = ClientError::NoAnswer { why: format!("the password file: {error}"), retry_after: None };
                self.took(me, &Fact::Failed(&error));
            }
        }
    }

    pub(super) fn log_in(
        &self,
        me: &ActorRef<Msg>,
        request: LoginRequest,
        reply: Option<Reply<Result<Arc<Login>, ClientError>>>,
    ) {
        let (me, client) = (me.clone(), self.args.client.clone());
        tokio::spawn(async move {
            let result = client.log_in(&request).await;
            let _ = me.cast(Msg::LoggedIn { result, reply });
        });
    }

    pub(super) fn logged_in(
        &mut self,
        me: &ActorRef<Msg>,
        result: Result<Login, ClientError>,
        reply: Option<Reply<Result<Arc<Login>, ClientError>>>,
    ) {
        match result {
            Ok(login) => {
                let path = self.args.state_dir.session();
                let kept =
                    serde_json::to_vec(&login).map_err(Into::into).and_then(|text| layout::replace(&path, &text));
                if let Err(error) = kept {
                    tracing::warn!(%error, "the session cannot be kept; after a restart somebody has to log in again");
                }
                let login = Arc::new(login);
                self.login = Some(Arc::clone(&login));
                self.took(me, &Fact::LoggedIn);
                answer(reply, Ok(login));
            }
            // A person who mistypes does not end the session that runs.
            Err(error) => {
                if reply.is_none() {
                    self.took(me, &Fact::Failed(&error));
                }
                answer(reply, Err(error));
            }
        }
    }

    pub(super) fn log_out(&mut self, me: &ActorRef<Msg>, reply: Reply<Result<(), ClientError>>) {
        let login = self.forget_login();
        self.took(me, &Fact::LoggedOut);
        let (client, me) = (self.args.client.clone(), self.args.me.clone());
        tokio::spawn(async move {
            let result = match login {
                Some(login) => part(&client, &login.token, &me, true).await,
                None => Ok(()),
            };
            let _ = reply.send(result);
        });
    }

    pub(super) fn leave(&self, reply: Reply<()>) {
        let (client, me, login) = (self.args.client.clone(), self.args.me.clone(), self.login.clone());
        let registered = self.session.registered();
        tokio::spawn(async move {
            if let Some(login) = login.filter(|_| registered) {
                let _ = tokio::time::timeout(PARTING, part(&client, &login.token, &me, false)).await;
            }
            let _ = reply.send(());
        });
    }

    pub(super) fn forget_login(&mut self) -> Option<Arc<Login>> {
        self.listed = None;
        self.certain = false;
        self.announced = 0;
        self.ticket = None;
        if let Err(error) = layout::remove(&self.args.state_dir.session()) {
            tracing::warn!(%error, "the kept session cannot be removed");
        }
        self.login.take()
    }
}

/// The session that an earlier start left.
pub(super) fn kept(path: &Path) -> Option<Login> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Says that the peer goes down, and ends the session too if the user logs out.
async fn part(client: &Client, token: &Secret, me: &Registrant, log_out: bool) -> Result<(), ClientError> {
    let gone = client.deregister(token, me.identity.peer_id(), me.instance).await;
    if log_out {
        client.log_out(token).await?;
    }
    match gone {
        // It does not know the peer: then it is down there. Or another start of it has taken over: then that one is up.
        Err(ClientError::Refused(_)) => Ok(()),
        other => other,
    }
}

fn answer<T>(reply: Option<Reply<T>>, value: T) {
    if let Some(reply) = reply {
        let _ = reply.send(value);
    }
}
