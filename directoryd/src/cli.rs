//! The words of the command line, and what each leads to.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use directoryd::{BadConfig, Config, Settings};
use monitor::Papers;

mod backup;
mod healthcheck;
mod keys;
mod process;
mod serve;
mod users;

/// The directory of Enjambre: knows users, peers, who is up, and who holds which file.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    sources: Sources,
}

/// Where settings come from.
#[derive(Debug, Args)]
struct Sources {
    #[command(flatten)]
    settings: Settings,
    /// File with settings (TOML); the keys are the long flags without `--`
    #[arg(long, global = true, env = "DIRECTORYD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Sources {
    fn resolve(self) -> Result<Config, BadConfig> {
        self.settings.resolve(self.config.as_deref(), environment)
    }
}

fn environment(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// Who listens everywhere is reached on loopback.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (the default)
    Serve,
    /// Manage accounts; works while the directory serves
    #[command(subcommand)]
    User(users::UserCommand),
    /// Manage the keys that tickets are signed with; works while the directory serves
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Make the database or bring it up to date, and exit
    Migrate,
    /// Copy the embedded database into a new file; works while the directory serves
    Backup {
        /// The file to make; nothing may be there yet
        file: PathBuf,
    },
    /// Ask the running directory whether it is ready; exits 0 if so
    Healthcheck,
    /// Look at the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print the interface under `/api/v1` in OpenAPI 3.1, as JSON
    Openapi,
    #[command(flatten)]
    Papers(Papers),
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Say everything that is wrong with it; exits 78 if something is
    Check,
}

pub(crate) fn run(cli: Cli) -> anyhow::Result<()> {
    let command = cli.command.unwrap_or(Command::Serve);
    // Whatever the configuration looks like.
    match &command {
        Command::Papers(papers) => return Ok(papers.write(Cli::command())?),
        Command::Openapi => return openapi(),
        _ => {}
    }
    let config = cli.sources.resolve()?;
    match command {
        Command::Serve => serve::run(config),
        Command::User(users::UserCommand::List) => users::run(users::UserCommand::List, &config),
        Command::User(command) => users::run(command, &config).and_then(|()| ring(&config)),
        Command::Keys(keys::KeysCommand::List) => keys::run(keys::KeysCommand::List, &config),
        Command::Keys(command) => keys::run(command, &config).and_then(|()| ring(&config)),
        Command::Migrate => block_on(migrate(&config)),
        Command::Backup { file } => backup::run(&config.database, &file),
        Command::Healthcheck => healthcheck::run(&config),
        Command::Papers(papers) => Ok(papers.write(Cli::command())?),
        Command::Openapi => openapi(),
        Command::Config(ConfigCommand::Check) => {
            println!("the configuration is good: {} on {}", config.database, config.listen);
            Ok(())
        }
    }
}

fn openapi() -> anyhow::Result<()> {
    let document = serde_json::to_string_pretty(directoryd::openapi())?;
    Ok(writeln!(std::io::stdout(), "{document}")?)
}

/// For what is asked once and answered.
fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}

/// Tells the directory that serves, where there is a NATS to tell it by.
fn ring(config: &Config) -> anyhow::Result<()> {
    let Some(nats) = &config.nats else { return Ok(()) };
    block_on(async {
        if let Err(why) = directoryd::ring(nats).await {
            eprintln!("NATS cannot be reached ({why}); a directory that serves notices within two seconds");
        }
        Ok(())
    })
}

async fn migrate(config: &Config) -> anyhow::Result<()> {
    let migrated = directoryd::migrate(config).await?;
    if migrated.steps.is_empty() {
        println!("{} is up to date", config.database);
    }
    for step in migrated.steps {
        println!("applied {step}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn settings_may_stand_before_and_behind_the_word() {
        for line in [
            &["directoryd", "--lease", "5s"][..],
            &["directoryd", "serve", "--lease", "5s", "--insecure-http"],
            &["directoryd", "--lease", "5s", "user", "list"],
        ] {
            assert!(Cli::try_parse_from(line).unwrap().sources.settings.lease.is_some(), "{line:?}");
        }
        assert!(Cli::try_parse_from(["directoryd", "--lease", "soon"]).is_err());
    }
}
