//! What the OpenAPI document says of every route alike: problems, headers, the security scheme.

use std::collections::BTreeMap;

use utoipa::{
    IntoParams, IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        Content, Header, Ref, RefOr, Required, Response, ResponseBuilder,
        path::{Parameter, ParameterBuilder, ParameterIn},
        schema::{ObjectBuilder, Type},
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use crate::problem::{Details, MEDIA_TYPE};

/// The frame of the document; the routes fill it.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Baeum",
        description = "An event-sourced English-learning platform. Commands answer with the position of their events \
                       in the log; queries take `min_position` to read what was just written.",
    ),
    components(schemas(Details)),
    modifiers(&Security),
    tags(
        (name = "identity", description = "Accounts, tokens, profiles, roles"),
        (name = "assessment", description = "The adaptive level test and its items"),
        (name = "learning", description = "Lessons"),
        (name = "evaluators", description = "The models that evaluate answers, and experiments between them"),
        (name = "media", description = "Clips and titles of the catalogue"),
        (name = "progress", description = "Progress of learners"),
        (name = "emotion", description = "Emotion care, with consent only"),
        (name = "recommendation", description = "What to watch next"),
        (name = "notification", description = "The inbox, preferences, webhooks, and what could not be delivered"),
        (name = "subscription", description = "Plans, subscriptions, invoices, payments, usage credits, and the books"),
        (name = "kit", description = "Learning kits, their SKUs and stock"),
        (name = "review", description = "Cards to meet again"),
        (name = "log", description = "The event log and what is derived from it, for auditors and analysts"),
        (name = "ops", description = "For operators"),
        (name = "problems", description = "What each `type` of problem means"),
    ),
)]
pub(crate) struct Frame;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT");
        let bearer = bearer.description(Some("A token of POST /v1/auth/token, valid for 15 minutes")).build();
        openapi.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    }
}

fn header(kind: Type, description: &str) -> Header {
    let mut header = Header::new(ObjectBuilder::new().schema_type(kind).build());
    header.description = Some(description.to_owned());
    header
}

fn problem(status: u16) -> Response {
    let description = match status {
        400 => "Malformed JSON, or a malformed header",
        401 => "No token, or one that is expired or not valid",
        402 => "It must be paid for first",
        403 => "Someone else's, or a role is missing",
        404 => "There is no such thing",
        409 => "It does not fit the present state, or the same request is being done",
        410 => "The person was erased",
        412 => "The resource is not at the version of If-Match",
        413 => "The body is too large",
        415 => "The body is not declared as JSON",
        422 => "The input is wrong, or the Idempotency-Key was used for another request",
        429 => "Too many attempts",
        _ => "It cannot be done at the moment",
    };
    let content = Content::new(Some(Ref::from_schema_name(Details::name())));
    let mut response = ResponseBuilder::new().description(description).content(MEDIA_TYPE, content);
    if matches!(status, 409 | 429 | 503) {
        response = response.header("Retry-After", header(Type::Integer, "Seconds after which to try again"));
    }
    if status == 401 {
        response = response.header("WWW-Authenticate", header(Type::String, "The scheme: Bearer"));
    }
    response.build()
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(($status.to_string(), problem($status).into())),+])
            }
        }
    )+};
}

problems! {
    /// Of a command with a token.
    CommandProblems: 400 401 402 403 404 409 410 412 413 415 422 503;
    /// Of registering.
    RegisterProblems: 400 404 409 410 412 413 415 422 503;
    /// Of signing in.
    SignInProblems: 400 401 404 413 415 422 429 503;
    /// Of a query about someone or something.
    QueryProblems: 401 403 404 410 422 503;
    /// Of a stream.
    StreamProblems: 400 401 403 422 503;
    /// Of a webhook, which is signed instead of having a token.
    WebhookProblems: 400 413 503;
    /// Of showing what a change would cost.
    PreviewProblems: 401 403 404 409 410 422 503;
    /// Of a message that is signed.
    MessageProblems: 400 401 404 409 413 422 503;
    /// Of something that needs no token.
    PublicProblems: 400 404 503;
    /// Of a query that needs no token.
    PublicQueryProblems: 400 404 422 503;
}

/// The request headers of a command.
pub(crate) struct CommandHeaders;

impl IntoParams for CommandHeaders {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let key = "The same key and body get the stored answer (with `Idempotency-Replayed: true`); another body gets \
                   422. 1 to 255 visible ASCII characters.";
        let version = "The ETag that the resource must have, such as \"3\", or *.";
        vec![optional("Idempotency-Key", key), optional("If-Match", version), request_id()]
    }
}

/// The request header of whoever has no token yet.
pub(crate) struct TenantHeader;

impl IntoParams for TenantHeader {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let tenant = "Whose learners these are, where the server has more than one tenant; the first one if left out. \
                      With a token, the token says it.";
        vec![optional("Baeum-Tenant", tenant)]
    }
}

fn optional(name: &str, description: &str) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String).build()))
        .build()
}

fn request_id() -> Parameter {
    optional("X-Request-Id", "A UUID that ties the consequences of this request together; one is made otherwise.")
}
