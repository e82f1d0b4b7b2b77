//! Registering, and what leases bring: the time, tickets, word of the keys.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proto::directory::{DirectoryKeys, Lease, RegisterPeer, SharesDigest, registration_message};
use proto::secret::Secret;
use proto::ticket::{KeyId, Verifier};
use ractor::ActorRef;

use super::listed::Listed;
use super::{Msg, Registrant, State, announcing};
use crate::directory::client::{Client, ClientError};
use crate::directory::clock::Clock;
use crate::directory::session::Fact;

/// Shortest pause between two questions for the directory's keys.
const KEYS_PAUSE: Duration = Duration::from_secs(2);

impl State {
    pub(super) fn register(&self, me: &ActorRef<Msg>) {
        let Some(login) = self.login.clone() else { return };
        let (me, client, registrant) = (me.clone(), self.args.client.clone(), self.args.me.clone());
        let catalog = self.args.catalog.borrow().as_ref().clone();
        // What it may have listed all the time: what it acknowledged before an outage, or before a restart.
        let catalog = Listed::all(catalog);
        let likely = [self.listed.clone().unwrap_or_else(|| catalog.clone()), catalog];
        tokio::spawn(async move {
            let result = register(&client, &login.token, &registrant, likely).await;
            let _ = me.cast(Msg::Registered { result });
        });
    }

    pub(super) fn registered(&mut self, me: &ActorRef<Msg>, result: Result<(Lease, Listed), ClientError>) {
        match result {
            Ok((lease, listed)) => {
                self.leased(me, lease);
                self.certain = true;
                self.announced = listed.told();
                self.listed = Some(listed);
                self.took(me, &Fact::Registered);
                self.sync(me);
            }
            Err(error) => self.failed(me, &error),
        }
    }

    /// `believed` is what the heartbeat said that the directory lists.
    pub(super) fn beaten(
        &mut self,
        me: &ActorRef<Msg>,
        believed: Option<SharesDigest>,
        result: Result<Lease, ClientError>,
    ) {
        if !self.session.registered() {
            return;
        }
        match result {
            Ok(mut lease) => {
                let (differs, parts) = (lease.shares_digest.is_some(), lease.part_digests.take());
                self.leased(me, lease);
                self.took(me, &Fact::Answered);
                if differs {
                    self.differs(me, believed, parts);
                }
                self.sync(me);
            }
            Err(error) => self.failed(me, &error),
        }
    }

    /// A lease brings the time, now and then a ticket, and word of the keys.
    pub(super) fn leased(&mut self, me: &ActorRef<Msg>, lease: Lease) {
        self.clock = Some(Clock::set(lease.now));
        if lease.ticket.is_some() {
            self.ticket.clone_from(&lease.ticket);
        }
        let known = |verifier: &Arc<Verifier>| verifier.key_ids().eq(sorted(&lease.key_ids));
        if !self.verifier.as_ref().is_some_and(known) {
            self.fetch_keys(me);
        }
        self.lease = Some(lease);
    }

    /// At most every few seconds: anybody can show a ticket with an unknown key.
    pub(super) fn fetch_keys(&mut self, me: &ActorRef<Msg>) {
        if self.keys_asked.is_some_and(|asked| asked.elapsed() < KEYS_PAUSE) {
            return;
        }
        self.keys_asked = Some(Instant::now());
        let (me, client) = (me.clone(), self.args.client.clone());
        tokio::spawn(async move {
            let result = client.keys().await;
            let _ = me.cast(Msg::Keys { result });
        });
    }

    pub(super) fn keys(&mut self, result: Result<DirectoryKeys, ClientError>) {
        match result {
            Ok(keys) => {
                let verifier = Verifier::new(keys.audience, keys.keys.into_iter().map(|key| key.key));
                self.verifier = Some(Arc::new(verifier));
                self.publish();
            }
            // The next heartbeat asks again.
            Err(error) => tracing::debug!(%error, "the directory's keys could not be fetched"),
        }
    }
}

fn sorted(ids: &[KeyId]) -> impl Iterator<Item = &KeyId> {
    ids.iter().collect::<BTreeSet<_>>().into_iter()
}

/// Proves the key and registers. What the directory lists is read only if none of what is `likely` has its digest.
async fn register(
    client: &Client,
    token: &Secret,
    me: &Registrant,
    likely: [Listed; 2],
) -> Result<(Lease, Listed), ClientError> {
    let id = me.identity.peer_id();
    let nonce = client.challenge(token).await?.nonce;
    let signed = registration_message(&nonce, &id, &me.instance, &me.name, &me.address);
    let body = RegisterPeer {
        name: me.name.clone(),
        address: me.address.clone(),
        key: me.identity.public_key(),
        nonce,
        signature: me.identity.sign(&signed),
        instance: me.instance,
        version: env!("CARGO_PKG_VERSION").into(),
        shares_digest: Some(likely[0].digest()),
    };
    let mut lease = client.register(token, id, &body).await?;
    let parts = lease.part_digests.take();
    let listed = match likely.iter().find(|listed| lease.shares_digest == Some(listed.digest())) {
        Some(same) => same.clone(),
        None => announcing::known_shares(client, token, id, &likely[0], parts.as_ref()).await?,
    };
    Ok((lease, listed))
}
