//! `directoryd [serve]`

use std::io::IsTerminal;

use anyhow::Context;
use directoryd::{Config, LogFormat, Server, Settings};
use monitor::ServiceManager;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use traces::Traces;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use super::{healthcheck, process};

pub(super) fn run(config: Config) -> anyhow::Result<()> {
    let traces = listen_to_ourselves(&config)?;
    process::raise_open_files(config.limits.connections);
    if let Err(error) = proto::secret::keep_memory_private() {
        tracing::warn!(%error, "cannot keep the memory out of core files");
    }
    let served = tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve(config));
    if let Some(traces) = traces {
        traces.stop();
    }
    served
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let shutdown = stop_on_signal()?;
    let hints = std::io::stderr().is_terminal() || config.log_format == LogFormat::Text;
    let server = Server::bind(config.clone()).await?;
    tracing::info!(address = %server.address(), database = %config.database, "serving");
    if let Some(figures) = server.admin_address() {
        tracing::info!(%figures, "figures for Prometheus are at /metrics");
    }
    if hints {
        eprintln!("{}", next_command(&server, &config).await?);
    }
    let manager = ServiceManager::find(|name| std::env::var(name).ok());
    // The listener takes connections already; they are answered from here on.
    manager.ready();
    let (address, tls) = (server.address(), config.tls.is_some());
    // Said by whoever waits for the end, and not beside it: a server without requests is gone in no time.
    let stops = async {
        shutdown.cancelled().await;
        manager.stopping();
    };
    let whole = async { tokio::join!(server.run(shutdown.clone()), stops) };
    tokio::select! {
        _ = whole => {}
        () = async { manager.watch(|| healthcheck::answers(address, tls)).await; std::future::pending().await } => {}
    }
    Ok(())
}

/// What whoever started this most likely wants to type next.
async fn next_command(server: &Server, config: &Config) -> anyhow::Result<String> {
    let anybody = !server.store().users(None, 1).await?.is_empty();
    if anybody {
        let scheme = if config.tls.is_some() { "https" } else { "http" };
        return Ok(format!("next, start a peer:  peerd --directory {scheme}://{}", super::reachable(server.address())));
    }
    let usual = Settings::default().resolve(None, super::environment);
    let place = match usual {
        Ok(usual) if usual.database == config.database => String::new(),
        _ => format!(" --database-url '{}'{}", config.database, password_file(config)),
    };
    Ok(format!("there is no user yet; next:  directoryd user add NAME --role admin{place}"))
}

fn password_file(config: &Config) -> String {
    let file = config.database.password_file();
    file.map(|file| format!(" --database-password-file '{}'", file.display())).unwrap_or_default()
}

fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let token = stop.clone();
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for signals")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for signals")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: no new requests, open ones are answered");
        token.cancel();
    });
    Ok(stop)
}

/// The log, and traces where a collector is named; what comes back tells them until it is stopped.
fn listen_to_ourselves(config: &Config) -> anyhow::Result<Option<Traces>> {
    let filter = EnvFilter::new(&config.log_level);
    // What concerns an operator is said here, once; the client says each step.
    let filter = match "async_nats=error".parse() {
        Ok(quiet) if !config.log_level.contains("async_nats") => filter.add_directive(quiet),
        _ => filter,
    };
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match config.log_format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => lines.json().boxed(),
    };
    let instance = config.listen.to_string();
    let start = |endpoint| Traces::start("directoryd", &instance, endpoint).map_err(anyhow::Error::msg);
    let traces = config.otlp_endpoint.as_ref().map(start).transpose()?;
    let layer = traces.as_ref().map(Traces::layer);
    tracing_subscriber::registry().with(lines.with_filter(traces::not_in_the_log(filter))).with(layer).init();
    Ok(traces)
}
