//! All routes, and what every request goes through.

use axum::{Router, middleware, routing};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    assessment, docs::Frame, emotion, identity, kit, layers, learning, log, media, notification, ops, progress,
    recommendation, review, state::ApiState, subscription,
};

fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(Frame::openapi())
        .merge(identity::routes())
        .merge(assessment::routes())
        .merge(learning::routes())
        .merge(media::routes())
        .merge(progress::routes())
        .merge(emotion::routes())
        .merge(recommendation::routes())
        .merge(notification::routes())
        .merge(subscription::routes())
        .merge(kit::routes())
        .merge(review::routes())
        .merge(log::routes())
        .merge(ops::routes())
}

/// The OpenAPI document: it lists every route of [`router`], from the same source.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

/// The whole API.
pub fn router(state: ApiState) -> Router {
    let (routes, _) = routes().split_for_parts();
    routes
        .route("/docs/", routing::get(ops::docs_index))
        .route("/docs/{*file}", routing::get(ops::docs_file))
        .fallback(layers::no_such_route)
        .method_not_allowed_fallback(layers::method_not_allowed)
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(middleware::from_fn(layers::bound))
        .layer(middleware::from_fn_with_state(state.clone(), layers::observe))
        .with_state(state)
}

/// What operators look at, and nothing else: for roles that serve no HTTP.
pub fn router_for_operators(state: ApiState) -> Router {
    Router::new()
        .route("/metrics", routing::get(ops::metrics))
        .route("/health/live", routing::get(ops::live))
        .route("/health/ready", routing::get(ops::ready))
        .fallback(layers::no_such_route)
        .method_not_allowed_fallback(layers::method_not_allowed)
        .layer(CatchPanicLayer::custom(layers::panicked))
        .layer(middleware::from_fn(layers::bound))
        .layer(middleware::from_fn_with_state(state.clone(), layers::observe))
        .with_state(state)
}
