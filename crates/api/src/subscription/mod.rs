//! Money: what subscribers pay with, and what the payment gateway tells.

mod payment_methods;
mod webhook;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(payment_methods::set_up_payment_method, payment_methods::list_payment_methods))
        .routes(routes!(payment_methods::attach_payment_method))
        .routes(routes!(payment_methods::choose_payment_method))
        .routes(routes!(payment_methods::remove_payment_method))
        .routes(routes!(webhook::take_stripe_webhook))
}
