//! `upload`: shares files, and with `--recursive` the files in folders; one request and one line of output for each.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use futures_util::{Stream, StreamExt, stream};
use proto::control::{self, Failure, FailureCode, Progress, Uploaded};
use proto::ids::{ByteCount, FileId, FileName, Malformed, SourceUrl};
use proto::simulated::Simulated;
use serde::Serialize;

use super::paths::{self, Found};
use crate::error::{Outcome, Trouble, usage};
use crate::render::{Bars, Record, safe};
use crate::runner::Context;

/// How many files are under way at once: while one is announced, the next is hashed.
const AT_ONCE: usize = 4;

/// Share files: they are hashed and announced; they stay where they are
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl upload ubuntu.iso
  peerctl upload build/out.img --name nightly.img
  peerctl upload --recursive ./dataset
  peerctl upload --simulated film.mkv --url https://example.org/film.mkv\n")]
pub(crate) struct Upload {
    /// Files to share; with --simulated, the name of one
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,
    /// Share the one file under another name
    #[arg(long, conflicts_with = "recursive")]
    name: Option<FileName>,
    /// Share the files in folders too; symbolic links are left out
    #[arg(long)]
    recursive: bool,
    /// Share a name and a URL without content
    #[arg(long, requires = "url", conflicts_with_all = ["name", "recursive"])]
    simulated: bool,
    /// Where a simulated file is said to come from
    #[arg(long, requires = "simulated")]
    url: Option<SourceUrl>,
    /// How large a simulated file is said to be
    #[arg(long, requires = "simulated", default_value = "1MiB")]
    size: ByteCount,
}

impl Upload {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        if let Some(url) = &self.url {
            let file = Simulated { name: self.only_name()?, url: url.clone(), size: self.size };
            let uploaded = cx.ask(file).await?;
            return Ok(show(cx, &uploaded)?);
        }
        if self.name.is_some() && self.paths.len() > 1 {
            return Err(usage("--name goes with one file").hint("share them one by one to give them names").into());
        }
        let bars = Bars::new(cx.out);
        cx.goes_on("the daemon still finishes the file it is at; `peerctl list-files --mine` shows what is shared");
        let files = stream::iter(self.paths.iter().flat_map(|path| found(path, self.recursive))).then(breathe);
        let results = shared(cx, &bars, self.name.as_ref(), files);
        futures_util::pin_mut!(results);
        let mut failures = Vec::new();
        while let Some(result) = results.next().await {
            match result {
                Ok(None) => (),
                Ok(Some(uploaded)) => bars.aside(|| show(cx, &uploaded))?,
                // The rest would fail in the same way.
                Err(failure) if failure.code == FailureCode::DaemonUnreachable => return Err(failure.into()),
                Err(failure) => failures.push(failure),
            }
        }
        Trouble::unless_empty(failures)
    }
}

impl Upload {
    /// The name of a simulated file.
    fn only_name(&self) -> Result<FileName, Failure> {
        let [name] = self.paths.as_slice() else { return Err(usage("--simulated shares one file at a time")) };
        let name = name.to_str().ok_or_else(|| usage("the name is not UTF-8"))?;
        name.parse().map_err(|malformed: Malformed| usage(malformed.to_string()))
    }
}

/// Lets an interrupt in between two steps of a walk.
async fn breathe(found: Found) -> Found {
    tokio::task::yield_now().await;
    found
}

/// What a typed path stands for.
fn found(typed: &Path, recursive: bool) -> Box<dyn Iterator<Item = Found>> {
    let path = match paths::absolute(typed) {
        Ok(path) => path,
        Err(failure) => return Box::new(std::iter::once(Found::Failed(failure))),
    };
    match (path.is_dir(), recursive) {
        (true, true) => Box::new(paths::walk(path)),
        (true, false) => {
            let failure = usage(format!("`{}` is a folder", typed.display()));
            Box::new(std::iter::once(Found::Failed(failure.hint("--recursive shares the files in it"))))
        }
        // Whether it can be shared is for the daemon to say: it may run as somebody else.
        (false, _) => Box::new(std::iter::once(Found::File(path))),
    }
}

fn shared(
    cx: &Context<'_>,
    bars: &Bars,
    name: Option<&FileName>,
    files: impl Stream<Item = Found>,
) -> impl Stream<Item = Result<Option<Uploaded>, Failure>> {
    files
        .map(move |found| async move {
            match found {
                Found::File(path) => share(cx, bars, &path, name.cloned()).await.map(Some),
                Found::Failed(failure) => Err(failure),
                Found::Folder => Ok(None),
                Found::Skipped(why) => {
                    bars.aside(|| cx.out.warn(&why));
                    Ok(None)
                }
            }
        })
        .buffered(AT_ONCE)
}

async fn share(cx: &Context<'_>, bars: &Bars, path: &Path, name: Option<FileName>) -> Result<Uploaded, Failure> {
    // The daemon's own sentence names the file; a path from a folder has to be usable at all.
    let path = paths::absolute(path)?;
    let shown = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mut bar = bars.bar(&shown);
    cx.follow(control::Upload { path, name }, |progress| {
        if let Progress::Hashing { done, total } = progress {
            bar.hashing(done, total);
        }
    })
    .await
}

fn show(cx: &Context<'_>, uploaded: &Uploaded) -> Result<(), Failure> {
    cx.out.result(&UploadedRecord(uploaded), || {
        let mark = if uploaded.simulated { " (simulated)" } else { "" };
        format!("shared{mark} {}  {}  {}", safe(uploaded.name.as_str()), uploaded.size, uploaded.file_id)
    })?;
    if !uploaded.announced {
        cx.out.note("the directory does not know it yet; it will be told as soon as it answers");
    }
    Ok(())
}

struct UploadedRecord<'a>(&'a Uploaded);

impl Record for UploadedRecord<'_> {
    fn json(&self) -> impl Serialize {
        #[derive(Serialize)]
        struct Json<'a> {
            file_id: FileId,
            name: &'a FileName,
            size: ByteCount,
            simulated: bool,
        }
        let Uploaded { file_id, name, size, simulated, .. } = self.0;
        Json { file_id: *file_id, name, size: *size, simulated: *simulated }
    }

    fn plain(&self) -> Vec<String> {
        let Uploaded { file_id, name, size, simulated, .. } = self.0;
        vec![file_id.to_string(), name.to_string(), size.as_u64().to_string(), simulated.to_string()]
    }

    fn id(&self) -> String {
        self.0.file_id.to_string()
    }
}
