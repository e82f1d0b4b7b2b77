//! Which route a path belongs to, for the figures: paths have ids in them, and strangers can ask for any.

/// The route of a path, with what differs from request to request in braces; `other` for what is no path of ours.
pub(super) fn of(path: &str) -> &'static str {
    match path.strip_prefix("/api/v1/") {
        Some(rest) => versioned(rest),
        None => match path {
            "/" => "/",
            "/healthz" => "/healthz",
            "/readyz" => "/readyz",
            "/version" => "/version",
            "/openapi.json" => "/openapi.json",
            "/docs" => "/docs",
            _ => OTHER,
        },
    }
}

const OTHER: &str = "other";

fn versioned(path: &str) -> &'static str {
    let mut words = path.split('/');
    match [words.next(), words.next(), words.next(), words.next()] {
        [Some("peers"), None, ..] => "/peers",
        [Some("peers"), Some("challenge"), None, _] => "/peers/challenge",
        [Some("peers"), Some(_), None, _] => "/peers/{peer}",
        [Some("peers"), Some(_), Some("heartbeat"), None] => "/peers/{peer}/heartbeat",
        [Some("peers"), Some(_), Some("files"), None] => "/peers/{peer}/files",
        [Some("files"), None, ..] => "/files",
        [Some("files"), Some(_), None, _] => "/files/{file}",
        [Some("files"), Some(_), Some("holders"), None] => "/files/{file}/holders",
        [Some("sessions"), None, ..] => "/sessions",
        [Some("sessions"), Some("current"), None, _] => "/sessions/current",
        [Some("sessions"), Some(_), None, _] => "/sessions/{session}",
        [Some("users"), None, ..] => "/users",
        [Some("users"), Some(_), None, _] => "/users/{user}",
        [Some("users"), Some(_), Some("password"), None] => "/users/{user}/password",
        [Some("events"), None, ..] => "/events",
        [Some("stats"), None, ..] => "/stats",
        [Some("keys"), None, ..] => "/keys",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_left_out() {
        assert_eq!(of("/api/v1/peers/abc/heartbeat"), "/peers/{peer}/heartbeat");
        assert_eq!(of("/api/v1/peers/challenge"), "/peers/challenge");
        assert_eq!(of("/api/v1/files/abc/holders"), "/files/{file}/holders");
        assert_eq!(of("/api/v1/users/ana"), "/users/{user}");
        assert_eq!(of("/readyz"), "/readyz");
    }

    #[test]
    fn what_is_not_ours_is_one_route() {
        for path in ["", "/x", "/api/v1/x", "/api/v1/peers/a/b", "/api/v1/files/a/holders/b", "/api/v2/peers", "*"] {
            assert_eq!(of(path), OTHER, "{path}");
        }
    }
}
