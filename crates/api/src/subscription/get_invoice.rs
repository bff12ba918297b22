//! `GET /v1/invoices` and `/v1/invoices/{id}`.

use axum::{Json, response::Response};
use baeum_domain::{
    Decider as _,
    ids::{InvoiceId, UserId},
    subscription::invoice::Invoice as Aggregate,
};
use baeum_projections::{
    history::Whose,
    subscription::invoices::{self, Invoice},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::wire::BillAnswer;
use crate::{
    as_of::When,
    caller::SignedIn,
    conditional::versioned,
    docs::QueryProblems,
    id::Id,
    min_position::{MinPosition, Params},
    problem::Problem,
    tenants::TenantState,
    wire::mirror,
};

mirror! {
    /// How far an invoice is.
    #[serde(rename_all = "snake_case")]
    InvoiceState = baeum_projections::subscription::invoices::InvoiceState {
        /// It waits for its payment.
        Open,
        /// It was paid.
        Paid,
        /// It was given up.
        Voided,
    }
}

mirror! {
    /// Why an invoice was given up.
    #[serde(rename_all = "snake_case")]
    VoidReason = baeum_domain::subscription::invoice::VoidReason {
        /// What it was for was cancelled.
        Cancelled,
        /// The dunning ended without payment.
        Unpaid,
    }
}

/// Which of a person's.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfPersonQuery {
    /// Whose: the caller's own if left out; of others for analysts and administrators.
    pub(crate) subscriber: Option<Uuid>,
    /// Those that were issued before this position: `next_before` of the page before.
    #[param(minimum = 0)]
    pub(crate) before: Option<i64>,
    /// How many, 1 to 100; 20 if left out.
    #[param(minimum = 1, maximum = 100)]
    pub(crate) limit: Option<u32>,
    /// Wait until the read model has come to this position.
    #[param(minimum = 0)]
    pub(crate) min_position: Option<i64>,
}

impl OfPersonQuery {
    /// Whose, before which position, and how many: once `model` may be read.
    ///
    /// # Errors
    /// What is wrong with the query, or `not-yours`.
    pub(crate) async fn read(
        self,
        state: &TenantState,
        signed_in: &SignedIn,
        model: &str,
    ) -> Result<(UserId, i64, u32), Problem> {
        let limit = self.limit.unwrap_or(20);
        if !(1..=100).contains(&limit) {
            return Err(Problem::new("invalid-query", "limit: give 1 to 100"));
        }
        let before = self.before.map_or(Ok(i64::MAX), |before| state.position("before", before))?;
        let subscriber = self.subscriber.map_or(signed_in.caller.user_id, UserId);
        signed_in.may_read(state, subscriber, "user-not-found").await?;
        MinPosition { min_position: self.min_position }.wait(state, signed_in, model).await?;
        Ok((subscriber, before, limit))
    }
}

/// Invoices, the latest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvoicesAnswer {
    invoices: Vec<InvoiceAnswer>,
    /// Go on with `before` = this; nothing at the end.
    next_before: Option<i64>,
}

/// An invoice.
#[derive(Serialize, ToSchema)]
pub(crate) struct InvoiceAnswer {
    /// Its id.
    invoice_id: Uuid,
    /// Who is to pay it.
    subscriber: Uuid,
    /// How far it is.
    state: InvoiceState,
    /// What is to be paid.
    bill: BillAnswer,
    /// By what it was paid; nothing where there was nothing to pay.
    payment_id: Option<Uuid>,
    /// Why it was given up.
    void_reason: Option<VoidReason>,
    /// When it was issued.
    issued_at: DateTime<Utc>,
    /// When it was paid or given up.
    settled_at: Option<DateTime<Utc>>,
}

impl From<Invoice> for InvoiceAnswer {
    fn from(row: Invoice) -> Self {
        Self {
            invoice_id: row.invoice_id.0,
            subscriber: row.subscriber.0,
            state: row.state.into(),
            bill: row.bill.into(),
            payment_id: row.payment_id.map(|it| it.0),
            void_reason: row.void_reason.map(Into::into),
            issued_at: row.issued_at,
            settled_at: row.settled_at,
        }
    }
}

/// The invoices of a person, the latest first.
#[utoipa::path(
    get, path = "/v1/invoices", tag = "subscription", security(("bearer" = [])), params(OfPersonQuery),
    responses((status = 200, description = "The invoices", body = InvoicesAnswer), QueryProblems)
)]
pub(crate) async fn list_invoices(
    state: TenantState,
    signed_in: SignedIn,
    Params(query): Params<OfPersonQuery>,
) -> Result<Json<InvoicesAnswer>, Problem> {
    let (subscriber, before, limit) = query.read(&state, &signed_in, "invoices").await?;
    let rows = invoices::list(state.log().pool(), subscriber, before, limit).await?;
    let next_before = rows.last().filter(|_| rows.len() == limit as usize).map(|last| last.issued_position);
    Ok(Json(InvoicesAnswer { invoices: rows.into_iter().map(Into::into).collect(), next_before }))
}

/// An invoice, with its lines.
#[utoipa::path(
    get, path = "/v1/invoices/{id}", tag = "subscription", security(("bearer" = [])),
    params(("id" = Uuid, Path), When),
    responses(
        (status = 200, description = "The invoice", body = InvoiceAnswer, headers(
            ("ETag" = String),
            ("Baeum-As-Of" = i64, description = "The position that it is of, where `as_of` was given"),
        )),
        QueryProblems,
    )
)]
pub(crate) async fn get_invoice(
    state: TenantState,
    signed_in: SignedIn,
    Id(id): Id<InvoiceId>,
    Params(when): Params<When>,
) -> Result<Response, Problem> {
    let whose = Whose::Stream(Aggregate::AGGREGATE, id.0);
    let mut models = when.open(&state, &signed_in, &["invoices"], whose).await?;
    let row = invoices::find(models.view().db(), id).await?;
    let shown = models.close().await;
    let row = row.ok_or_else(|| Problem::plain("invoice-not-found"))?;
    signed_in.may_read(&state, row.subscriber, "invoice-not-found").await?;
    Ok(shown.answer(versioned(row.version, InvoiceAnswer::from(row))))
}
