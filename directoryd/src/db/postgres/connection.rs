//! Connecting to the server, and bringing its schema up to date.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::sql_types::Bool;
use diesel_async::{AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres::NoTls;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{Database, PostgresServer};
use crate::db::migrations::{self, MigrateError, Migrated};
use crate::db::{Answer, Purpose, StoreError};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations/postgres");

/// How long connecting may take, login included.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a server may be silent before the system asks whether it is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// The first half of each lock's number, so that other users of advisory locks are not met by chance: "enja".
const OURS: i32 = 0x656e_6a61;
/// Held for the length of a transaction that writes.
pub(super) const BEGIN: &str = "BEGIN; SELECT pg_advisory_xact_lock(1701735009, 1)";
/// Held by the directory that serves, for as long as it is connected.
const SERVING: i32 = 2;
/// Held while the schema is brought up to date.
const MIGRATING: i32 = 3;

/// For each connection. Nobody waits for a lock for longer than a client has patience; a commit is on disk when it returns;
/// messages are in the language that [`StoreError`] knows them in, where the server lets us choose.
const SETTINGS: &str = "
    SET lock_timeout = '2s';
    SET statement_timeout = '20s';
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

/// Makes connections.
#[derive(Clone)]
pub(super) struct Dialler {
    login: tokio_postgres::Config,
    tls: Option<MakeRustlsConnect>,
}

impl Dialler {
    pub(super) fn new(server: &PostgresServer) -> Answer<Self> {
        let mut login = server.login.clone();
        login.ssl_mode(if server.tls { SslMode::Require } else { SslMode::Disable });
        login.keepalives_idle(KEEPALIVE).tcp_user_timeout(KEEPALIVE);
        if login.get_application_name().is_none() {
            login.application_name("directoryd");
        }
        let tls = server.tls.then(|| tls(server)).transpose().map_err(StoreError::Broken)?;
        Ok(Self { login, tls })
    }

    /// A connection that is ready for queries.
    pub(super) async fn dial(&self, purpose: Purpose) -> Answer<AsyncPgConnection> {
        let dial = async {
            let mut connection = self.connect().await?;
            connection.batch_execute(SETTINGS).await?;
            // Only superusers may, on older servers.
            let _ = connection.batch_execute("SET lc_messages = 'C'").await;
            if purpose == Purpose::Serve {
                claim(&mut connection).await?;
            }
            Ok(connection)
        };
        tokio::time::timeout(PATIENCE, dial).await.unwrap_or_else(|_| Err(StoreError::Away("no answer".into())))
    }

    async fn connect(&self) -> Answer<AsyncPgConnection> {
        let connected = if let Some(tls) = &self.tls {
            let (client, connection) = self.login.connect(tls.clone()).await.map_err(|error| away(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        } else {
            let (client, connection) = self.login.connect(NoTls).await.map_err(|error| away(&error))?;
            AsyncPgConnection::try_from_client_and_connection(client, connection).await
        };
        connected.map_err(|error| away(&error))
    }
}

/// The right to serve. A directory that has just died may still hold it for a moment.
async fn claim(connection: &mut AsyncPgConnection) -> Answer<()> {
    for wait in [0, 100, 300, 600, 1000] {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let free = sql::<Bool>(&format!("pg_try_advisory_lock({OURS}, {SERVING})"));
        if diesel::select(free).get_result::<bool>(connection).await? {
            return Ok(());
        }
    }
    Err(StoreError::Taken)
}

/// With all that led to it: the driver's own text is only "error connecting to server".
fn away(error: &(dyn Error + 'static)) -> StoreError {
    let mut why = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !why.contains(&text) {
            why = format!("{why}: {text}");
        }
        source = cause.source();
    }
    StoreError::Away(why)
}

fn tls(server: &PostgresServer) -> Result<MakeRustlsConnect, String> {
    let mut roots = RootCertStore::empty();
    if let Some(file) = &server.root_certificates {
        let unusable = |why: String| format!("cannot use {}: {why}", file.display());
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))? {
            let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.map_err(|error| error.to_string())?.with_root_certificates(roots).with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

/// Applies the steps that are missing, one process at a time.
pub(in crate::db) async fn migrate(server: &PostgresServer) -> Result<Migrated, MigrateError> {
    let database = Database::Postgres(Box::new(server.clone()));
    let opened = async {
        let mut connection = Dialler::new(server)?.dial(Purpose::Visit).await?;
        // A step on a full database takes its time.
        let wait = format!("SET statement_timeout = 0; SELECT pg_advisory_lock({OURS}, {MIGRATING})");
        connection.batch_execute(&wait).await?;
        Ok::<_, StoreError>(connection)
    };
    let connection = opened.await.map_err(|error| MigrateError::open(&database, &error))?;
    let migrating = {
        let database = database.clone();
        move || {
            let mut harness = AsyncMigrationHarness::new(connection);
            migrations::bring_up_to_date(&database, &MIGRATIONS, &mut harness)
        }
    };
    tokio::task::spawn_blocking(migrating).await.unwrap_or_else(|error| Err(MigrateError::open(&database, &error)))
}
