//! Review: the cards that are due, and how well they were remembered.

mod answer_card;
mod list_due;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list_due::list_due)).routes(routes!(answer_card::answer_card))
}
