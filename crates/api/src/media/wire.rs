//! What clips and titles look like on the wire.

use baeum_domain::media::{clip, title};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::{Level, Skill, mirror, texts};

mirror! {
    /// What a title is.
    #[serde(rename_all = "snake_case")]
    TitleKind = baeum_domain::media::title::TitleKind {
        /// A series.
        Drama,
        /// A film.
        Film,
    }
}

mirror! {
    /// How a service offers a title.
    #[serde(rename_all = "snake_case")]
    Offer = baeum_domain::media::title::Offer { Subscription, Rent, Buy, Free }
}

/// A clip in short.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClipSummary {
    clip_id: String,
    title: String,
    /// The level at which it can be followed.
    level: Level,
    topics: Vec<String>,
    /// What it trains most.
    skills: Vec<Skill>,
    /// Its length in milliseconds.
    duration_ms: u32,
    /// What happens, in a sentence.
    synopsis: String,
}

/// A drama or film in short.
#[derive(Serialize, ToSchema)]
pub(crate) struct TitleSummary {
    title_id: String,
    title: String,
    /// What it is called in Korean.
    title_ko: String,
    kind: TitleKind,
    /// Year of release.
    year: u16,
    /// The level at which it is comfortable to watch.
    level: Level,
    topics: Vec<String>,
    /// What happens, in a sentence or two.
    synopsis: String,
}

impl From<&clip::Clip> for ClipSummary {
    fn from(clip: &clip::Clip) -> Self {
        Self {
            clip_id: clip.id.to_string(),
            title: clip.title.clone(),
            level: clip.level.into(),
            topics: texts(clip.topics.iter().cloned()),
            skills: clip.skills.iter().copied().map(Into::into).collect(),
            duration_ms: clip.duration_ms,
            synopsis: clip.synopsis.clone(),
        }
    }
}

impl From<&title::Title> for TitleSummary {
    fn from(title: &title::Title) -> Self {
        Self {
            title_id: title.id.to_string(),
            title: title.title.clone(),
            title_ko: title.title_ko.clone(),
            kind: title.kind.into(),
            year: title.year,
            level: title.level.into(),
            topics: texts(title.topics.iter().cloned()),
            synopsis: title.synopsis.clone(),
        }
    }
}
