//! The OpenAPI document and the server say the same. That no test meets an answer that the document does not tell about is
//! looked after by the server itself: a development build stops there (`routes/endpoint.rs`).

use std::collections::BTreeSet;

use proto::directory::ProblemCode;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::program::directoryd;
use crate::support::{Directory, code, file, take};

const METHODS: [Method; 7] =
    [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS, Method::TRACE];

/// The document as it is served.
async fn document(directory: &Directory) -> Value {
    take(directory.api.request(Method::GET, "//openapi.json").send().await.unwrap(), StatusCode::OK).await
}

/// A path that a template stands for.
fn filled(template: &str) -> String {
    let path = template.replace("{peer_id}", &"a".repeat(32)).replace("{file_id}", &file("f").file_id.to_string());
    let path = path.replace("{session_id}", &"0".repeat(32)).replace("{name}", "nobody");
    assert!(!path.contains('{'), "{template}");
    path
}

#[tokio::test]
async fn what_is_served_is_what_is_told() {
    let directory = Directory::start().await;
    let document = document(&directory).await;
    assert_eq!(&document, directoryd::openapi());
    assert_eq!(document["openapi"], "3.1.0");
    let folder = tempfile::tempdir().unwrap();
    let printed = directoryd(folder.path(), &["openapi", "--config", "/nowhere"], "");
    assert_eq!(serde_json::from_slice::<Value>(&printed.stdout).unwrap(), document);
    let mut names = BTreeSet::new();
    for (template, item) in document["paths"].as_object().unwrap() {
        let told: BTreeSet<Method> = item
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "parameters")
            .map(|key| key.to_ascii_uppercase().parse().unwrap())
            .collect();
        for method in METHODS {
            let answer = directory.api.request(method.clone(), &format!("/{}", filled(template))).send().await.unwrap();
            let (status, what) = (answer.status().as_u16(), format!("{method} {template}"));
            if !told.contains(&method) {
                let allow = answer.headers()["allow"].to_str().unwrap().to_owned();
                assert_eq!(code(answer).await, ProblemCode::MethodNotAllowed, "{what}");
                let allowed: BTreeSet<Method> = allow.split(", ").map(|method| method.parse().unwrap()).collect();
                assert_eq!(allowed, told, "{what}");
                continue;
            }
            let operation = &item[method.as_str().to_ascii_lowercase()];
            assert!(names.insert(operation["operationId"].as_str().unwrap().to_owned()), "twice: {operation}");
            if operation["security"] == serde_json::json!([]) {
                assert!(operation["responses"][status.to_string()].is_object(), "{what} answers {status}");
            } else {
                assert_eq!(code(answer).await, ProblemCode::Unauthenticated, "{what}");
            }
        }
        for nearby in [format!("{template}/x/y/z"), format!("{template}x"), template.replace("/api/v1", "/api/v2")] {
            if nearby != *template && !nearby.contains("{name}x") {
                let answer = directory.api.request(Method::GET, &format!("/{}", filled(&nearby))).send().await.unwrap();
                assert_eq!(code(answer).await, ProblemCode::NotFound, "{nearby}");
            }
        }
    }
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let directory = Directory::start().await;
    let answer = directory.api.request(Method::GET, "//docs").send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let page = answer.text().await.unwrap();
    for template in document(&directory).await["paths"].as_object().unwrap().keys() {
        assert!(page.contains(template.as_str()), "{template}");
    }
}

/// Every reference leads somewhere, everything that a reference leads to is used, and nothing is left unsaid.
#[test]
fn the_document_is_whole() {
    fn references<'d>(value: &'d Value, found: &mut BTreeSet<&'d str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null => panic!("a field says nothing"),
            _ => {}
        }
    }
    let document = directoryd::openapi();
    let mut found = BTreeSet::new();
    references(document, &mut found);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let known: BTreeSet<String> = schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert_eq!(found, known.iter().map(String::as_str).collect());
}
