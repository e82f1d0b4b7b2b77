//! The border where errors of the daemon become failures of a request: a code from the closed list, a sentence, and the
//! next step.

use proto::control::{Failure, FailureCode};
use proto::directory::ProblemCode;
use proto::ids::TransferId;

use crate::directory::ClientError;
use crate::directory::resolve::Unresolved;
use crate::mailbox::Away;
use crate::shares::actor::NotShared;
use crate::shares::scan::Unshareable;
use crate::store::part::BadDestination;
use crate::transfers::download::outcome::destination_code;
use crate::transfers::manager::NotSet;

/// Nobody is logged in.
pub(super) fn not_logged_in() -> Failure {
    Failure::new(FailureCode::NotLoggedIn, "not logged in at the directory").hint("log in with `peerctl login USER`")
}

/// A part of the daemon is not there at the moment.
pub(super) fn away(_: Away) -> Failure {
    Failure::new(FailureCode::Busy, "a part of the daemon is being restarted")
        .hint("try again; `peerctl status` shows its parts")
}

/// A call to the directory came to nothing.
pub(super) fn directory(error: &ClientError) -> Failure {
    let unreachable = |error: &ClientError| {
        Failure::new(FailureCode::DirectoryUnreachable, format!("the directory does not answer: {error}"))
            .hint("peerd keeps trying; `peerctl status` shows since when")
    };
    let ClientError::Refused(problem) = error else { return unreachable(error) };
    let code = match problem.code {
        ProblemCode::Unauthenticated => return not_logged_in(),
        ProblemCode::BadCredentials => FailureCode::BadCredentials,
        ProblemCode::Forbidden => FailureCode::Forbidden,
        ProblemCode::NotFound | ProblemCode::NotRegistered | ProblemCode::Gone => FailureCode::NotFound,
        ProblemCode::Conflict | ProblemCode::Superseded => FailureCode::Conflict,
        ProblemCode::TooMany | ProblemCode::Unavailable => FailureCode::Busy,
        ProblemCode::OutOfSpace => FailureCode::OutOfSpace,
        ProblemCode::Malformed
        | ProblemCode::BadProof
        | ProblemCode::MethodNotAllowed
        | ProblemCode::LengthRequired
        | ProblemCode::TooLarge
        | ProblemCode::UnsupportedMediaType
        | ProblemCode::Internal
        | ProblemCode::Unknown => FailureCode::Internal,
    };
    Failure::new(code, format!("{} (request {})", problem.detail, problem.request_id))
}

/// A word names nothing usable.
pub(super) fn unresolved(what: &str, word: &str, error: &Unresolved) -> Failure {
    let word = word.escape_debug();
    match error {
        Unresolved::Nothing => Failure::new(FailureCode::NotFound, format!("no {what} is called `{word}`"))
            .hint(format!("`peerctl list-{what}s` shows what there is; an id may be cut to 6 digits")),
        Unresolved::Ambiguous(candidates) => {
            Failure::new(FailureCode::Ambiguous, format!("`{word}` means more than one {what}"))
                .hint("name the one you mean by its id")
                .candidates(candidates.clone())
        }
        Unresolved::Client(error) => directory(error),
    }
}

/// The same with names that may have been meant.
pub(super) fn suggest(failure: Failure, names: impl Iterator<Item = String>) -> Failure {
    let quoted: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match quoted.split_last() {
        None => failure,
        Some((one, [])) => failure.hint(format!("did you mean {one}?")),
        Some((last, others)) => failure.hint(format!("did you mean {} or {last}?", others.join(", "))),
    }
}

/// The peer that was asked knows the file, but nobody who has it.
pub(super) fn no_holders(via: &str) -> Failure {
    let via = via.escape_debug();
    Failure::new(FailureCode::NotFound, format!("peer {via} knows nobody who holds that file"))
        .hint("`connect directory` asks the directory instead")
}

/// A file is not shared, or not unshared.
pub(super) fn not_shared(error: &NotShared) -> Failure {
    let text = error.to_string();
    match error {
        NotShared::Unshareable(Unshareable::Io { error, .. }) => match error.kind() {
            std::io::ErrorKind::NotFound => Failure::new(FailureCode::NotFound, text),
            std::io::ErrorKind::InvalidInput => Failure::new(FailureCode::Usage, text),
            std::io::ErrorKind::PermissionDenied => {
                Failure::new(FailureCode::Io, text).hint("peerd reads the file itself: its user needs permission")
            }
            _ => Failure::new(FailureCode::Io, text),
        },
        NotShared::Unshareable(Unshareable::Name(_) | Unshareable::TooLarge { .. }) => {
            Failure::new(FailureCode::Usage, text)
        }
        NotShared::Unshareable(Unshareable::Changing(_)) => Failure::new(FailureCode::Conflict, text),
        NotShared::State(_) => Failure::new(FailureCode::Io, text),
        NotShared::Unknown => Failure::new(FailureCode::NotFound, text),
    }
}

/// A download cannot go there.
pub(super) fn destination(error: &BadDestination) -> Failure {
    let failure = Failure::new(destination_code(error), error.to_string());
    match error {
        BadDestination::Taken(_) => failure.hint("choose another place with -o, or replace it with --force"),
        BadDestination::Busy(_) => failure.hint("`peerctl transfers` shows what is under way"),
        BadDestination::NoRoom { .. } => failure.hint("make room, or choose another place with -o"),
        BadDestination::Io { .. } => failure,
    }
}

/// There is no transfer of that number.
pub(super) fn unknown_transfer(id: TransferId) -> Failure {
    Failure::new(FailureCode::NotFound, format!("there is no transfer {id}")).hint("`peerctl transfers` shows them all")
}

/// A transfer is neither paused nor resumed.
pub(super) fn not_set(id: TransferId, error: &NotSet) -> Failure {
    match error {
        NotSet::Unknown => unknown_transfer(id),
        NotSet::Over(transfer) => {
            Failure::new(FailureCode::Conflict, format!("transfer {id} has ended: it is {}", transfer.state))
                .hint("`peerctl download` fetches the file again")
        }
        NotSet::State(_) => Failure::new(FailureCode::Io, error.to_string()),
        NotSet::Between => Failure::new(FailureCode::Busy, format!("transfer {id}: {error}")),
    }
}
