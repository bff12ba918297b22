//! A drama or film, as it stands in the catalogue.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    identity::locale::{Country, Language},
    ids::{Focus, TitleId, Topic},
    level::{Cefr, Skill},
};

/// What a title is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TitleKind {
    /// A series.
    Drama,
    /// A film.
    Film,
}

/// How a service offers a title.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// Within a subscription.
    Subscription,
    /// For rent.
    Rent,
    /// For sale.
    Buy,
    /// Free of charge.
    Free,
}

/// A title with where to watch it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Title {
    /// Its name.
    pub id: TitleId,
    /// What it is called in English.
    pub title: String,
    /// And in Korean.
    pub title_ko: String,
    /// Drama or film.
    pub kind: TitleKind,
    /// Year of release.
    pub year: u16,
    /// The language that is spoken.
    pub language: Language,
    /// The level at which it is comfortable to watch.
    pub level: Cefr,
    /// What it is about.
    pub topics: Vec<Topic>,
    /// What watching it trains.
    pub skills: Vec<Skill>,
    /// Grammar points and sub-skills in it.
    pub focus: Vec<Focus>,
    /// Length of an episode or of the film, in minutes.
    pub minutes: u16,
    /// What happens, in a sentence or two.
    pub synopsis: String,
    /// Where to watch it.
    pub providers: Vec<Provider>,
}

/// An offer of a title in one country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    /// In which country.
    pub country: Country,
    /// The service.
    pub provider: String,
    /// How it is offered.
    pub offer: Offer,
    /// Where to go.
    pub url: String,
}
