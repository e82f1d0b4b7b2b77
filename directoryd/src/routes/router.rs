//! From a path to the lines of the map that it has: a path matches as a whole or not at all.

use std::sync::LazyLock;

use http::Method;
use proto::directory::SessionId;
use proto::ids::{FileId, PeerId, UserName};

use super::endpoint::Endpoint;

/// Most segments that a path of ours has.
const MOST_SEGMENTS: usize = 5;

/// All that is served, in the order in which it is looked through: what peers call most stands first.
pub(super) static MAP: LazyLock<Vec<Route>> = LazyLock::new(|| grouped(super::endpoints()));

/// A path and what can be done with it.
pub(super) struct Route {
    pub(super) path: &'static str,
    segments: Vec<Segment>,
    pub(super) endpoints: Vec<Endpoint>,
}

enum Segment {
    Word(&'static str),
    Peer,
    File,
    Session,
    User,
}

/// What stands in a path where its template has braces. No path has two of them.
#[derive(Debug, Clone, Default)]
pub(super) enum Param {
    #[default]
    None,
    Peer(PeerId),
    File(FileId),
    Session(SessionId),
    User(UserName),
}

/// The route of a path; `None` where none is ours, or where what stands for an id or a name is none.
pub(super) fn find(path: &str) -> Option<(&'static Route, Param)> {
    let (mut words, mut count) = ([""; MOST_SEGMENTS], 0);
    for word in path.strip_prefix('/')?.split('/') {
        *words.get_mut(count)? = word;
        count += 1;
    }
    MAP.iter().find_map(|route| Some((route, route.matches(&words[..count])?)))
}

impl Route {
    fn new(path: &'static str) -> Self {
        let segment = |text: &'static str| match text {
            "{peer_id}" => Segment::Peer,
            "{file_id}" => Segment::File,
            "{session_id}" => Segment::Session,
            "{name}" => Segment::User,
            word => Segment::Word(word),
        };
        Self { path, segments: path.split('/').skip(1).map(segment).collect(), endpoints: Vec::new() }
    }

    fn matches(&self, words: &[&str]) -> Option<Param> {
        if words.len() != self.segments.len() {
            return None;
        }
        let mut param = Param::None;
        for (segment, word) in self.segments.iter().zip(words) {
            match segment {
                Segment::Word(expected) if expected == word => {}
                Segment::Word(_) => return None,
                Segment::Peer => param = Param::Peer(word.parse().ok()?),
                Segment::File => param = Param::File(word.parse().ok()?),
                Segment::Session => param = Param::Session(word.parse().ok()?),
                Segment::User => param = Param::User(word.parse().ok()?),
            }
        }
        Some(param)
    }

    /// What a method does here. Whoever asks for the head of an answer gets that of GET.
    pub(super) fn endpoint(&self, method: &Method) -> Option<&Endpoint> {
        // hyper leaves out the body of an answer to HEAD.
        let method = if *method == Method::HEAD { &Method::GET } else { method };
        self.endpoints.iter().find(|endpoint| endpoint.method == *method)
    }

    /// As `Allow` has it.
    pub(super) fn methods(&self) -> String {
        self.endpoints.iter().map(|endpoint| endpoint.method.as_str()).collect::<Vec<_>>().join(", ")
    }

    /// Names it in the figures: paths have ids in them, and strangers can ask for any.
    pub(super) fn label(&self) -> &'static str {
        self.path.strip_prefix("/api/v1").unwrap_or(self.path)
    }
}

fn grouped(endpoints: Vec<Endpoint>) -> Vec<Route> {
    let mut routes: Vec<Route> = Vec::new();
    for endpoint in endpoints {
        let known = routes.iter().position(|route| route.path == endpoint.path);
        let place = known.unwrap_or_else(|| {
            routes.push(Route::new(endpoint.path));
            routes.len() - 1
        });
        routes[place].endpoints.push(endpoint);
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Option<&'static str> {
        find(path).map(|(route, _)| route.path)
    }

    #[test]
    fn a_path_has_one_route() {
        let (peer, file) = ("a".repeat(32), "0".repeat(64));
        for (path, expected) in [
            ("/".to_owned(), "/"),
            ("/readyz".to_owned(), "/readyz"),
            (format!("/api/v1/peers/{peer}/heartbeat"), "/api/v1/peers/{peer_id}/heartbeat"),
            (format!("/api/v1/peers/{peer}"), "/api/v1/peers/{peer_id}"),
            ("/api/v1/peers/challenge".to_owned(), "/api/v1/peers/challenge"),
            (format!("/api/v1/files/{file}/holders"), "/api/v1/files/{file_id}/holders"),
            ("/api/v1/users/challenge".to_owned(), "/api/v1/users/{name}"),
            ("/api/v1/sessions/current".to_owned(), "/api/v1/sessions/current"),
        ] {
            assert_eq!(route(&path), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_is_not_ours_has_none() {
        for path in [
            "",
            "x",
            "*",
            "/x",
            "/api",
            "/api/v1",
            "/api/v1/",
            "/api/v1/x",
            "/api/v1/peers/",
            "/api/v1/peers/a",
            "/api/v1/files/a/holders/b/c",
            "/api/v2/peers",
            "//",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
    }

    #[test]
    fn every_line_can_be_reached() {
        for (number, route) in MAP.iter().enumerate() {
            assert!(route.segments.len() <= MOST_SEGMENTS, "{}", route.path);
            // A word in braces that is none of ours would only match itself.
            assert!(!route.segments.iter().any(|part| matches!(part, Segment::Word(word) if word.contains('{'))));
            let path = route.path.replace("{peer_id}", &"a".repeat(32)).replace("{file_id}", &"0".repeat(64));
            let path = path.replace("{session_id}", &"0".repeat(32)).replace("{name}", "ana");
            let found = find(&path).unwrap();
            assert!(std::ptr::eq(found.0, &raw const MAP[number]), "{path} leads to {}", found.0.path);
        }
    }
}
