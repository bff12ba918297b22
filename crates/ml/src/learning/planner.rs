//! The lesson planner over the catalogue's clips.
//!
//! Score of a clip = 0.5 level + 0.3 weaknesses + 0.2 interests, each part from 0 to 1 (see `recommendation/fit.rs`):
//! expert-set weights of a content-based ranking (Pazzani & Billsus, 2007). Clips go by, first to last: whether they were
//! seen (chosen again only when nothing else is left); how many bands they lie beyond the neighbouring one (no liking
//! leads a beginner to C1 while B1 is left); their score, less up to 0.5 by how lately they were seen; their id.
//!
//! A lesson has the two best clips (one if the catalogue has no more) and up to four of their tasks, those that train
//! the first weaknesses first. At least one task is written, where any clip has such a task: if need be, the second
//! clip gives way to the best clip that has one, and the last of four tasks to it.

use std::{cmp::Reverse, sync::Arc};

use baeum_domain::{
    assessment::testing::Weakness,
    catalog::Catalog,
    learning::planning::{LessonPlan, LessonPlanner, PlannedClip, PlannedTask, PlanningInput, TaskKind},
    media::clip::{Clip, Task},
};

use crate::recommendation::fit::{self, Training};

const LEVEL: f64 = 0.5;
const WEAKNESSES: f64 = 0.3;
const INTERESTS: f64 = 0.2;
const JUST_SEEN: f64 = 0.5;
const CLIPS: usize = 2;
const TASKS: usize = 4;
const REQUIRED_ATTEMPTS: u32 = 2;

/// Plans lessons from a catalogue.
#[derive(Clone, Debug)]
pub struct CatalogPlanner {
    catalog: Arc<Catalog>,
}

impl CatalogPlanner {
    /// A planner over the clips of `catalog`.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    /// Clips with tasks, the best first.
    fn ranked(&self, input: &PlanningInput) -> Vec<&Clip> {
        let clips = self.catalog.clips.values().filter(|clip| !clip.tasks.is_empty());
        let mut ranked: Vec<_> = clips
            .map(|clip| {
                let recency = recency(clip, input);
                let far = clip.level.distance(input.level).max(1);
                ((recency.is_some(), far), score(clip, input) - JUST_SEEN * recency.unwrap_or(0.0), clip)
            })
            .collect();
        ranked.sort_by(|(left_tier, left, left_clip), (right_tier, right, right_clip)| {
            let by_score = || right.total_cmp(left).then_with(|| left_clip.id.cmp(&right_clip.id));
            left_tier.cmp(right_tier).then_with(by_score)
        });
        ranked.into_iter().map(|(_, _, clip)| clip).collect()
    }
}

impl LessonPlanner for CatalogPlanner {
    fn plan(&self, input: &PlanningInput) -> Option<LessonPlan> {
        let ranked = self.ranked(input);
        let mut chosen: Vec<_> = ranked.iter().take(CLIPS).copied().collect();
        if !chosen.iter().any(|clip| has_writing(clip))
            && let Some(writing) = ranked.iter().find(|clip| has_writing(clip))
        {
            chosen.truncate(CLIPS - 1);
            chosen.push(writing);
        }
        let tasks = tasks(&chosen, &input.weaknesses);
        let required_attempts = count(tasks.len()).min(REQUIRED_ATTEMPTS);
        let clips: Vec<_> = chosen
            .into_iter()
            .map(|clip| PlannedClip {
                clip_id: clip.id.clone(),
                duration_ms: clip.duration_ms,
                segments: count(clip.segments.len()),
            })
            .collect();
        (!clips.is_empty()).then_some(LessonPlan { level: input.level, clips, tasks, required_attempts })
    }
}

fn score(clip: &Clip, input: &PlanningInput) -> f64 {
    LEVEL * fit::level(clip.level, input.level)
        + WEAKNESSES * Training::of_clip(clip).weaknesses(&input.weaknesses)
        + INTERESTS * fit::interests(&clip.topics, &input.interests)
}

/// How lately a clip was seen: 1 for the latest, near 0 for the first, `None` for a clip that was not seen.
fn recency(clip: &Clip, input: &PlanningInput) -> Option<f64> {
    let latest = input.seen.iter().rposition(|seen| *seen == clip.id)?;
    Some(fit::ratio(latest + 1, input.seen.len()))
}

fn has_writing(clip: &Clip) -> bool {
    clip.tasks.iter().any(|task| task.kind == TaskKind::Writing)
}

fn tasks(clips: &[&Clip], weaknesses: &[Weakness]) -> Vec<PlannedTask> {
    let mut tasks: Vec<_> = clips.iter().flat_map(|clip| clip.tasks.iter().map(move |task| (*clip, task))).collect();
    tasks.sort_by_key(|(_, task)| urgency(task, weaknesses));
    let missing = !tasks.iter().take(TASKS).any(|(_, task)| task.kind == TaskKind::Writing);
    if missing && let Some(at) = tasks.iter().position(|(_, task)| task.kind == TaskKind::Writing) {
        tasks.swap(TASKS - 1, at);
    }
    tasks.truncate(TASKS);
    let planned = |(clip, task): (&Clip, &Task)| PlannedTask {
        task_id: task.id.clone(),
        clip_id: clip.id.clone(),
        kind: task.kind,
        focus: task.focus.clone(),
        min_words: task.min_words,
    };
    tasks.into_iter().map(planned).collect()
}

/// Sorts tasks: skill and focus of a weakness, then its focus, then its skill, then none; within each by rank.
fn urgency(task: &Task, weaknesses: &[Weakness]) -> (Reverse<u8>, usize) {
    let match_of = |weakness: &Weakness| {
        2 * u8::from(weakness.focus == task.focus) + u8::from(weakness.skill == task.kind.skill())
    };
    let ranked = weaknesses.iter().enumerate().map(|(rank, weakness)| (Reverse(match_of(weakness)), rank));
    ranked.filter(|(matched, _)| matched.0 > 0).min().unwrap_or((Reverse(0), 0))
}

fn count(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use baeum_domain::{
        ids::{ClipId, Topic},
        level::{Cefr, Skill},
    };

    /// A clip of a level, a topic and tasks given as (kind, focus).
    fn clip(id: &str, level: &str, topic: &str, tasks: &[(&str, &str)]) -> String {
        let tasks: Vec<_> = tasks
            .iter()
            .enumerate()
            .map(|(at, (kind, focus))| {
                format!(
                    "{{ id = \"{id}-t{at}\", kind = \"{kind}\", prompt = \"?\", focus = \"{focus}\", min_words = 5, \
                     sample = \"!\" }}"
                )
            })
            .collect();
        format!(
            "[[clip]]\nid = \"{id}\"\ntitle = \"T\"\nlevel = \"{level}\"\ntopics = [\"{topic}\"]\nskills = \
             [\"listening\"]\nfocus = []\nduration_ms = 60000\nsynopsis = \"S\"\nsegments = [{{ start_ms = 0, end_ms \
             = 900, text = \"t\", gloss = \"g\" }}]\ntasks = [{}]\n",
            tasks.join(", ")
        )
    }

    fn planner(clips: &[String]) -> CatalogPlanner {
        let text = clips.concat();
        CatalogPlanner::new(Arc::new(Catalog::parse([("clips.toml", text.as_str())]).expect("good clips")))
    }

    fn input() -> PlanningInput {
        PlanningInput { level: Cefr::B1, weaknesses: vec![], interests: [].into(), seen: vec![] }
    }

    fn clips_of(plan: &LessonPlan) -> Vec<&str> {
        plan.clips.iter().map(|clip| clip.clip_id.as_str()).collect()
    }

    fn tasks_of(plan: &LessonPlan) -> Vec<&str> {
        plan.tasks.iter().map(|task| task.task_id.as_str()).collect()
    }

    const BOTH: [(&str, &str); 2] = [("writing", "past_simple"), ("speaking", "past_simple")];

    #[test]
    fn clips_at_the_level_are_chosen_and_ties_go_by_id() {
        let planner = planner(&[
            clip("a", "C1", "food", &BOTH),
            clip("d", "B1", "food", &BOTH),
            clip("c", "B1", "food", &BOTH),
            clip("b", "B1", "food", &BOTH),
        ]);
        let plan = planner.plan(&input()).expect("a plan");
        assert_eq!(clips_of(&plan), ["b", "c"]);
        assert_eq!((plan.level, plan.required_attempts, plan.tasks.len()), (Cefr::B1, 2, 4));
        assert_eq!(plan, planner.plan(&input()).expect("the same plan"));
    }

    #[test]
    fn clips_that_were_seen_come_last_and_the_latest_of_them_at_the_very_end() {
        let planner = planner(&["a", "b", "c"].map(|id| clip(id, "B1", "food", &BOTH)));
        let seen: Vec<ClipId> = ["b", "a", "b"].map(|id| id.parse().expect("a valid clip id")).into();
        let plan = planner.plan(&PlanningInput { seen, ..input() }).expect("a plan");
        assert_eq!(clips_of(&plan), ["c", "a"]);
    }

    #[test]
    fn interests_decide_between_clips_of_a_level() {
        let planner = planner(&[clip("a", "B1", "food", &BOTH), clip("b", "B1", "travel", &BOTH)]);
        let travel: Topic = "travel".parse().expect("a valid topic");
        let plan = planner.plan(&PlanningInput { interests: [travel].into(), ..input() }).expect("a plan");
        assert_eq!(clips_of(&plan), ["b", "a"]);
    }

    #[test]
    fn no_liking_outweighs_a_level_far_off() {
        let far = clip("a", "C1", "travel", &BOTH);
        let planner = planner(&[far, clip("b", "B1", "food", &BOTH), clip("c", "B2", "food", &BOTH)]);
        let travel: Topic = "travel".parse().expect("a valid topic");
        let interests = [travel].into();
        let plan = planner.plan(&PlanningInput { level: Cefr::A1, interests, ..input() }).expect("a plan");
        assert_eq!(clips_of(&plan), ["b", "c"]);
    }

    #[test]
    fn weaknesses_choose_the_clip_and_order_its_tasks() {
        let other = [("speaking", "gist"), ("writing", "gist"), ("writing", "articles")];
        let planner = planner(&[clip("a", "B1", "food", &BOTH), clip("b", "B1", "food", &other)]);
        let weakness = Weakness { skill: Skill::Writing, focus: "articles".parse().expect("a valid focus") };
        let plan = planner.plan(&PlanningInput { weaknesses: vec![weakness], ..input() }).expect("a plan");
        assert_eq!(clips_of(&plan), ["b", "a"]);
        assert_eq!(tasks_of(&plan), ["b-t2", "b-t1", "a-t0", "b-t0"]);
    }

    #[test]
    fn one_of_four_tasks_is_written_even_when_others_are_more_urgent() {
        let speaking = [("speaking", "gist"); 5];
        let writing = [&speaking[..], &[("writing", "articles")]].concat();
        let plan = planner(&[clip("a", "B1", "food", &writing)]).plan(&input()).expect("a plan");
        assert_eq!(tasks_of(&plan), ["a-t0", "a-t1", "a-t2", "a-t5"]);
    }

    #[test]
    fn a_clip_with_a_written_task_takes_the_second_place_where_the_best_have_none() {
        let speaking = [("speaking", "gist")];
        let planner = planner(&[
            clip("a", "B1", "food", &speaking),
            clip("b", "B1", "food", &speaking),
            clip("c", "A2", "food", &BOTH),
        ]);
        assert_eq!(clips_of(&planner.plan(&input()).expect("a plan")), ["a", "c"]);
    }

    #[test]
    fn a_single_clip_with_a_single_task_makes_a_lesson_of_one_attempt() {
        let plan = planner(&[clip("a", "B1", "food", &[("speaking", "gist")])]).plan(&input()).expect("a plan");
        assert_eq!((clips_of(&plan), plan.required_attempts), (vec!["a"], 1));
        assert_eq!((plan.clips[0].duration_ms, plan.clips[0].segments), (60_000, 1));
    }

    #[test]
    fn without_clips_there_is_no_plan() {
        assert_eq!(planner(&[]).plan(&input()), None);
    }
}
