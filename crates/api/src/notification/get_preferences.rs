//! `GET` and `PUT /v1/notifications/preferences`: by which channels to hear of what, and when not to be disturbed.

use std::collections::{BTreeMap, BTreeSet};

use axum::response::Response;
use baeum_domain::{
    ids::NotificationTopic,
    notification::{preferences::Preferences, quiet_hours},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wire::Channel;
use crate::{
    caller::SignedIn,
    conditional::{Incoming, Positioned, answered, versioned},
    docs::{CommandHeaders, CommandProblems, QueryProblems},
    problem::Problem,
    tenants::TenantState,
};

/// Hours in which nothing is sent that could disturb, by the person's own clock; over midnight where `from` is later.
#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietHours {
    /// When they begin.
    #[schema(value_type = String, example = "21:00")]
    from: quiet_hours::WallTime,
    /// When they end.
    #[schema(value_type = String, example = "08:00")]
    to: quiet_hours::WallTime,
}

/// What to be told, and when.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PreferencesBody {
    /// The channels that are on, by topic. All are on for a topic that is left out.
    #[schema(value_type = BTreeMap<String, Vec<Channel>>)]
    channels: BTreeMap<NotificationTopic, BTreeSet<Channel>>,
    /// When not to be disturbed; `null` for never.
    #[serde(deserialize_with = "Option::deserialize")]
    quiet_hours: Option<QuietHours>,
}

/// What somebody wants to be told, and when.
#[derive(Serialize, ToSchema)]
pub(crate) struct PreferencesAnswer {
    /// The channels that are on, for every topic.
    channels: BTreeMap<String, Vec<Channel>>,
    /// When not to be disturbed, in the time zone of the profile.
    quiet_hours: Option<QuietHours>,
    /// The channels that this server sends by.
    available: Vec<Channel>,
}

fn answer(state: &TenantState, preferences: &Preferences) -> PreferencesAnswer {
    let available: Vec<_> = state.commands().notification_channels().iter().copied().collect();
    let all = <baeum_domain::notification::channel::Channel as strum::VariantArray>::VARIANTS;
    let on = |topic: &NotificationTopic| {
        all.iter().filter(|channel| preferences.allow(topic, **channel)).map(|it| (*it).into()).collect()
    };
    let topics = state.catalog().notification_topics();
    PreferencesAnswer {
        channels: topics.into_iter().map(|topic| (topic.to_string(), on(topic))).collect(),
        quiet_hours: preferences.quiet_hours.map(|it| QuietHours { from: it.from, to: it.to }),
        available: available.into_iter().map(Into::into).collect(),
    }
}

/// What the caller wants to be told, and when; the usual where they have set nothing.
#[utoipa::path(
    get, path = "/v1/notifications/preferences", tag = "notification", security(("bearer" = [])),
    responses(
        (status = 200, description = "The preferences", body = PreferencesAnswer, headers(("ETag" = String))),
        QueryProblems,
    )
)]
pub(crate) async fn get_preferences(state: TenantState, signed_in: SignedIn) -> Result<Response, Problem> {
    let user = signed_in.caller.user_id;
    let (preferences, version) = state.commands().notification_preferences(&state.tenant, user).await?;
    Ok(versioned(version, answer(&state, &preferences)))
}

/// Sets what the caller wants to be told, and when: all of it.
#[utoipa::path(
    put, path = "/v1/notifications/preferences", tag = "notification", security(("bearer" = [])),
    params(CommandHeaders), request_body = PreferencesBody,
    responses(
        (status = 200, description = "The preferences as they now are", body = Positioned<PreferencesAnswer>,
         headers(("ETag" = String), ("Baeum-Position" = i64), ("Idempotency-Replayed" = String))),
        CommandProblems,
    )
)]
pub(crate) async fn put_preferences(
    state: TenantState,
    _signed_in: SignedIn,
    Incoming { request, body }: Incoming<PreferencesBody>,
) -> Result<Response, Problem> {
    let wanted = |channels: BTreeSet<Channel>| channels.into_iter().map(Into::into).collect();
    let preferences = Preferences {
        channels: body.channels.into_iter().map(|(topic, channels)| (topic, wanted(channels))).collect(),
        quiet_hours: body.quiet_hours.map(|it| quiet_hours::QuietHours { from: it.from, to: it.to }),
    };
    let caller = request.caller.user_id;
    let outcome = state.commands().set_notification_preferences(&request, caller, preferences).await?;
    Ok(answered(&state, caller, outcome, None, |it| answer(&state, &it)))
}
