//! Plans, coupons, subscriptions, invoices, payments and what they are paid with, usage credits, and the books.

mod apply_coupon;
mod buy_credits;
mod cancel;
mod change_plan;
mod create_coupon;
mod create_plan;
mod get_credits;
mod get_invoice;
mod get_ledger;
mod get_payment;
mod get_plan;
mod get_revenue;
mod get_settlements;
mod get_subscription;
mod list_ledger_entries;
mod number;
mod offer_plan;
mod pause;
mod pay_now;
mod payment_methods;
mod preview_change;
mod reactivate;
mod request_refund;
mod retire_plan;
mod start;
mod webhook;
pub(crate) mod wire;
mod withdraw_coupon;

use baeum_domain::identity::user::Role;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

/// Who reads the books.
const BOOKKEEPERS: &[Role] = &[Role::Auditor, Role::Analyst, Role::Admin];

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(get_plan::list_plans, create_plan::create_plan))
        .routes(routes!(get_plan::get_plan))
        .routes(routes!(offer_plan::offer_plan))
        .routes(routes!(retire_plan::retire_plan))
        .routes(routes!(create_coupon::create_coupon))
        .routes(routes!(create_coupon::get_coupon))
        .routes(routes!(withdraw_coupon::withdraw_coupon))
        .routes(routes!(start::start_subscription, get_subscription::list_subscriptions))
        .routes(routes!(get_subscription::get_subscription))
        .routes(routes!(preview_change::preview_change))
        .routes(routes!(change_plan::change_plan))
        .routes(routes!(pause::pause_subscription))
        .routes(routes!(pause::resume_subscription))
        .routes(routes!(cancel::cancel_subscription))
        .routes(routes!(cancel::withdraw_cancellation))
        .routes(routes!(reactivate::reactivate_subscription))
        .routes(routes!(apply_coupon::apply_coupon))
        .routes(routes!(get_invoice::list_invoices))
        .routes(routes!(get_invoice::get_invoice))
        .routes(routes!(get_payment::list_payments))
        .routes(routes!(get_payment::get_payment))
        .routes(routes!(pay_now::pay_now))
        .routes(routes!(request_refund::request_refund))
        .routes(routes!(get_credits::get_credits))
        .routes(routes!(buy_credits::buy_credits))
        .routes(routes!(get_ledger::get_ledger))
        .routes(routes!(list_ledger_entries::list_ledger_entries))
        .routes(routes!(get_settlements::get_settlements))
        .routes(routes!(get_revenue::get_revenue))
        .routes(routes!(payment_methods::set_up_payment_method, payment_methods::list_payment_methods))
        .routes(routes!(payment_methods::attach_payment_method))
        .routes(routes!(payment_methods::choose_payment_method))
        .routes(routes!(payment_methods::remove_payment_method))
        .routes(routes!(webhook::take_stripe_webhook))
}
