//! One trace from a command through every program that it goes through, told to a collector of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

use crate::world::{World, content, eventually, write};

/// A span as the collector got it.
#[derive(Debug, Clone)]
struct Told {
    /// Program and instance.
    by: (String, String),
    trace: Vec<u8>,
    span: Vec<u8>,
    parent: Vec<u8>,
    name: String,
}

/// Takes OTLP over HTTP, as any collector does.
struct Collector {
    address: SocketAddr,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, told) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let keep = Arc::clone(&told);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let told = take(&stream);
                keep.lock().unwrap().extend(told);
            }
        });
        Self { address, told }
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn told(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }
}

/// One request: its spans, and an answer that all were taken.
fn take(mut stream: &TcpStream) -> Vec<Told> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_lowercase()),
        }
    }
    assert!(head[0].starts_with("post /v1/traces http/1.1"), "{head:?}");
    assert!(head.contains(&"content-type: application/x-protobuf".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n").unwrap();
    let request = ExportTraceServiceRequest::decode(body.as_slice()).unwrap();
    let mut told = Vec::new();
    for resource in request.resource_spans {
        let by =
            (said(resource.resource.as_ref(), "service.name"), said(resource.resource.as_ref(), "service.instance.id"));
        for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
            let (trace, id, parent) = (span.trace_id, span.span_id, span.parent_span_id);
            told.push(Told { by: by.clone(), trace, span: id, parent, name: span.name });
        }
    }
    told
}

fn said(resource: Option<&Resource>, key: &str) -> String {
    let value = resource.unwrap().attributes.iter().find(|attribute| attribute.key == key);
    match value.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

/// Whether every span but the first has its parent among the others.
fn is_whole(told: &[Told]) -> bool {
    let spans: BTreeSet<&[u8]> = told.iter().map(|span| span.span.as_slice()).collect();
    let ends = told.iter().filter(|span| span.parent.is_empty()).count();
    ends == 1 && told.iter().all(|span| span.parent.is_empty() || spans.contains(span.parent.as_slice()))
}

#[test]
fn one_trace_goes_through_all_programs() {
    let collector = Collector::start();
    let endpoint = collector.endpoint();
    let flags = ["--otlp-endpoint", &endpoint];
    let world = World::with_flags(Duration::from_secs(30), &flags);
    let (one, two) = (world.peer_with("1", &flags), world.peer_with("2", &flags));
    write(&world.path("f"), &content(300_000));
    one.upload(&world.path("f"));
    two.ask(["list-files"]);
    two.ask(["--otlp-endpoint", &endpoint, "download", "f"]);

    let mut programs = BTreeMap::<_, BTreeSet<String>>::new();
    eventually("every program has told its part", || {
        let told = collector.told();
        programs.clear();
        for span in &told {
            programs.entry((span.by.0.clone(), span.by.1.clone())).or_default().insert(span.name.clone());
        }
        let names = |program: &str| programs.iter().filter(|(by, _)| by.0 == program).count();
        names("peerctl") == 1 && names("directoryd") == 1 && names("peerd") == 2 && is_whole(&told)
    });
    let told = collector.told();
    // What nobody began to trace is not there: uploads, heartbeats, the list.
    assert!(told.iter().all(|span| span.trace == told[0].trace), "{told:?}");
    let has = |program: &str, instance: &str, name: &str| {
        let found = programs.iter().find(|(by, _)| by.0 == program && (instance.is_empty() || by.1 == instance));
        found.is_some_and(|(_, names)| names.contains(name))
    };
    for (program, instance, name) in [
        ("peerctl", "", "download"),
        ("peerd", "2", "control download"),
        ("peerd", "2", "download f"),
        ("directoryd", "", "GET /files"),
        ("directoryd", "", "GET /files/{file_id}/holders"),
        ("peerd", "1", "Transfer/GetManifest"),
        ("peerd", "1", "Transfer/WatchPieces"),
    ] {
        assert!(has(program, instance, name), "{program} {instance} {name}: {programs:?}");
    }
    assert!(!told.iter().any(|span| span.name.contains("FetchPieces")), "a span for every piece: {told:?}");
    // Spans are not for the log.
    assert!(!two.log().contains("control download"), "{}", two.log());
}

#[test]
fn a_collector_that_is_not_there_costs_nothing_but_the_trace() {
    let world = World::new();
    let one = world.peer_with("1", &["--otlp-endpoint", "http://127.0.0.1:1"]);
    assert_eq!(one.ask(["--otlp-endpoint", "http://127.0.0.1:1", "whoami"])["user"], "1");
    assert!(one.fails(2, ["--otlp-endpoint", "https://127.0.0.1:1", "whoami"]).contains("over http"));
}
