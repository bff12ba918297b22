//! Learning kits, their SKUs and stock.

mod address;
mod carrier_message;
mod get_kit;
mod handle;
mod list_kits;
mod plans;
mod qr;
mod scan;
mod skus;
mod stock;
mod wire;

use utoipa_axum::{router::OpenApiRouter, routes};

use crate::state::ApiState;

pub(crate) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_kits::list_kits))
        .routes(routes!(address::get_address, address::put_address, address::delete_address))
        .routes(routes!(scan::scan))
        .routes(routes!(get_kit::get_kit))
        .routes(routes!(handle::reveal))
        .routes(routes!(handle::cancel))
        .routes(routes!(qr::get_qr))
        .routes(routes!(handle::revoke))
        .routes(routes!(plans::list_plans))
        .routes(routes!(plans::put_plan, plans::delete_plan))
        .routes(routes!(skus::list_skus))
        .routes(routes!(skus::put_sku, skus::delete_sku))
        .routes(routes!(stock::list_stock))
        .routes(routes!(stock::get_stock))
        .routes(routes!(stock::receive))
        .routes(routes!(stock::count))
        .routes(routes!(stock::set_threshold))
        .routes(routes!(carrier_message::take_in))
}
