//! How it is with the directory, and what to do next: a state machine without clock, network or luck of its own.
//!
//! ```text
//! logged out ──login──▶ connecting ──registered──▶ connected
//!      ▲                    ▲  │                       │
//!      └──session ended──── │  └──────no answer────────┴──▶ unreachable ──retry──▶ (where it was)
//! ```

use std::time::Duration;

use proto::Timestamp;
use proto::control::{DirectoryState, DirectoryStatus};
use proto::directory::ProblemCode;

use super::client::ClientError;

/// First and longest pause between attempts; a random part of the pause is waited ("full jitter"), so that peers that
/// lost their directory together do not come back together.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// What happened.
#[derive(Debug)]
pub enum Fact<'a> {
    /// The daemon starts, with or without a token from before.
    Started {
        /// Whether there is a token.
        token: bool,
    },
    /// A login was answered with a token.
    LoggedIn,
    /// The peer is registered.
    Registered,
    /// A heartbeat, or an exchange of shares, was answered.
    Answered,
    /// A call came to nothing.
    Failed(&'a ClientError),
    /// The user logged out.
    LoggedOut,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nothing.
    Rest,
    /// Log in with the configured password.
    LogIn,
    /// Register the peer.
    Register,
    /// Wait, then do what is due.
    Retry(Duration),
}

/// How it is with the directory.
#[derive(Debug, Clone)]
pub struct Session {
    state: DirectoryState,
    since: Timestamp,
    problem: Option<String>,
    attempts: u32,
    registered: bool,
    has_password: bool,
}

impl Session {
    /// Before anything was tried. `has_password`: the daemon can log in by itself.
    pub fn new(has_password: bool, now: Timestamp) -> Self {
        Self {
            state: DirectoryState::LoggedOut,
            since: now,
            problem: None,
            attempts: 0,
            registered: false,
            has_password,
        }
    }

    /// As `status` shows it.
    pub fn status(&self, url: &str) -> DirectoryStatus {
        DirectoryStatus { url: url.to_owned(), state: self.state, since: self.since, problem: self.problem.clone() }
    }

    /// Whether the directory knows this start of the peer.
    pub fn registered(&self) -> bool {
        self.registered
    }

    /// Takes a fact in. `luck` is a random number from 0 to 1.
    pub fn on(&mut self, fact: &Fact<'_>, now: Timestamp, luck: f64) -> Next {
        match fact {
            Fact::Started { token: true } | Fact::LoggedIn => {
                self.registered = false;
                self.enter(DirectoryState::Connecting, None, now);
                Next::Register
            }
            Fact::Started { token: false } => self.without_token(None, now),
            Fact::Registered | Fact::Answered => {
                self.registered |= matches!(fact, Fact::Registered);
                self.attempts = 0;
                if self.registered {
                    self.enter(DirectoryState::Connected, None, now);
                }
                Next::Rest
            }
            Fact::LoggedOut => {
                self.registered = false;
                self.enter(DirectoryState::LoggedOut, None, now);
                Next::Rest
            }
            Fact::Failed(error) => self.failed(error, now, luck),
        }
    }

    fn failed(&mut self, error: &ClientError, now: Timestamp, luck: f64) -> Next {
        match error {
            ClientError::NoAnswer { retry_after, .. } => {
                self.enter(DirectoryState::Unreachable, Some(error.to_string()), now);
                Next::Retry(self.pause(*retry_after, luck))
            }
            ClientError::Nonsense(_) => {
                self.enter(DirectoryState::Unreachable, Some(error.to_string()), now);
                Next::Retry(LONGEST_PAUSE.mul_f64(luck.clamp(0.5, 1.0)))
            }
            ClientError::Refused(problem) => match problem.code {
                ProblemCode::NotRegistered => {
                    self.registered = false;
                    self.enter(DirectoryState::Connecting, None, now);
                    Next::Register
                }
                ProblemCode::Unauthenticated => {
                    self.registered = false;
                    self.without_token(Some("the session has ended: log in again".into()), now)
                }
                // A newer instance has the key, and fighting over it would help nobody.
                ProblemCode::Superseded => {
                    self.registered = false;
                    self.enter(DirectoryState::LoggedOut, Some(problem.detail.clone()), now);
                    Next::Rest
                }
                _ => {
                    self.registered = false;
                    self.enter(DirectoryState::LoggedOut, Some(problem.detail.clone()), now);
                    // An account that is made later must find its peer; a person would be asked again anyway.
                    if self.has_password {
                        Next::Retry(LONGEST_PAUSE.mul_f64(luck.clamp(0.5, 1.0)))
                    } else {
                        Next::Rest
                    }
                }
            },
        }
    }

    fn without_token(&mut self, problem: Option<String>, now: Timestamp) -> Next {
        if self.has_password {
            self.enter(DirectoryState::Connecting, problem, now);
            Next::LogIn
        } else {
            self.enter(DirectoryState::LoggedOut, problem, now);
            Next::Rest
        }
    }

    fn pause(&mut self, at_least: Option<Duration>, luck: f64) -> Duration {
        let ceiling = FIRST_PAUSE.saturating_mul(1 << self.attempts.min(10)).min(LONGEST_PAUSE);
        self.attempts = self.attempts.saturating_add(1);
        ceiling.mul_f64(luck.clamp(0.05, 1.0)).max(at_least.unwrap_or_default())
    }

    /// `since` is the time of the last change, so that "unreachable since" does not move with each attempt.
    fn enter(&mut self, state: DirectoryState, problem: Option<String>, now: Timestamp) {
        if self.state != state {
            self.since = now;
            self.state = state;
        }
        self.problem = problem;
    }
}

#[cfg(test)]
mod tests {
    use proto::directory::Problem;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn no_answer() -> ClientError {
        ClientError::NoAnswer { why: "connection refused".into(), retry_after: None }
    }

    fn refused(code: ProblemCode) -> ClientError {
        ClientError::Refused(Box::new(Problem {
            kind: String::new(),
            title: String::new(),
            status: code.status(),
            detail: "because".into(),
            code,
            request_id: String::new(),
        }))
    }

    fn connected(has_password: bool) -> Session {
        let mut session = Session::new(has_password, at(0));
        assert_eq!(session.on(&Fact::Started { token: true }, at(1), 0.5), Next::Register);
        assert_eq!(session.on(&Fact::Registered, at(2), 0.5), Next::Rest);
        session
    }

    #[test]
    fn unreachable_since_the_first_failure() {
        let mut session = connected(false);
        for second in 3..9 {
            assert!(matches!(session.on(&Fact::Failed(&no_answer()), at(second), 0.5), Next::Retry(_)));
        }
        let status = session.status("u");
        assert_eq!((status.state, status.since), (DirectoryState::Unreachable, at(3)));
        assert!(session.registered(), "an outage does not undo the registration");
        session.on(&Fact::Answered, at(10), 0.5);
        assert_eq!(session.status("u").state, DirectoryState::Connected);
    }

    #[test]
    fn pauses_grow_with_full_jitter_up_to_half_a_minute() {
        let mut session = Session::new(true, at(0));
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let Next::Retry(pause) = session.on(&Fact::Failed(&no_answer()), at(1), 1.0) else { panic!() };
            pauses.push(pause);
        }
        assert_eq!((pauses[0], pauses[1], pauses[8]), (FIRST_PAUSE, FIRST_PAUSE * 2, LONGEST_PAUSE));
        let told = ClientError::NoAnswer { why: String::new(), retry_after: Some(Duration::from_secs(90)) };
        assert_eq!(session.on(&Fact::Failed(&told), at(1), 0.0), Next::Retry(Duration::from_secs(90)));
    }

    #[test]
    fn an_ended_session_is_renewed_where_it_can_be() {
        let ended = refused(ProblemCode::Unauthenticated);
        assert_eq!(connected(true).on(&Fact::Failed(&ended), at(3), 0.5), Next::LogIn);
        let mut alone = connected(false);
        assert_eq!(alone.on(&Fact::Failed(&ended), at(3), 0.5), Next::Rest);
        let status = alone.status("u");
        assert_eq!(status.state, DirectoryState::LoggedOut);
        assert!(status.problem.unwrap().contains("log in again"));
    }

    #[test]
    fn forgotten_peers_register_again_and_superseded_ones_do_not() {
        let mut session = connected(true);
        assert_eq!(session.on(&Fact::Failed(&refused(ProblemCode::NotRegistered)), at(3), 0.5), Next::Register);
        assert_eq!(session.on(&Fact::Registered, at(4), 0.5), Next::Rest);
        assert_eq!(session.on(&Fact::Failed(&refused(ProblemCode::Superseded)), at(5), 0.5), Next::Rest);
        assert!(!session.registered());
    }

    #[test]
    fn an_account_made_later_is_found() {
        let mut session = Session::new(true, at(0));
        assert_eq!(session.on(&Fact::Started { token: false }, at(1), 0.5), Next::LogIn);
        let wrong = refused(ProblemCode::BadCredentials);
        assert!(matches!(session.on(&Fact::Failed(&wrong), at(2), 0.5), Next::Retry(_)));
        assert_eq!(session.status("u").problem.as_deref(), Some("because"));
    }
}
