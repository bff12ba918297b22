//! Words that several answers use.

use serde::Serialize;
use utoipa::ToSchema;

/// Makes an enum of the wire that mirrors one of the domain, so that neither can change the other unseen.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident = $domain:path { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $(#[$doc])*
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl From<$domain> for $name {
            fn from(value: $domain) -> Self {
                match value {
                    $(<$domain>::$variant => Self::$variant,)+
                }
            }
        }

        impl From<$name> for $domain {
            fn from(value: $name) -> Self {
                match value {
                    $($name::$variant => Self::$variant,)+
                }
            }
        }
    };
}

pub(crate) use mirror;

mirror! {
    /// A band of the Common European Framework of Reference for Languages.
    Level = baeum_domain::level::Cefr { A1, A2, B1, B2, C1 }
}

mirror! {
    /// A skill.
    #[serde(rename_all = "snake_case")]
    Skill = baeum_domain::level::Skill { Reading, Listening, Writing, Speaking }
}

/// Something to work on.
#[derive(Serialize, ToSchema)]
pub(crate) struct Weakness {
    skill: Skill,
    /// A grammar point or sub-skill, for instance `past_simple`.
    focus: String,
}

impl From<baeum_domain::assessment::testing::Weakness> for Weakness {
    fn from(weakness: baeum_domain::assessment::testing::Weakness) -> Self {
        Self { skill: weakness.skill.into(), focus: weakness.focus.into() }
    }
}

/// Names as text.
pub(crate) fn texts<T: Into<String>>(names: impl IntoIterator<Item = T>) -> Vec<String> {
    names.into_iter().map(Into::into).collect()
}
