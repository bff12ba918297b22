//! Judging policies by the choices in the log.
//!
//! The reward in question is that of the first place of titles, and of clips: 1 if it was finished, 0.5 if opened, else 0,
//! until the next recommendation.

use std::fmt::Write as _;

use baeum_eventlog::EventLog;
use baeum_ml::recommendation::{
    bandit_recommender::{BanditRecommender, Kind},
    features::Features,
    learned::Learned,
    off_policy::{Estimate, Estimates, Logged, cross_fit, estimate},
    settings::Settings,
};
use serde::Serialize;

use super::{
    RecommendError,
    past::{self, Past, Told},
};

/// Below so many effective choices an interval from a normal distribution is not to be trusted.
const ENOUGH: f64 = 100.0;

/// What the estimators say.
#[derive(Serialize)]
pub(super) struct Report {
    /// Up to which position of the log.
    position: i64,
    /// Of each kind of content.
    kinds: Vec<OfKind>,
}

#[derive(Serialize)]
struct OfKind {
    /// `titles` or `clips`.
    kind: &'static str,
    /// What was earned by the policies that chose.
    logged: Estimate,
    policies: Vec<OfPolicy>,
}

#[derive(Serialize)]
struct OfPolicy {
    policy: &'static str,
    /// None where it would have chosen nothing that was.
    estimates: Option<Estimates>,
}

/// Estimates what the present recommender and others would have earned.
pub(super) async fn evaluate(log: &EventLog, present: &BanditRecommender) -> Result<Report, RecommendError> {
    let mut all = vec![];
    let position = past::tell(log, |told| {
        if let Told::Over(past) = told {
            all.push(past);
        }
    })
    .await?;
    let experts = present.having(&Learned::default()).expect("nothing learned has no features");
    let set_to = |settings| present.set_to(settings).expect("settings in their ranges");
    let policies = [
        ("present", present.clone()),
        ("present, without chance", set_to(Settings::default().greedy())),
        ("nothing learned", experts),
        ("evenly", set_to(Settings { uniform: 1.0, ..Settings::default() })),
    ];
    let kinds = [("titles", Kind::Titles), ("clips", Kind::Clips)];
    let kinds: Vec<_> =
        kinds.into_iter().filter_map(|(name, kind)| of_kind(name, kind, &all, present, &policies)).collect();
    if kinds.is_empty() { Err(RecommendError::Nothing) } else { Ok(Report { position, kinds }) }
}

fn of_kind(
    name: &'static str,
    kind: Kind,
    all: &[Past],
    present: &BanditRecommender,
    policies: &[(&'static str, BanditRecommender)],
) -> Option<OfKind> {
    let first = |past: &Past| {
        let place = if kind == Kind::Titles { past.titles.first()? } else { past.clips.first()? };
        // What has left the catalogue can be chosen by nobody.
        let features = present.features(&past.input, &place.content)?;
        Some((place.content.clone(), place.propensity?, place.reward(), features))
    };
    let rows: Vec<_> = all.iter().filter_map(|past| Some((past, first(past)?))).collect();
    if rows.is_empty() {
        return None;
    }
    let models = cross_fit(rows.iter().map(|(_, (_, _, reward, features))| (features, *reward)));
    let judged = policies.iter().map(|(policy, recommender)| {
        let logged = rows.iter().enumerate().map(|(at, (past, (content, propensity, reward, features)))| {
            let expected = |features: &Features| models[at % 2].expected(&features.0);
            let candidates = recommender.first_place(kind, &past.input);
            let target = candidates.iter().find(|it| it.content == *content).map_or(0.0, |it| it.probability);
            let of_target = |content| present.features(&past.input, content).map_or(0.0, |it| expected(&it));
            Logged {
                reward: *reward,
                propensity: *propensity,
                target,
                expected_of_chosen: expected(features),
                expected_of_target: candidates
                    .iter()
                    .filter(|it| it.probability > 0.0)
                    .map(|it| it.probability * of_target(&it.content))
                    .sum(),
            }
        });
        OfPolicy { policy, estimates: estimate(&logged.collect::<Vec<_>>()) }
    });
    let policies = judged.collect();
    let logged = Estimate::mean(rows.iter().map(|(_, (_, _, reward, _))| *reward));
    Some(OfKind { kind: name, logged, policies })
}

/// It for people.
pub(super) fn describe(report: &Report) -> String {
    let mut text = format!("mean reward of the first place, up to position {}, 95 % intervals\n", report.position);
    let shown = |it: &Estimate| format!("{:.3} ({:.3} to {:.3})", it.value, it.low, it.high);
    let mut rough = false;
    for OfKind { kind, logged, policies } in &report.kinds {
        let _ = writeln!(text, "\n{kind}: logged {}", shown(logged));
        let _ = writeln!(text, "{:<24} {:>9}  {:<24} {:<24} DR", "policy", "effective", "IPS", "SNIPS");
        for OfPolicy { policy, estimates } in policies {
            let Some(it) = estimates else {
                let _ = writeln!(text, "{policy:<24} would have chosen nothing that was chosen");
                continue;
            };
            rough |= it.effective < ENOUGH;
            let (ips, snips, dr) = (shown(&it.ips), shown(&it.snips), shown(&it.dr));
            let _ = writeln!(text, "{policy:<24} {:>9.0}  {ips:<24} {snips:<24} {dr}", it.effective);
        }
    }
    if rough {
        let _ = write!(text, "\nfewer than {ENOUGH} effective choices: such intervals are too narrow; wait for more");
    }
    text.trim_end().to_owned()
}
