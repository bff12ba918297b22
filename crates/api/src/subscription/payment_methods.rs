//! `/v1/payment-methods`: what subscribers pay with. Card numbers never come here: the browser gives them to the gateway.

use axum::{Json, extract::Path, response::Response};
use baeum_commands::{
    Request,
    subscription::payment_methods::{Saved, Saving},
};
use baeum_domain::subscription::gateway::Setup;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    caller::SignedIn,
    conditional::{Bare, Incoming, Positioned, answered},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    layers::RequestId,
    problem::Problem,
    tenants::TenantState,
};

/// How a payment method is to be saved.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetUpRequest {
    /// The gateway's name of it, where the browser has made it already; else the browser gives it with the client secret.
    #[serde(default)]
    #[schema(example = "pm_card_visa")]
    payment_method: Option<String>,
    /// Where the bank sends the subscriber back to.
    #[serde(default)]
    #[schema(format = "uri")]
    return_url: Option<String>,
}

/// A payment method on its way to be saved.
#[derive(Serialize, ToSchema)]
pub(crate) struct SetUpAnswer {
    /// The setup: give it to `attach` when it is done.
    setup: String,
    /// With this the gateway's script in the browser goes on.
    client_secret: Option<String>,
    /// Where the bank wants the subscriber to agree (3-D Secure), if it does.
    redirect: Option<String>,
    /// Whether it is done, and can be attached.
    done: bool,
}

impl From<Setup> for SetUpAnswer {
    fn from(setup: Setup) -> Self {
        let Setup { id, client_secret, redirect, saved } = setup;
        Self { setup: id, client_secret, redirect, done: saved.is_some() }
    }
}

/// What is to be charged from now on: one of the two.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AttachRequest {
    /// A setup that is done.
    #[serde(default)]
    setup: Option<String>,
    /// A payment method for which the bank need not be asked.
    #[serde(default)]
    payment_method: Option<String>,
}

/// What is charged from now on.
#[derive(Serialize, ToSchema)]
pub(crate) struct DefaultAnswer {
    /// The payment method, none when the last one was removed.
    default: Option<String>,
}

/// The saved payment methods.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentMethodsAnswer {
    /// As the gateway shows them.
    payment_methods: Vec<PaymentMethod>,
}

/// A saved card.
#[derive(Serialize, ToSchema)]
pub(crate) struct PaymentMethod {
    /// The gateway's name of it.
    id: String,
    /// Such as `visa`.
    brand: String,
    /// The last four digits.
    last_four: String,
    /// The month after which it is no longer valid.
    expires_month: u8,
    /// The year of that month.
    expires_year: u16,
    /// Whether it is charged.
    default: bool,
}

impl From<Saved> for PaymentMethodsAnswer {
    fn from(saved: Saved) -> Self {
        let default = saved.default;
        let shown = saved.methods.into_iter().map(|method| PaymentMethod {
            default: default.as_ref() == Some(&method.id),
            id: method.id,
            brand: method.brand,
            last_four: method.last_four,
            expires_month: method.expires_month,
            expires_year: method.expires_year,
        });
        Self { payment_methods: shown.collect() }
    }
}

fn default_of(text: String) -> DefaultAnswer {
    DefaultAnswer { default: (!text.is_empty()).then_some(text) }
}

/// Begins to save a payment method. Go on in the browser with the client secret, or at the redirect; then attach the setup.
#[utoipa::path(
    post, path = "/v1/payment-methods", tag = "subscription", security(("bearer" = [])), params(CommandHeaders),
    request_body = SetUpRequest,
    responses((status = 200, description = "How it goes on", body = SetUpAnswer), CommandProblems)
)]
pub(crate) async fn set_up_payment_method(
    state: TenantState,
    incoming: Incoming<SetUpRequest>,
) -> Result<Json<SetUpAnswer>, Problem> {
    let Incoming { request, body } = incoming;
    let (method, return_url) = (body.payment_method.as_deref(), body.return_url.as_deref());
    Ok(Json(state.commands().set_up_payment_method(&request, method, return_url).await?.into()))
}

/// Saves a payment method: it is charged from now on.
#[utoipa::path(
    post, path = "/v1/payment-methods/attach", tag = "subscription", security(("bearer" = [])), params(CommandHeaders),
    request_body = AttachRequest,
    responses(
        (status = 200, description = "What is charged from now on", body = Positioned<DefaultAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn attach_payment_method(
    state: TenantState,
    incoming: Incoming<AttachRequest>,
) -> Result<Response, Problem> {
    let Incoming { request, body } = incoming;
    let saving = match (body.setup, body.payment_method) {
        (Some(setup), None) => Saving::Setup(setup),
        (None, Some(method)) => Saving::Method(method),
        _ => return Err(Problem::new("invalid-body", "give either `setup` or `payment_method`").with("field", "setup")),
    };
    let outcome = state.commands().save_payment_method(&request, saving).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, default_of))
}

/// The caller's saved payment methods.
#[utoipa::path(
    get, path = "/v1/payment-methods", tag = "subscription", security(("bearer" = [])),
    responses((status = 200, description = "As the gateway shows them", body = PaymentMethodsAnswer), QueryProblems)
)]
pub(crate) async fn list_payment_methods(
    state: TenantState,
    signed_in: SignedIn,
    RequestId(correlation_id): RequestId,
) -> Result<Json<PaymentMethodsAnswer>, Problem> {
    let request = Request { caller: signed_in.caller, idempotency: None, expected_sequence: None, correlation_id };
    Ok(Json(state.commands().payment_methods(&request).await?.into()))
}

/// Has a saved payment method charged from now on.
#[utoipa::path(
    post, path = "/v1/payment-methods/{id}/default", tag = "subscription", security(("bearer" = [])),
    params(("id" = String, Path, description = "The gateway's name of it"), CommandHeaders),
    responses(
        (status = 200, description = "What is charged from now on", body = Positioned<DefaultAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn choose_payment_method(
    state: TenantState,
    _signed_in: SignedIn,
    Path(method): Path<String>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().choose_payment_method(&request, method).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, default_of))
}

/// Removes a saved payment method. Another one that is saved is charged from then on.
#[utoipa::path(
    delete, path = "/v1/payment-methods/{id}", tag = "subscription", security(("bearer" = [])),
    params(("id" = String, Path, description = "The gateway's name of it"), CommandHeaders),
    responses(
        (status = 200, description = "What is charged from now on", body = Positioned<DefaultAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn remove_payment_method(
    state: TenantState,
    _signed_in: SignedIn,
    Path(method): Path<String>,
    Bare(request): Bare,
) -> Result<Response, Problem> {
    let outcome = state.commands().remove_payment_method(&request, method).await?;
    Ok(answered(&state, request.caller.user_id, outcome, None, default_of))
}
