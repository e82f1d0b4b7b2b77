//! One line of the URL map: a method on a path, what runs behind it, and what is told about it.
//!
//! The router serves these lines and the OpenAPI document is made of them, so neither knows a path that the other does not.
//! Who has to be logged in is decided by the kind of function behind the line, and a development build stops at an answer that the
//! line does not tell about.

use std::time::Instant;

use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use proto::directory::{Page, ProblemCode};
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};

use super::context::Context;
use super::reply::Outcome;
use crate::error::ApiError;
use crate::handlers::caller::Caller;

/// An answer on its way.
pub(super) type Doing<'a> = BoxFuture<'a, Outcome>;

/// What runs.
pub(super) enum Run {
    /// For whoever asks.
    Anybody(for<'a> fn(&'a mut Context) -> Doing<'a>),
    /// For those who show the token of a running session.
    Caller(for<'a> fn(&'a mut Context, Caller) -> Doing<'a>),
}

/// A line of the map. The text of a body or answer is a whole sentence.
pub(super) struct Endpoint {
    pub(super) method: Method,
    /// With what differs from request to request in braces.
    pub(super) path: &'static str,
    /// Its name in the document: that of the function.
    pub(super) name: &'static str,
    pub(super) summary: &'static str,
    pub(super) query: Option<Described>,
    pub(super) body: Option<Described>,
    /// Request headers that it looks at: name and what for.
    pub(super) headers: Vec<(&'static str, &'static str)>,
    pub(super) answers: Vec<Answer>,
    /// Problems beyond those that follow from the rest of the line.
    refusals: Vec<ProblemCode>,
    /// Whether its answers have an `ETag`.
    pub(super) tagged: bool,
    run: Run,
}

/// A type that goes over the wire, by what the document has to know of it.
#[derive(Clone, Copy)]
pub(super) struct Described {
    pub(super) name: fn() -> String,
    pub(super) schema: fn() -> RefOr<Schema>,
    pub(super) parts: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Described {
    pub(super) fn of<T: ToSchema>() -> Self {
        Self { name: name::<T>, schema: T::schema, parts: T::schemas }
    }
}

/// A page does not name what it is a page of among its parts.
fn parts_of_page<T: ToSchema>(parts: &mut Vec<(String, RefOr<Schema>)>) {
    parts.push((T::name().into_owned(), T::schema()));
    Page::<T>::schemas(parts);
}

/// The name of a type, and of the types that it is made with: `PageOfPeer`.
fn name<T: ToSchema>() -> String {
    match std::any::type_name::<T>().split_once('<') {
        None => T::name().into_owned(),
        Some((outer, inner)) => {
            let last = |path: &'static str| path.trim_end_matches('>').rsplit("::").next().unwrap_or(path);
            format!("{}Of{}", last(outer), last(inner))
        }
    }
}

/// A good answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) says: &'static str,
    /// Media types and what they hold.
    pub(super) content: Vec<(&'static str, Described)>,
}

/// `endpoint!(GET "/path" => function)`, with `open` in front for one that needs no login.
macro_rules! endpoint {
    (open $method:ident $path:literal => $run:ident) => {
        $crate::routes::endpoint::Endpoint::new(
            ::http::Method::$method,
            $path,
            stringify!($run),
            $crate::routes::endpoint::Run::Anybody(|cx| ::std::boxed::Box::pin($run(cx))),
        )
    };
    ($method:ident $path:literal => $run:ident) => {
        $crate::routes::endpoint::Endpoint::new(
            ::http::Method::$method,
            $path,
            stringify!($run),
            $crate::routes::endpoint::Run::Caller(|cx, caller| ::std::boxed::Box::pin($run(cx, caller))),
        )
    };
}
pub(super) use endpoint;

impl Endpoint {
    pub(super) fn new(method: Method, path: &'static str, name: &'static str, run: Run) -> Self {
        Self {
            method,
            path,
            name,
            summary: "",
            query: None,
            body: None,
            headers: Vec::new(),
            answers: Vec::new(),
            refusals: Vec::new(),
            tagged: false,
            run,
        }
    }

    /// What it is for.
    pub(super) fn does(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// What may stand behind the question mark.
    pub(super) fn asks<T: ToSchema>(mut self) -> Self {
        self.query = Some(Described::of::<T>());
        self
    }

    /// A body of JSON.
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(Described::of::<T>());
        self
    }

    pub(super) fn looks_at(mut self, header: &'static str, what_for: &'static str) -> Self {
        self.headers.push((header, what_for));
        self
    }

    /// Answers with JSON.
    pub(super) fn gives<T: ToSchema>(self, status: StatusCode, says: &'static str) -> Self {
        self.gives_as::<T>(status, "application/json", says)
    }

    /// Answers with a page of a listing.
    pub(super) fn lists<T: ToSchema>(mut self) -> Self {
        let page = Described { parts: parts_of_page::<T>, ..Described::of::<Page<T>>() };
        let content = vec![("application/json", page)];
        self.answers.push(Answer { status: StatusCode::OK, says: "A page of them.", content });
        self
    }

    /// Answers in some form; the same status may have several.
    pub(super) fn gives_as<T: ToSchema>(mut self, status: StatusCode, kind: &'static str, says: &'static str) -> Self {
        match self.answers.iter_mut().find(|answer| answer.status == status) {
            Some(answer) => answer.content.push((kind, Described::of::<T>())),
            None => self.answers.push(Answer { status, says, content: vec![(kind, Described::of::<T>())] }),
        }
        self
    }

    /// Answers with nothing but 204.
    pub(super) fn ends(mut self, says: &'static str) -> Self {
        self.answers.push(Answer { status: StatusCode::NO_CONTENT, says, content: Vec::new() });
        self
    }

    /// May answer that what the caller has is still good.
    pub(super) fn tagged(mut self) -> Self {
        self.tagged = true;
        let says = "What the caller has is still good.";
        self.answers.push(Answer { status: StatusCode::NOT_MODIFIED, says, content: Vec::new() });
        self.looks_at("If-None-Match", "The `ETag` of an answer that the caller still has.")
    }

    pub(super) fn refuses(mut self, codes: &[ProblemCode]) -> Self {
        self.refusals.extend(codes);
        self
    }

    /// Whether it takes a token.
    pub(super) fn needs_login(&self) -> bool {
        matches!(self.run, Run::Caller(_))
    }

    /// Every problem that it may answer with, each once.
    pub(super) fn problems(&self) -> Vec<ProblemCode> {
        use ProblemCode::{
            Internal, Malformed, NotFound, OutOfSpace, TooLarge, TooMany, Unauthenticated, Unavailable,
            UnsupportedMediaType,
        };
        let mut codes = self.refusals.clone();
        if self.needs_login() {
            codes.extend([Unauthenticated, TooMany, Unavailable, Internal]);
            if self.method != Method::GET {
                codes.push(OutOfSpace);
            }
        }
        if self.query.is_some() {
            codes.push(Malformed);
        }
        if self.body.is_some() {
            codes.extend([Malformed, TooLarge, UnsupportedMediaType]);
        }
        if self.path.contains('{') {
            codes.push(NotFound);
        }
        codes.sort_by_key(|code| (code.status(), code.as_str()));
        codes.dedup();
        codes
    }

    /// Does it. Who may is decided first: by the token, then by how much the session has asked of late.
    pub(super) async fn run(&self, cx: &mut Context) -> Outcome {
        let outcome = self.run_untold(cx).await;
        debug_assert!(self.tells_of(&outcome), "{} {} answers with {outcome:?}", self.method, self.path);
        outcome
    }

    async fn run_untold(&self, cx: &mut Context) -> Outcome {
        match self.run {
            Run::Anybody(run) => run(cx).await,
            Run::Caller(run) => {
                let caller = cx.caller().await?;
                cx.app.rates.take(&caller.token_hash, Instant::now()).map_err(ApiError::too_fast)?;
                run(cx, caller).await
            }
        }
    }

    fn tells_of(&self, outcome: &Outcome) -> bool {
        match outcome {
            Ok(response) => self.answers.iter().any(|answer| answer.status == response.status()),
            Err(ApiError { code, .. }) => self.problems().contains(code),
        }
    }
}
