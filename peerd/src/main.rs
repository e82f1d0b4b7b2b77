//! `peerd`: shares files of this machine and fetches those of others.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use monitor::{Papers, ServiceManager};
use peerd::config::{BadConfig, Config, Settings};
use peerd::store::layout::StateDir;
use peerd::{node, pages, telemetry};
use tokio::signal::unix::{SignalKind, signal};

/// The C library's gives memory back to the system and takes it again for each piece, a page fault for every 4 KiB.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit status of a bad configuration (`EX_CONFIG` of sysexits.h).
const BAD_CONFIG: u8 = 78;

/// The peer daemon of Enjambre: shares files, and downloads them from other peers, every piece checked.
#[derive(Parser)]
#[command(name = "peerd", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: Run,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run the daemon (also without a command)
    Run(Run),
    /// Print this peer's id, making its key if there is none
    Id(Run),
    /// Ask the running daemon how it is; exits 0 if it answers, 1 if not
    Healthcheck(Run),
    /// Look at the configuration without running anything
    #[command(subcommand)]
    Config(ConfigCommand),
    #[command(flatten)]
    Papers(Papers),
}

#[derive(clap::Subcommand)]
enum ConfigCommand {
    /// Say what is wrong with it; exit 0 if nothing is
    Check(Run),
}

#[derive(clap::Args)]
struct Run {
    /// Configuration file (TOML); the same names as the flags
    #[arg(long, env = "PEERD_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Run {
    fn resolve(self) -> Result<Config, BadConfig> {
        Config::resolve(self.settings, self.config.as_deref())
    }
}

fn main() -> ExitCode {
    pages::only_small();
    let cli = Cli::parse();
    match cli.command {
        None => run(cli.run),
        Some(Command::Run(args)) => run(args),
        Some(Command::Id(args)) => id(args),
        Some(Command::Healthcheck(args)) => healthcheck(args),
        Some(Command::Config(ConfigCommand::Check(args))) => match args.resolve() {
            Ok(_) => ExitCode::SUCCESS,
            Err(error) => bad_config(&error),
        },
        Some(Command::Papers(papers)) => match papers.write(Cli::command()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error.to_string()),
        },
    }
}

fn run(args: Run) -> ExitCode {
    let config = match args.resolve() {
        Ok(config) => config,
        Err(error) => return bad_config(&error),
    };
    let traces = telemetry::start(&config);
    if let Err(error) = proto::secret::keep_memory_private() {
        tracing::warn!(%error, "cannot keep the memory out of core files");
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(workers()).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("the runtime cannot be started: {error}")),
    };
    let result = runtime.block_on(serve(config));
    // A hash of a huge file may be under way on a blocking thread; nothing is lost by not waiting for it.
    runtime.shutdown_background();
    if let Some(traces) = traces {
        traces.stop();
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => failed(&reason),
    }
}

/// Threads that move bytes: for half of the processors. What waits for a disk has threads of its own; where there were as
/// many of these as processors besides, both would wake one another for every piece and move between the processors (3.0
/// instead of 3.4 CPU-seconds per GiB on two).
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, |processors| processors.get().div_ceil(2))
}

async fn serve(config: Config) -> Result<(), String> {
    let (mut terminate, mut interrupt) = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
    let (directory, socket, logs_in) = (config.directory.clone(), config.socket.clone(), config.login.is_some());
    let running = node::start(config).await.map_err(|error| error.to_string())?;
    tracing::info!(address = %running.address, socket = %socket.display(), directory, "ready");
    if std::io::stderr().is_terminal() && !logs_in {
        eprintln!("peerd is ready. Next: peerctl --socket {} login", socket.display());
    }
    let manager = ServiceManager::find(|name| std::env::var(name).ok());
    manager.ready();
    let pulse = running.pulse.clone();
    running
        .until(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = async { manager.watch(|| pulse.beat()).await; std::future::pending().await } => {}
            }
            tracing::info!("stopping");
            manager.stopping();
        })
        .await
}

fn listen_for(kind: SignalKind) -> Result<tokio::signal::unix::Signal, String> {
    signal(kind).map_err(|error| format!("signals cannot be handled: {error}"))
}

fn id(args: Run) -> ExitCode {
    let config = match args.resolve() {
        Ok(config) => config,
        Err(error) => return bad_config(&error),
    };
    let key = StateDir::key(&config.state_dir);
    let made = std::fs::create_dir_all(&config.state_dir).map_err(|error| error.to_string());
    let identity = made.and_then(|()| transport::Identity::load_or_create(&key).map_err(|error| error.to_string()));
    match identity {
        Ok(identity) => {
            println!("{}", identity.peer_id().grouped());
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

fn healthcheck(args: Run) -> ExitCode {
    match args.resolve() {
        Ok(config) => match peerd::healthcheck::ask(&config.socket) {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => failed(&reason),
        },
        Err(error) => bad_config(&error),
    }
}

fn bad_config(error: &BadConfig) -> ExitCode {
    for line in error.to_string().lines() {
        eprintln!("peerd: {line}");
    }
    ExitCode::from(BAD_CONFIG)
}

fn failed(reason: &str) -> ExitCode {
    eprintln!("peerd: {reason}");
    ExitCode::FAILURE
}
