//! How well content fits a learner, each part from 0 to 1. The planner and the recommender weigh these parts.

use std::collections::BTreeSet;

use baeum_domain::{
    assessment::testing::Weakness,
    ids::{Focus, Topic},
    level::{Cefr, Skill},
    media::{clip::Clip, title::Title},
};

/// (1 − d/4)² for d bands between content and learner: 1, 0.56, 0.25, 0.06, 0.
pub(crate) fn level(of_content: Cefr, of_learner: Cefr) -> f64 {
    let closeness = 1.0 - f64::from(of_content.distance(of_learner)) / 4.0;
    closeness * closeness
}

/// The overlap coefficient (Szymkiewicz, 1934; Simpson, 1943) of topics and interests: common ones by the fewer of the
/// two. It neither punishes a learner with many interests nor content with many topics.
pub(crate) fn interests(topics: &[Topic], interests: &BTreeSet<Topic>) -> f64 {
    let topics: BTreeSet<_> = topics.iter().collect();
    let common = topics.iter().filter(|topic| interests.contains(**topic)).count();
    let most = topics.len().min(interests.len());
    if most == 0 { 0.0 } else { ratio(common, most) }
}

/// What content trains.
#[derive(Clone, Debug)]
pub(crate) struct Training<'a> {
    skills: Vec<Skill>,
    pairs: Vec<(Skill, &'a Focus)>,
}

impl<'a> Training<'a> {
    /// A title trains each of its focuses in each of its skills.
    pub(crate) fn of_title(title: &'a Title) -> Self {
        Self::new(&title.skills, &title.focus)
    }

    /// So does a clip; and each of its tasks trains its focus in the skill in which it is answered.
    pub(crate) fn of_clip(clip: &'a Clip) -> Self {
        let mut training = Self::new(&clip.skills, &clip.focus);
        for task in &clip.tasks {
            training.skills.push(task.kind.skill());
            training.pairs.push((task.kind.skill(), &task.focus));
        }
        training
    }

    fn new(skills: &[Skill], focus: &'a [Focus]) -> Self {
        let pairs = skills.iter().flat_map(|skill| focus.iter().map(move |focus| (*skill, focus))).collect();
        Self { skills: skills.to_vec(), pairs }
    }

    /// Whether the focus of `weakness` is trained in its very skill.
    pub(crate) fn meets(&self, weakness: &Weakness) -> bool {
        self.pairs.contains(&(weakness.skill, &weakness.focus))
    }

    /// What is due for review and trained here, by the fewer of what is due and what is trained, 0 to 1.
    pub(crate) fn reviews(&self, due: &[Focus]) -> f64 {
        let due: BTreeSet<_> = due.iter().collect();
        let trained: BTreeSet<_> = self.pairs.iter().map(|(_, focus)| *focus).collect();
        let most = due.len().min(trained.len());
        if most == 0 { 0.0 } else { ratio(due.intersection(&trained).count(), most) }
    }

    /// Whether this focus is trained, in whichever skill.
    pub(crate) fn trains(&self, focus: &Focus) -> bool {
        self.pairs.iter().any(|(_, trained)| *trained == focus)
    }

    /// The weaknesses that are trained, the *n*-th weighing 1/*n*, as a share of all. The focus in its very skill counts
    /// fully, the focus in another skill a half, the skill alone a quarter.
    pub(crate) fn weaknesses(&self, weaknesses: &[Weakness]) -> f64 {
        let (mut met, mut all, mut rank) = (0.0, 0.0, 1.0);
        for weakness in weaknesses {
            let share = if self.meets(weakness) {
                1.0
            } else if self.pairs.iter().any(|(_, focus)| **focus == weakness.focus) {
                0.5
            } else if self.skills.contains(&weakness.skill) {
                0.25
            } else {
                0.0
            };
            met += share / rank;
            all += 1.0 / rank;
            rank += 1.0;
        }
        if all > 0.0 { met / all } else { 0.0 }
    }
}

/// `part` of `whole`, both counts.
pub(crate) fn ratio(part: usize, whole: usize) -> f64 {
    number(part) / number(whole)
}

/// A count.
pub(crate) fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn topics(names: &[&str]) -> Vec<Topic> {
        names.iter().map(|name| name.parse().expect("a valid topic")).collect()
    }

    fn weakness(skill: Skill, focus: &str) -> Weakness {
        Weakness { skill, focus: focus.parse().expect("a valid focus") }
    }

    #[test]
    fn levels_fit_less_with_every_band_between() {
        let fits = [Cefr::A1, Cefr::A2, Cefr::B1, Cefr::B2, Cefr::C1].map(|content| level(content, Cefr::A1));
        assert_eq!(fits.map(f64::to_bits), [1.0, 0.5625, 0.25, 0.0625, 0.0].map(f64::to_bits));
    }

    #[test]
    fn common_interests_count_by_the_fewer_and_none_count_nothing() {
        let liked: BTreeSet<_> = topics(&["travel", "food", "music"]).into_iter().collect();
        assert!((interests(&topics(&["food"]), &liked) - 1.0).abs() < 1e-12);
        assert!((interests(&topics(&["food", "work"]), &liked) - 0.5).abs() < 1e-12);
        assert!(interests(&topics(&["food"]), &BTreeSet::new()).abs() < 1e-12);
    }

    #[test]
    fn the_first_weakness_weighs_most_and_focus_more_than_skill() {
        let focus = ["articles".parse().expect("a valid focus")];
        let list = [weakness(Skill::Reading, "articles"), weakness(Skill::Speaking, "inference")];
        let both = Training::new(&[Skill::Reading, Skill::Speaking], &focus).weaknesses(&list);
        assert!((both - (1.0 + 0.25 / 2.0) / 1.5).abs() < 1e-12);
        let listening = Training::new(&[Skill::Listening], &focus);
        assert!((listening.weaknesses(&list[..1]) - 0.5).abs() < 1e-12);
        assert!(!listening.meets(&list[0]) && listening.weaknesses(&[]).abs() < 1e-12);
    }
}
