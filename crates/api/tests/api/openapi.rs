//! The document says what the router does.

use std::{collections::BTreeSet, sync::LazyLock};

use axum::http::Method;
use serde_json::Value;

use crate::{client::Reply, world::in_a_world};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(baeum_api::openapi()).expect("the document is JSON"));

/// Checks that status, content type and headers of an answer are documented.
pub(crate) fn check_documented(method: &Method, path: &str, reply: &Reply) {
    let path = path.split('?').next().unwrap_or_default();
    if matches!(reply.code(), "no-such-route" | "method-not-allowed") || path.starts_with("/docs/") {
        return;
    }
    let template = template_of(path).unwrap_or_else(|| panic!("{path} is not documented"));
    let name = method.as_str().to_lowercase();
    let operation = &DOCUMENT["paths"][&template][&name];
    let response = &operation["responses"][reply.status.as_str()];
    assert!(response.is_object(), "{method} {template} does not document {}: {reply:?}", reply.status);
    if !reply.text.is_empty() {
        let kind = reply.header("content-type").split(';').next().unwrap_or_default();
        assert!(response["content"][kind].is_object(), "{method} {template} {}: {kind}", reply.status);
    }
    for header in ["ETag", "Baeum-Position", "Location", "Idempotency-Replayed", "Retry-After", "WWW-Authenticate"] {
        let told = !reply.header(&header.to_lowercase()).is_empty();
        assert!(!told || response["headers"][header].is_object(), "{method} {template} {}: {header}", reply.status);
    }
}

fn template_of(path: &str) -> Option<String> {
    let fits = |template: &str| {
        let (ours, theirs): (Vec<_>, Vec<_>) = (template.split('/').collect(), path.split('/').collect());
        // What ends with a wildcard fits all that is below it.
        let below = template.split_once("{*").is_some_and(|(prefix, _)| path.starts_with(prefix));
        below
            || ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(one, other)| one.starts_with('{') || *one == other)
    };
    let paths = DOCUMENT["paths"].as_object().expect("paths");
    let exact = paths.keys().find(|template| *template == path);
    exact.or_else(|| paths.keys().find(|template| fits(template))).cloned()
}

#[tokio::test]
async fn the_document_lists_every_route_and_nothing_else() {
    in_a_world(async |world| {
        // Axum shows the paths of a router in its debug form only.
        let shown = format!("{:?}", world.router);
        let routes: BTreeSet<&str> = shown.split('"').filter(|it| it.starts_with('/')).collect();
        let documented: BTreeSet<&str> =
            DOCUMENT["paths"].as_object().expect("paths").keys().map(String::as_str).collect();
        // The pages of /docs, and what axum keeps for paths that are none.
        let pages = BTreeSet::from(["/docs/", "/docs/{*file}", "/", "/{*__private__axum_fallback}"]);
        assert!(routes.len() > 30, "{routes:?}");
        assert_eq!(routes, documented.union(&pages).copied().collect());
    })
    .await;
}

#[tokio::test]
async fn every_documented_operation_is_there_and_no_other() {
    in_a_world(async |world| {
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        for (template, operations) in DOCUMENT["paths"].as_object().expect("paths") {
            if template.ends_with("/stream") {
                continue;
            }
            let path = template.replace("{id}", "x").replace("{role}", "learner").replace("{code}", "internal");
            for method in &methods {
                let documented = operations.get(method.as_str().to_lowercase()).is_some();
                let reply = world.ask(method.clone(), path.clone()).send().await;
                assert_eq!(reply.status != 405, documented, "{method} {template}: {reply:?}");
                assert_ne!(reply.code(), "no-such-route", "{method} {template}");
                if !documented {
                    assert!(!reply.header("allow").is_empty(), "{method} {template} says what is allowed");
                }
            }
        }
    })
    .await;
}

#[test]
fn the_document_is_openapi_3_1_and_whole() {
    assert_eq!(DOCUMENT["openapi"], "3.1.0");
    let schemas = DOCUMENT["components"]["schemas"].as_object().expect("schemas");
    let text = DOCUMENT.to_string();
    for reference in text.split("#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap_or_default();
        assert!(schemas.contains_key(name), "{name} is referred to but not there");
    }
    let item = schemas["Item"]["properties"].as_object().expect("properties");
    let shown: BTreeSet<&str> = item.keys().map(String::as_str).collect();
    assert_eq!(shown, BTreeSet::from(["id", "skill", "passage", "question", "choices"]));
}

#[test]
fn every_operation_but_the_public_ones_needs_a_token() {
    let public = [
        "/v1/users",
        "/v1/auth/token",
        "/v1/notifications/unsubscribe",
        "/.well-known/jwks.json",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
        "/docs",
        "/problems/{code}",
        // The carrier and the payment gateway sign what they say.
        "/v1/webhooks/carrier",
        "/v1/webhooks/stripe",
    ];
    // Everybody can look at these, and only some change them.
    let shown = ["/v1/plans", "/v1/plans/{id}"];
    for (path, operations) in DOCUMENT["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let secured = operation["security"][0]["bearer"].is_array();
            let open = public.contains(&path.as_str()) || method == "get" && shown.contains(&path.as_str());
            assert_eq!(secured, !open, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_pages_are_served() {
    in_a_world(async |world| {
        let reply = world.get("/openapi.json").send().await;
        assert_eq!(reply.body, *DOCUMENT);
        let reply = world.get("/docs").send().await;
        assert_eq!((reply.status.as_u16(), reply.header("location")), (303, "/docs/"));
        let page = world.get("/docs/").send().await;
        assert!(page.status == 200 && page.text.contains("swagger-ui"), "{page:?}");
        let script = world.get("/docs/swagger-initializer.js").send().await;
        assert!(script.status == 200 && script.text.contains("/openapi.json"), "{script:?}");
        assert_eq!(world.get("/docs/none.js").send().await.problem(), (404, "no-such-route"));
    })
    .await;
}
