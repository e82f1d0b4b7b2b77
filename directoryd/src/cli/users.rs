//! `directoryd user …`: accounts, straight in the database. A serving directory notices within a second or two.

use std::io::IsTerminal;
use std::path::PathBuf;

use anyhow::{Context, bail, ensure};
use clap::Subcommand;
use directoryd::{Config, NewAccount, Purpose, Store};
use proto::Timestamp;
use proto::directory::{PatchUser, Role};
use proto::ids::UserName;
use proto::secret::Secret;

#[derive(Debug, Subcommand)]
pub(super) enum UserCommand {
    /// Make an account; asks for the password unless a file has it
    Add {
        /// Name to log in with
        name: UserName,
        /// `user` or `admin`
        #[arg(long, default_value_t)]
        role: Role,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// List accounts: name, role, state
    List,
    /// Let nobody log in to an account, and end its sessions
    Disable {
        /// Which
        name: UserName,
    },
    /// Let an account log in again
    Enable {
        /// Which
        name: UserName,
    },
    /// Make an account an admin's or a user's
    Role {
        /// Which
        name: UserName,
        /// `user` or `admin`
        role: Role,
    },
    /// Change a password, and end the account's sessions
    Passwd {
        /// Whose
        name: UserName,
        #[command(flatten)]
        password: PasswordSource,
    },
    /// Remove an account with its peers and all that they announce
    Remove {
        /// Which
        name: UserName,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct PasswordSource {
    /// File whose first line is the password; `-` for standard input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(super) fn run(command: UserCommand, config: &Config) -> anyhow::Result<()> {
    super::block_on(async { carry_out(command, &directoryd::open(config, Purpose::Visit).await?).await })
}

async fn carry_out(command: UserCommand, store: &Store) -> anyhow::Result<()> {
    match command {
        UserCommand::Add { name, role, password } => add(store, name, role, &password).await,
        UserCommand::List => list(store).await,
        UserCommand::Disable { name } => {
            patch(store, name, PatchUser { disabled: Some(true), role: None }, "disabled").await
        }
        UserCommand::Enable { name } => {
            patch(store, name, PatchUser { disabled: Some(false), role: None }, "enabled").await
        }
        UserCommand::Role { name, role } => {
            patch(store, name, PatchUser { disabled: None, role: Some(role) }, &format!("now {role}:")).await
        }
        UserCommand::Passwd { name, password } => change_password(store, name, &password).await,
        UserCommand::Remove { name } => remove(store, name).await,
    }
}

async fn add(store: &Store, name: UserName, role: Role, password: &PasswordSource) -> anyhow::Result<()> {
    // Before anybody types a password for nothing.
    ensure!(store.user(name.clone()).await?.is_none(), "there is a user `{name}` already");
    let password_hash = directoryd::hash_password(&password.read()?)?;
    let account = NewAccount { name: name.clone(), password_hash, role };
    let added = store.add_user(account, Timestamp::now()).await?;
    ensure!(added.is_some(), "there is a user `{name}` already");
    eprintln!("added {role} `{name}`");
    Ok(())
}

async fn list(store: &Store) -> anyhow::Result<()> {
    let mut after = None;
    loop {
        let users = store.users(after, 1000).await?;
        let Some(last) = users.last() else { return Ok(()) };
        after = Some(last.name.to_string());
        for user in users {
            let state = if user.disabled { "disabled" } else { "enabled" };
            println!("{}\t{}\t{state}", user.name, user.role);
        }
    }
}

async fn patch(store: &Store, name: UserName, patch: PatchUser, done: &str) -> anyhow::Result<()> {
    ensure!(store.patch_user(name.clone(), patch, Timestamp::now()).await?.is_some(), "there is no user `{name}`");
    eprintln!("{done} `{name}`");
    Ok(())
}

async fn change_password(store: &Store, name: UserName, password: &PasswordSource) -> anyhow::Result<()> {
    ensure!(store.user(name.clone()).await?.is_some(), "there is no user `{name}`");
    let hash = directoryd::hash_password(&password.read()?)?;
    ensure!(store.set_password(name.clone(), hash, None, Timestamp::now()).await?, "there is no user `{name}`");
    eprintln!("changed the password of `{name}`; its sessions have ended");
    Ok(())
}

async fn remove(store: &Store, name: UserName) -> anyhow::Result<()> {
    let Some(peers) = store.remove_user(name.clone(), Timestamp::now()).await? else {
        bail!("there is no user `{name}`");
    };
    eprintln!("removed `{name}` and {} of its peers", peers.len());
    Ok(())
}

impl PasswordSource {
    fn read(&self) -> anyhow::Result<Secret> {
        match &self.password_file {
            Some(file) => Ok(Secret::read(file)?),
            None if std::io::stdin().is_terminal() => ask(),
            None => bail!("there is no terminal to ask for the password: give it with --password-file FILE, or `-`"),
        }
    }
}

fn ask() -> anyhow::Result<Secret> {
    let once = rpassword::prompt_password("password: ").context("cannot read the password")?;
    ensure!(!once.is_empty(), "the password is empty");
    let twice = rpassword::prompt_password("again: ").context("cannot read the password")?;
    ensure!(once == twice, "the two passwords differ");
    Ok(Secret::new(once))
}
