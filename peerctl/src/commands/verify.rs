//! `verify`: a file against its id, without a network. A share is hashed by the daemon, which may read it; a path here.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use proto::control::{self, Failure, FailureCode, Progress, Verified};
use proto::ids::{ByteCount, FileId, FileName};
use serde::Serialize;

use super::paths;
use crate::error::{Outcome, io, usage};
use crate::render::{Bars, Record, opt, safe};
use crate::runner::Context;

/// Bytes hashed between two looks at the time and at Ctrl-C.
const STEP: usize = 1 << 20;

/// Hash a file again and compare: one that this peer shares with its id, any other with the one given
#[derive(Debug, Args)]
#[command(before_help = "Examples:
  peerctl verify ubuntu.iso              what this peer shares under that name
  peerctl verify af1349b9                the same by its id
  peerctl verify ./ubuntu.iso            any file: its id, as `b3sum` says it
  peerctl verify ./ubuntu.iso --id ID    whether it is that content

No network is needed. Content that differs ends with exit status 6.\n")]
pub(crate) struct Verify {
    /// Id, unique prefix or exact name of a file that this peer shares; or a path, which has a `/` in it
    #[arg(value_name = "FILE|PATH", value_hint = ValueHint::AnyPath)]
    file: String,
    /// What the file at a path has to be
    #[arg(long, value_name = "ID")]
    id: Option<FileId>,
}

impl Verify {
    pub(super) async fn run(self, cx: &Context<'_>) -> Outcome {
        let checked = if self.id.is_some() || is_path(&self.file) {
            local(cx, Path::new(&self.file), self.id).await?
        } else {
            share(cx, self.file).await?
        };
        Ok(cx.out.result(&checked, || checked.sentence())?)
    }
}

/// A bare word is a share; `./word` is the file of that name here.
fn is_path(word: &str) -> bool {
    word.contains('/')
}

async fn share(cx: &Context<'_>, word: String) -> Result<Checked, Failure> {
    let bars = Bars::new(cx.out);
    let mut bar = bars.bar(&word);
    let here = PathBuf::from(&word);
    let asked = cx.follow(control::Verify { file: word }, |progress| {
        if let Progress::Hashing { done, total } = progress {
            bar.hashing(done, total);
        }
    });
    let Verified { file_id, name, path, size } = asked.await.map_err(|failure| or_as_path(failure, &here))?;
    Ok(Checked { file_id, name: Some(name), path, size, verified: true })
}

/// A word that names no share may be a file that lies here.
fn or_as_path(failure: Failure, here: &Path) -> Failure {
    let found = matches!(failure.code, FailureCode::NotFound | FailureCode::DaemonUnreachable) && here.is_file();
    if found { failure.hint(format!("the file here is `peerctl verify ./{}`", here.display())) } else { failure }
}

async fn local(cx: &Context<'_>, typed: &Path, expected: Option<FileId>) -> Result<Checked, Failure> {
    let path = paths::absolute(typed)?;
    let bars = Bars::new(cx.out);
    let mut bar = bars.bar(&typed.to_string_lossy());
    let failed = |error: std::io::Error| io("cannot read", typed, &error);
    let mut file = std::fs::File::open(&path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    if !about.is_file() {
        return Err(usage(format!("`{}` is not a regular file", typed.display())));
    }
    let (mut hasher, mut buffer, total) = (blake3::Hasher::new(), vec![0; STEP], ByteCount::new(about.len()));
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => drop(hasher.update(&buffer[..count])),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
        bar.hashing(ByteCount::new(hasher.count()), total);
        // Lets an interrupt in.
        tokio::task::yield_now().await;
    }
    let (file_id, size) = (FileId::from_bytes(*hasher.finalize().as_bytes()), ByteCount::new(hasher.count()));
    match expected {
        Some(expected) if expected != file_id => {
            let message = format!("`{}` is not {expected}: it hashes to {file_id}", typed.display());
            Err(Failure::new(FailureCode::VerificationFailed, message)
                .hint("fetch it again: `peerctl download ID -o PATH --force`"))
        }
        expected => Ok(Checked { file_id, name: None, path, size, verified: expected.is_some() }),
    }
}

/// What was hashed.
#[derive(Serialize)]
struct Checked {
    file_id: FileId,
    /// That of the share.
    name: Option<FileName>,
    path: PathBuf,
    size: ByteCount,
    /// Whether there was an id to compare with: one that differs is a failure.
    verified: bool,
}

impl Checked {
    fn sentence(&self) -> String {
        let path = self.path.to_string_lossy();
        let verified = if self.verified { "verified: " } else { "" };
        format!("{verified}{}  {}  {}", self.file_id, self.size, safe(&path))
    }
}

impl Record for Checked {
    fn json(&self) -> impl Serialize {
        self
    }

    fn plain(&self) -> Vec<String> {
        vec![
            self.file_id.to_string(),
            opt(self.name.as_ref()),
            self.path.to_string_lossy().into_owned(),
            self.size.as_u64().to_string(),
            self.verified.to_string(),
        ]
    }

    fn id(&self) -> String {
        self.file_id.to_string()
    }
}
