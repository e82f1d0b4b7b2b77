//! The database under these tests: a PostgreSQL server of each test's own, made for it and thrown away.
//!
//! Making one takes a second, and in return a test may stop it, and finds nobody else's rows. It listens on a socket in its
//! own folder alone. It cannot outlive its test: the shell around it ends it when the pipe from the test does.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;

use directoryd::Database;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio_postgres::{Client, NoTls};

use crate::support::eventually;

/// Ends the server with the pipe: SIGQUIT, which is to it what the power cut is to a machine.
const SUPERVISE: &str = "\"$@\" </dev/null & server=$!; cat; kill -QUIT $server; wait $server";

pub(crate) struct Backend {
    folder: TempDir,
    programs: PathBuf,
    settings: Vec<String>,
    running: Mutex<Option<Child>>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        Self::start_with(|_| Vec::new()).await
    }

    /// With more settings of the server, and files that belong to it, from `prepare`.
    pub(crate) async fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let Some(programs) = programs() else { skip() };
        let folder = tempfile::tempdir().unwrap();
        let settings = prepare(folder.path());
        let files = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
        for (path, mode) in files.map(|file| (file, 0o600)).chain([(folder.path().to_owned(), 0o700)]) {
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            if let Some(user) = unprivileged() {
                chown(&path, Some(user), Some(user)).unwrap();
            }
        }
        let backend = Self { folder, programs, settings, running: Mutex::new(None) };
        let mut initdb = backend.command(&backend.programs.join("initdb"));
        initdb.args(["--username=enjambre", "--auth=trust", "--no-sync", "--locale=C", "--encoding=UTF8", "-D"]);
        let made = initdb.arg(backend.data()).output().await.unwrap();
        assert!(made.status.success(), "{made:?}");
        backend.run().await;
        backend
    }

    pub(crate) fn database(&self) -> Database {
        self.url().parse().unwrap()
    }

    pub(crate) fn url(&self) -> String {
        let port = self.settings.iter().find_map(|setting| setting.strip_prefix("port=")).unwrap_or("5432");
        format!("postgres://enjambre@/postgres?host={}&port={port}", self.folder.path().display())
    }

    /// The one number `n` that a query gives.
    pub(crate) async fn count(&self, query: &str) -> i64 {
        self.client().await.unwrap().query_one(query, &[]).await.unwrap().get(0)
    }

    pub(crate) async fn execute(&self, statements: &str) {
        self.client().await.unwrap().batch_execute(statements).await.unwrap();
    }

    /// Starts the server, and waits until it answers.
    pub(crate) async fn run(&self) {
        let mut shell = self.command(Path::new("/bin/sh"));
        shell.args(["-c", SUPERVISE, "sh"]).arg(self.programs.join("postgres")).arg("-D").arg(self.data());
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        // What a crash of the machine would lose is not what these tests ask for.
        let usual = ["listen_addresses=", &sockets, "fsync=off", "shared_buffers=16MB"];
        for setting in usual.into_iter().chain(self.settings.iter().map(String::as_str)) {
            shell.args(["-c", setting]);
        }
        let child = shell.stdin(Stdio::piped()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        *self.running.lock().unwrap() = Some(child);
        eventually("the server answers", async || self.client().await).await;
    }

    /// Ends the server as a crash does; its data stay.
    pub(crate) async fn stop(&self) {
        let child = self.running.lock().unwrap().take();
        let mut child = child.expect("it runs");
        drop(child.stdin.take());
        child.wait().await.unwrap();
    }

    async fn client(&self) -> Option<Client> {
        let (client, connection) = tokio_postgres::connect(&self.url(), NoTls).await.ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The server refuses to run as root.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().current_dir(self.folder.path());
        if let Some(user) = unprivileged() {
            command.uid(user).gid(user);
        }
        command
    }
}

/// Where Debian has the programs of the newest server, or where `initdb` is in the path.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<PathBuf> = debian.map(|version| version.path().join("bin")).collect();
    versions.sort_by_key(|bin| bin.parent().and_then(Path::file_name)?.to_str()?.parse::<u32>().ok());
    let path = std::env::var_os("PATH").unwrap_or_default();
    versions.into_iter().rev().chain(std::env::split_paths(&path)).find(|bin| bin.join("initdb").exists())
}

/// Whom to be where one is root: "nobody" by its usual number.
fn unprivileged() -> Option<u32> {
    rustix::process::geteuid().is_root().then_some(65534)
}

/// All tests of this program need the server, so it ends as a whole.
fn skip() -> ! {
    let why = "PostgreSQL is missing (Debian: apt install postgresql)";
    assert!(std::env::var_os("CHECK_STRICT").is_none(), "{why}");
    eprintln!("skipped: {why}");
    std::process::exit(0);
}
