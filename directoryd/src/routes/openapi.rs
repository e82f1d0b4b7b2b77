//! The interface in OpenAPI 3.1, made of the URL map: `GET /openapi.json`, `directoryd openapi`.
//!
//! Types describe themselves (`utoipa::ToSchema` on the bodies in `proto`, on the parameters in [`super::query`]); everything
//! else is in the lines of the map. Nothing is written down a second time.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::StatusCode;
use proto::directory::{Problem, ProblemCode};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::endpoint::{Answer, Described, Endpoint};
use super::reply::Constant;
use super::router::{MAP, Route};

/// The document. The same for every directory of this version.
pub fn openapi() -> &'static Value {
    &DOCUMENT
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(document);

/// As it is served.
pub(super) static SERVED: LazyLock<Constant> =
    LazyLock::new(|| Constant::new("application/json", DOCUMENT.to_string()));

/// Schemas by name.
type Schemas = BTreeMap<String, Value>;

fn document() -> Value {
    let mut schemas = Schemas::new();
    note(&mut schemas, Described::of::<Problem>());
    let paths: Map<String, Value> =
        MAP.iter().map(|route| (route.path.to_owned(), path(route, &mut schemas))).collect();
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Enjambre directory",
            "version": crate::VERSION,
            "description": "Knows the users, the peers, who is up, and who holds which file. Sizes are bytes, durations seconds, \
                            times RFC 3339 in UTC. Bodies that come in refuse unknown keys; bodies that go out may gain keys. \
                            Errors are problems (RFC 9457) with a stable `code`. HEAD works wherever GET does.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "session": {"type": "http", "scheme": "bearer", "description": "The token of a running session."},
            },
        },
    });
    plain(&mut document);
    document
}

fn path(route: &Route, schemas: &mut Schemas) -> Value {
    let operation = |endpoint: &Endpoint, schemas: &mut Schemas| {
        (endpoint.method.as_str().to_ascii_lowercase(), operation(endpoint, schemas))
    };
    let mut operations: Map<String, Value> =
        route.endpoints.iter().map(|endpoint| operation(endpoint, schemas)).collect();
    if let Some(parameter) = path_parameter(route.path, schemas) {
        operations.insert("parameters".to_owned(), json!([parameter]));
    }
    Value::Object(operations)
}

fn path_parameter(path: &str, schemas: &mut Schemas) -> Option<Value> {
    let name = path.split_once('{')?.1.split_once('}')?.0;
    let described = match name {
        "peer_id" => Described::of::<proto::ids::PeerId>(),
        "file_id" => Described::of::<proto::ids::FileId>(),
        "session_id" => Described::of::<proto::directory::SessionId>(),
        _ => Described::of::<proto::ids::UserName>(),
    };
    Some(json!({"name": name, "in": "path", "required": true, "schema": note(schemas, described)}))
}

fn operation(endpoint: &Endpoint, schemas: &mut Schemas) -> Value {
    let mut responses: Map<String, Value> = endpoint
        .answers
        .iter()
        .map(|answer| (answer.status.as_str().to_owned(), good(endpoint, answer, schemas)))
        .collect();
    for (status, codes) in by_status(&endpoint.problems()) {
        responses.insert(status.to_string(), bad(status, &codes));
    }
    let mut operation = json!({
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "tags": [tag(endpoint.path)],
        "parameters": parameters(endpoint, schemas),
        "responses": responses,
        "security": if endpoint.needs_login() { json!([{"session": []}]) } else { json!([]) },
    });
    if let Some(body) = endpoint.body {
        let content = json!({"application/json": {"schema": note(schemas, body)}});
        operation["requestBody"] = json!({"required": true, "content": content});
    }
    operation
}

/// The area that a path belongs to.
fn tag(path: &str) -> &str {
    let word = path.strip_prefix("/api/v1/").and_then(|path| path.split('/').next());
    word.filter(|word| !matches!(*word, "keys" | "stats")).unwrap_or("directory")
}

/// A query is told as its fields.
fn parameters(endpoint: &Endpoint, schemas: &mut Schemas) -> Vec<Value> {
    let mut parameters = Vec::new();
    if let Some(query) = endpoint.query {
        nested(schemas, query);
        let schema = json_of(&(query.schema)());
        for (name, field) in schema["properties"].as_object().cloned().unwrap_or_default() {
            let mut field = not_null(field);
            let says = field.as_object_mut().and_then(|field| field.remove("description")).unwrap_or_default();
            parameters.push(json!({"name": name, "in": "query", "description": says, "schema": field}));
        }
    }
    for (name, says) in &endpoint.headers {
        parameters.push(json!({"name": name, "in": "header", "description": says, "schema": {"type": "string"}}));
    }
    parameters
}

/// A parameter is there or not, and never `null`.
fn not_null(mut schema: Value) -> Value {
    if let Some(kinds) = schema.get_mut("type").and_then(Value::as_array_mut) {
        kinds.retain(|kind| kind != "null");
        if let [kind] = kinds.as_slice() {
            schema["type"] = kind.clone();
        }
    }
    if let Some(choices) = schema["oneOf"].as_array()
        && let [choice] = choices.iter().filter(|choice| choice["type"] != "null").collect::<Vec<_>>().as_slice()
    {
        return (*choice).clone();
    }
    schema
}

fn good(endpoint: &Endpoint, answer: &Answer, schemas: &mut Schemas) -> Value {
    let mut headers = usual_headers();
    if endpoint.tagged {
        headers["ETag"] = header("Goes into `If-None-Match` of the next request.");
    }
    let mut response = json!({"description": answer.says, "headers": headers});
    for (kind, described) in &answer.content {
        response["content"][*kind] = json!({"schema": note(schemas, *described)});
    }
    response
}

fn bad(status: u16, codes: &[ProblemCode]) -> Value {
    let titles: Vec<String> = codes.iter().map(|code| format!("`{code}`: {}.", code.title())).collect();
    let mut headers = usual_headers();
    // Each has it with every one of its problems.
    match StatusCode::from_u16(status) {
        Ok(StatusCode::UNAUTHORIZED) if codes == [ProblemCode::Unauthenticated] => {
            headers["WWW-Authenticate"] = header("`Bearer`.");
        }
        Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::INSUFFICIENT_STORAGE) => {
            headers["Retry-After"] = json!({"description": "Seconds to wait.", "required": true, "schema": {"type": "integer", "minimum": 1}});
        }
        _ => {}
    }
    let schema = json!({
        "allOf": [{"$ref": format!("#/components/schemas/{}", Problem::name())}],
        "properties": {"status": {"const": status}, "code": {"enum": codes}},
    });
    json!({
        "description": titles.join(" "),
        "headers": headers,
        "content": {"application/problem+json": {"schema": schema}},
    })
}

fn usual_headers() -> Value {
    json!({"X-Request-Id": header("Finds the request in the directory's log.")})
}

fn header(says: &str) -> Value {
    json!({"description": says, "required": true, "schema": {"type": "string"}})
}

fn by_status(codes: &[ProblemCode]) -> BTreeMap<u16, Vec<ProblemCode>> {
    let mut by_status: BTreeMap<u16, Vec<ProblemCode>> = BTreeMap::new();
    for code in codes {
        by_status.entry(code.status()).or_default().push(*code);
    }
    by_status
}

/// A reference to a type's schema, which is noted with all that it is made of; plain types are told on the spot.
fn note(schemas: &mut Schemas, described: Described) -> Value {
    nested(schemas, described);
    let (name, schema) = ((described.name)(), json_of(&(described.schema)()));
    if name == String::name() {
        return schema;
    }
    if name == Value::name() {
        return json!({"type": "object"});
    }
    schemas.insert(name.clone(), schema);
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn nested(schemas: &mut Schemas, described: Described) {
    let mut parts = Vec::new();
    (described.parts)(&mut parts);
    schemas.extend(parts.iter().map(|(name, schema)| (name.clone(), json_of(schema))));
}

fn json_of(schema: &impl serde::Serialize) -> Value {
    serde_json::to_value(schema).unwrap_or_default()
}

/// Descriptions come from the code's own, whose links lead nowhere here.
fn plain(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(text)) = fields.get_mut("description") {
                *text = text.replace("[`", "`").replace("`]", "`").replace('\n', " ");
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        _ => {}
    }
}
