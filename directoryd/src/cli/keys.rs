//! `directoryd keys …`: what tickets are signed with, straight in the database. A serving directory notices within two
//! seconds, its peers with their next heartbeat.

use anyhow::bail;
use clap::Subcommand;
use directoryd::{Config, KeyTerms, Purpose, Rotation, SigningKey, Store};
use proto::Timestamp;

#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum KeysCommand {
    /// List the keys that tickets may be signed with: id, what it does, since when it is there, until when it counts
    List,
    /// Make a new key; the present one signs until every peer knows the new one, and counts until its last ticket ended
    Rotate {
        /// Let no earlier key count from now on, as when one has leaked: transfers pause until the next heartbeats
        #[arg(long)]
        force: bool,
    },
}

pub(super) fn run(command: KeysCommand, config: &Config) -> anyhow::Result<()> {
    let terms = KeyTerms { lease: config.lease, ticket: config.ticket };
    super::block_on(async {
        let store = directoryd::open(config, Purpose::Visit).await?;
        match command {
            KeysCommand::List => list(&store).await,
            KeysCommand::Rotate { force } => rotate(&store, terms, force).await,
        }
    })
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let keys = store.signing_keys().await?;
    let now = Timestamp::now();
    if keys.is_empty() {
        eprintln!("there is no key yet: the first one is made when the directory first serves");
    }
    for key in &keys {
        let until = key.ends_at.map_or_else(|| "-".to_owned(), |end| format!("{end:.0}"));
        println!(
            "{}\t{}\t{}\t{until}",
            key.id,
            state(key, keys.len() == 1, now),
            format_args!("{:.0}", key.created_at)
        );
    }
    Ok(())
}

fn state(key: &SigningKey, lone: bool, now: Timestamp) -> &'static str {
    match key.ends_at {
        Some(end) if end <= now => "ended",
        Some(_) => "former",
        None if key.signs_from <= now || lone => "signing",
        None => "next",
    }
}

async fn rotate(store: &Store, terms: KeyTerms, force: bool) -> anyhow::Result<()> {
    match store.rotate_keys(terms, force, Timestamp::now()).await? {
        Rotation::Made { id, signs_from, former_ends: Some(end) } => {
            eprintln!("made {id}: it signs from {signs_from:.0} on; the former key counts until {end:.0}");
        }
        Rotation::Made { id, .. } => eprintln!("made {id}: it signs from now on, and no other key counts"),
        Rotation::TooSoon { until } => bail!(
            "the last rotation is not over: tickets of the former key run until {until:.0}; rotate again after that, or let \
             no earlier key count with `directoryd keys rotate --force`"
        ),
    }
    Ok(())
}
