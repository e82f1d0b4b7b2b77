//! The document as a page: `GET /docs`. Plain HTML made once from [`super::openapi`], with nothing to load and no script, so
//! that it reads the same in a browser without a network and in one for the terminal.

use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::Value;

use super::openapi::openapi;
use super::reply::Constant;

pub(super) const KIND: &str = "text/html; charset=utf-8";

/// Nothing but its own style.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;color:#222;background:#fff}\
    code,pre{font:14px/1.4 ui-monospace,monospace;overflow-wrap:anywhere}\
    section{border-top:1px solid #bbb;margin-top:1.5rem}table{border-collapse:collapse;width:100%}\
    td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #ddd}\
    h3 b{display:inline-block;min-width:4.5rem}nav a{margin-right:1rem}\
    @media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}a{color:#8bf}}";

/// As it is served.
pub(super) static SERVED: LazyLock<Constant> =
    LazyLock::new(|| Constant::new(KIND, page(openapi())).with_policy(POLICY));

fn page(document: &Value) -> String {
    let info = &document["info"];
    let mut page = format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
         <title>{title}</title><style>{STYLE}</style>\n<h1>{title} {version}</h1>\n<p>{description}</p>\
         <p>For programs: <a href=/openapi.json>/openapi.json</a></p>\n",
        title = text(&info["title"]),
        version = text(&info["version"]),
        description = prose(&info["description"]),
    );
    let tags = tags(document);
    page.push_str("<nav>");
    for tag in tags.iter().chain(&["types"]) {
        let _ = write!(page, "<a href=#{tag}>{tag}</a>");
    }
    page.push_str("</nav>\n");
    for tag in tags {
        let _ = writeln!(page, "<h2 id={tag}>{tag}</h2>");
        for (path, method, operation) in operations(document).filter(|(_, _, operation)| operation["tags"][0] == tag) {
            section(&mut page, document, path, method, operation);
        }
    }
    page.push_str("<h2 id=types>Types</h2>\n");
    for (name, schema) in fields(&document["components"]["schemas"]) {
        let _ =
            writeln!(page, "<section id=type-{0}><h3>{0}</h3><p>{1}</p>", escaped(name), prose(&schema["description"]));
        shape(&mut page, schema);
        page.push_str("</section>\n");
    }
    page
}

/// The areas, in the order of their paths.
fn tags(document: &Value) -> Vec<&str> {
    let mut tags: Vec<&str> =
        operations(document).filter_map(|(_, _, operation)| operation["tags"][0].as_str()).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    fields(&document["paths"]).flat_map(|(path, item)| {
        fields(item)
            .filter(|(method, _)| *method != "parameters")
            .map(move |(method, operation)| (path, method, operation))
    })
}

fn section(page: &mut String, document: &Value, path: &str, method: &str, operation: &Value) {
    let login = if operation["security"].as_array().is_some_and(Vec::is_empty) { " Needs no login." } else { "" };
    let _ = writeln!(
        page,
        "<section id={id}><h3><b>{method}</b> <code>{path}</code></h3><p>{summary}{login}</p>",
        id = text(&operation["operationId"]),
        method = escaped(&method.to_ascii_uppercase()),
        path = escaped(path),
        summary = prose(&operation["summary"]),
    );
    let shared = document["paths"][path]["parameters"].as_array();
    let own = operation["parameters"].as_array();
    let parameters: Vec<&Value> = shared.into_iter().chain(own).flatten().collect();
    if !parameters.is_empty() {
        page.push_str("<table><tr><th>Parameter<th>in<th>is<th>\n");
        for parameter in parameters {
            let (name, place) = (text(&parameter["name"]), text(&parameter["in"]));
            let (is, says) = (kind(&parameter["schema"]), prose(&parameter["description"]));
            let _ = writeln!(page, "<tr><td><code>{name}</code><td>{place}<td>{is}<td>{says}");
        }
        page.push_str("</table>\n");
    }
    if let Some(body) = operation["requestBody"]["content"]["application/json"].get("schema") {
        let _ = writeln!(page, "<p>Body: {}</p>", kind(body));
    }
    page.push_str("<table><tr><th>Answer<th>holds<th>\n");
    for (status, response) in fields(&operation["responses"]) {
        let holds: Vec<String> = fields(&response["content"])
            .map(|(media, content)| format!("{} <small>{}</small>", kind(&content["schema"]), escaped(media)))
            .collect();
        let says = prose(&response["description"]);
        let _ = writeln!(page, "<tr><td>{}<td>{}<td>{says}", escaped(status), holds.join("<br>"));
    }
    page.push_str("</table></section>\n");
}

/// The fields of a type, or what else it is.
fn shape(page: &mut String, schema: &Value) {
    let parts = std::iter::once(schema)
        .chain(["allOf", "oneOf"].iter().flat_map(|key| schema[*key].as_array().into_iter().flatten()));
    for part in parts {
        if part["properties"].is_object() {
            page.push_str("<table><tr><th>Field<th>is<th>\n");
            for (name, field) in fields(&part["properties"]) {
                let optional =
                    part["required"].as_array().is_none_or(|required| !required.iter().any(|known| known == name));
                let mark = if optional { " <small>optional</small>" } else { "" };
                let (is, says) = (kind(field), prose(&field["description"]));
                let _ = writeln!(page, "<tr><td><code>{}</code>{mark}<td>{is}<td>{says}", escaped(name));
            }
            page.push_str("</table>\n");
        } else if part["allOf"].is_null() && part["oneOf"].is_null() {
            let _ = writeln!(page, "<p>{}</p>", kind(part));
        }
    }
}

/// What a value is, in a word or a few.
fn kind(schema: &Value) -> String {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return format!("<a href=#type-{0}>{0}</a>", escaped(name));
    }
    for key in ["allOf", "oneOf"] {
        if let Some(parts) = schema[key].as_array() {
            return parts.iter().map(kind).collect::<Vec<_>>().join(if key == "oneOf" { " or " } else { " and " });
        }
    }
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(|choice| format!("<code>{}</code>", text(choice))).collect::<Vec<_>>().join(", ");
    }
    let mut kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().map(text).collect::<Vec<_>>().join(" or "),
        one => text(one),
    };
    if schema["items"].is_object() {
        kind = format!("{kind} of {}", self::kind(&schema["items"]));
    }
    if let Some(pattern) = schema["pattern"].as_str() {
        let _ = write!(kind, " <small><code>{}</code></small>", escaped(pattern));
    }
    for (key, word) in [("minimum", "from"), ("maximum", "to"), ("maxLength", "of at most"), ("maxItems", "at most")] {
        if schema[key].is_number() {
            let _ = write!(kind, " {word} {}", schema[key]);
        }
    }
    kind
}

fn fields(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    object.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

/// Text in which backquotes mark what is meant literally.
fn prose(value: &Value) -> String {
    let mut html = String::new();
    for (number, part) in text(value).split('`').enumerate() {
        let _ = if number % 2 == 0 { write!(html, "{part}") } else { write!(html, "<code>{part}</code>") };
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_and_type_is_on_the_page() {
        let (document, page) = (openapi(), page(openapi()));
        for (path, _, operation) in operations(document) {
            assert!(page.contains(&format!("<section id={}>", text(&operation["operationId"]))), "{path}");
        }
        for (name, _) in fields(&document["components"]["schemas"]) {
            assert!(page.contains(&format!("<section id=type-{name}>")), "{name}");
        }
        for part in page.split("href=#").skip(1) {
            let place = part.split('>').next().unwrap();
            assert!(page.contains(&format!("id={place}>")), "{place} leads nowhere");
        }
        for outside in ["http://", "https://", "src=", "<script"] {
            assert!(!page.contains(outside), "{outside}");
        }
    }

    #[test]
    fn nothing_in_the_document_is_markup() {
        assert_eq!(prose(&"<b> & `a<b`".into()), "&lt;b&gt; &amp; <code>a&lt;b</code>");
    }
}
