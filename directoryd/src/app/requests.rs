//! What is counted of requests: how many, how long they took, how they ended, how many were shed.

use std::time::Duration;

use http::{Method, StatusCode};
use monitor::figure::{self, LATENCIES};
use monitor::{Counters, Gauge, Histograms, Occupied, Page};

/// Why requests are shed: each is on the page from the start, so that a first one is seen as a rise.
const SHED: [&str; 3] = ["too_many", "unavailable", "full_disk"];

/// Figures of the requests.
pub(crate) struct Requests {
    answered: Histograms,
    open: Gauge,
    shed: Counters,
}

impl Requests {
    pub(crate) fn new() -> Self {
        let shed = figure::counters(
            "directoryd_http_requests_shed_total",
            "Requests refused for what they would cost: too_many of one caller, unavailable now, full_disk.",
            &["reason"],
        );
        for reason in SHED {
            shed.with_label_values(&[reason]).reset();
        }
        Self {
            answered: figure::histograms(
                "directoryd_http_request_duration_seconds",
                "Time from the head of a request to the head of its answer, by route, method and class of status.",
                LATENCIES,
                &["route", "method", "status"],
            ),
            open: figure::gauge(
                "directoryd_http_requests_open",
                "Requests that have not got the head of their answer.",
            ),
            shed,
        }
    }

    pub(crate) fn show(&self, page: &Page) {
        page.show(self.answered.clone());
        page.show(self.open.clone());
        page.show(self.shed.clone());
    }

    /// A request has come; it is open as long as this lives.
    pub(crate) fn begin(&self) -> Occupied {
        Occupied::one(&self.open)
    }

    /// `route` is a template and no path: paths have ids in them.
    pub(crate) fn answered(&self, route: &'static str, method: &Method, status: StatusCode, took: Duration) {
        let labels = [route, known(method), class(status)];
        self.answered.with_label_values(&labels).observe(figure::seconds(took));
        if let Some(reason) = shed(status) {
            self.shed.with_label_values(&[reason]).inc();
        }
    }
}

/// Anybody can make up a method.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

fn shed(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::TOO_MANY_REQUESTS => Some(SHED[0]),
        StatusCode::SERVICE_UNAVAILABLE => Some(SHED[1]),
        StatusCode::INSUFFICIENT_STORAGE => Some(SHED[2]),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_callers_make_up_is_one_label() {
        let (page, requests) = (Page::new("directoryd", "0"), Requests::new());
        requests.show(&page);
        for number in 0..50 {
            let method = Method::from_bytes(format!("BREW{number}").as_bytes()).unwrap();
            requests.answered("other", &method, StatusCode::METHOD_NOT_ALLOWED, Duration::from_millis(1));
        }
        requests.answered("/readyz", &Method::GET, StatusCode::SERVICE_UNAVAILABLE, Duration::from_millis(1));
        let text = page.text();
        let counted =
            "directoryd_http_request_duration_seconds_count{method=\"other\",route=\"other\",status=\"4xx\"} 50\n";
        assert!(text.contains(counted) && !text.contains("BREW"), "{text}");
        assert!(text.contains("directoryd_http_requests_shed_total{reason=\"unavailable\"} 1\n"), "{text}");
    }

    #[test]
    fn a_request_is_open_until_it_is_dropped() {
        let requests = Requests::new();
        let open = requests.begin();
        assert_eq!(requests.open.get(), 1);
        drop(open);
        assert_eq!(requests.open.get(), 0);
    }
}
