//! Ids in paths.

use std::str::FromStr;

use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};

use crate::{problem::Problem, state::ApiState};

/// The id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<T> FromRequestParts<ApiState> for Id<T>
where
    T: FromStr + Send,
    T::Err: std::fmt::Display,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let given = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = given.map_err(|_| Problem::plain("invalid-id"))?;
        parse(&text).map(Self)
    }
}

/// Reads an id.
///
/// # Errors
/// `invalid-id`.
pub(crate) fn parse<T: FromStr>(text: &str) -> Result<T, Problem>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| {
        let shown: String = text.chars().take(80).collect();
        let said = error.to_string();
        let detail = if said.contains(&shown) { said } else { format!("'{shown}' is not an id: {said}") };
        Problem::new("invalid-id", detail)
    })
}
