//! Planted mistakes: transcripts that say something else than was said, and how well that is found.

#[allow(clippy::enum_glob_use, reason = "a table of sounds")]
use baeum_domain::learning::sounds::Sound::{self, *};
use baeum_ml::learning::pronunciation::goodness::Evidence;
use baeum_ml::learning::pronunciation::lexicon::Pronunciation;
use baeum_ml::learning::pronunciation::verdict::{fit, words};
use baeum_ml::learning::pronunciation::{Heard, PhoneModel};
use serde_json::{Value, json};

use crate::Result;
use crate::corpus::Utterance;
use crate::rng::Rng;

/// Seed of what is planted in the test part: the same for every run.
pub(crate) const MEASURE_SEED: u64 = 20_260_101;
/// Share of the sounds of a transcript that are replaced.
pub(crate) const PLANTED: f64 = 0.15;

/// Pairs that speakers of Korean are known to confuse.
const CONFUSED: [(Sound, Sound); 30] = [
    (R, L),
    (F, P),
    (V, B),
    (Th, S),
    (Th, T),
    (Dh, D),
    (Dh, Z),
    (Z, S),
    (Z, Jh),
    (Zh, Jh),
    (Sh, S),
    (Ch, Sh),
    (B, P),
    (D, T),
    (G, K),
    (Jh, Ch),
    (N, Ng),
    (W, V),
    (L, N),
    (Iy, Ih),
    (Uw, Uh),
    (Eh, Ae),
    (Aa, Ao),
    (Ao, Ow),
    (Ah, Aa),
    (Er, Ao),
    (Ey, Eh),
    (Ah, Ae),
    (Ow, Uh),
    (Er, Ah),
];

/// What a sound is replaced by.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Plant {
    /// Any other, all alike.
    Uniform,
    /// One that is confused with it; any other where none is.
    Confused,
}

impl Plant {
    fn other(self, class: u8, rng: &mut Rng) -> u8 {
        if self == Self::Confused {
            let partner = |(a, b): &(Sound, Sound)| match (*a as u8 == class, *b as u8 == class) {
                (true, _) => Some(*b as u8),
                (_, true) => Some(*a as u8),
                _ => None,
            };
            let partners: Vec<u8> = CONFUSED.iter().filter_map(partner).collect();
            if let Some(other) = rng.pick(&partners) {
                return *other;
            }
        }
        let other = rng.below(Sound::ALL.len() - 1) as u8;
        if other >= class { other + 1 } else { other }
    }
}

/// A sound of a transcript, and whether the transcript is right there.
pub(crate) struct Case {
    pub evidence: Evidence,
    pub right: bool,
}

/// The transcript as it was said, one pronunciation a word; `None` where it does not fit.
fn as_said(heard: &Heard, words: &[Vec<Pronunciation>]) -> Option<Vec<Pronunciation>> {
    let (segments, _) = heard.sounds(words, false)?;
    let mut said: Vec<Pronunciation> = words.iter().map(|word| word.first().cloned().unwrap_or_default()).collect();
    for segment in segments {
        if let Some(word) = segment.word {
            said[word].clone_from(words[word].get(segment.place.0)?);
        }
    }
    Some(said)
}

/// Plants mistakes into the transcript of each recording, lays it along, and gathers what speaks for each sound.
pub(crate) fn cases(utterances: &[Utterance], heard: &[Heard], plant: Plant, rng: &mut Rng) -> Vec<Vec<Case>> {
    let mut one = |(utterance, heard): (&Utterance, &Heard)| {
        let said = as_said(heard, &utterance.words)?;
        let planted: Vec<Vec<Pronunciation>> = said
            .iter()
            .map(|word| {
                let sound = |class: &u8| if rng.chance(PLANTED) { plant.other(*class, rng) } else { *class };
                vec![word.iter().map(sound).collect()]
            })
            .collect();
        let (_, found) = heard.sounds(&planted, false)?;
        let case = |(segment, evidence): (baeum_ml::learning::pronunciation::graph::Segment, Evidence)| {
            let truth = said.get(segment.word?)?.get(segment.place.1)?;
            Some(Case { right: *truth == evidence.class, evidence })
        };
        Some(found.into_iter().filter_map(case).collect())
    };
    utterances.iter().zip(heard).map(|pair| one(pair).unwrap_or_default()).collect()
}

/// Chance that a right one scores above a wrong one, ties counting half.
pub(crate) fn auc(scores: &[(f64, bool)]) -> f64 {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut wrong, mut wins, mut rights) = (0.0, 0.0, 0.0);
    for tie in sorted.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
        let right = tie.iter().filter(|(_, right)| *right).count() as f64;
        let others = tie.len() as f64 - right;
        wins += right * (wrong + others / 2.0);
        wrong += others;
        rights += right;
    }
    wins / (wrong * rights)
}

/// The same within the cases of one sound of the text, as a mean over the sounds by how many of each are wrong: what is
/// heard, without what is known of how often each sound is planted.
pub(crate) fn within(scores: &[(f64, bool)], sounds: &[u8]) -> f64 {
    let (mut sum, mut weight) = (0.0, 0.0);
    for sound in 0..Sound::ALL.len() as u8 {
        let of: Vec<_> = scores.iter().zip(sounds).filter(|(_, of)| **of == sound).map(|(score, _)| *score).collect();
        let wrong = of.iter().filter(|(_, right)| !right).count();
        if wrong > 0 && wrong < of.len() {
            sum += wrong as f64 * auc(&of);
            weight += wrong as f64;
        }
    }
    sum / weight
}

/// Where the share of right ones below equals that of wrong ones above; and that share.
pub(crate) fn equal_error(scores: &[(f64, bool)]) -> (f64, f64) {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rights = sorted.iter().filter(|(_, right)| *right).count() as f64;
    let wrongs = sorted.len() as f64 - rights;
    let (mut below, mut above) = (0.0, wrongs);
    for (score, right) in sorted {
        if right {
            below += 1.0;
        } else {
            above -= 1.0;
        }
        if below / rights >= above / wrongs {
            return (score, below / rights);
        }
    }
    (1.0, 1.0)
}

/// The score below which a share of the right ones lies.
pub(crate) fn lowest(scores: &[(f64, bool)], share: f64) -> f64 {
    let mut rights: Vec<f64> = scores.iter().filter(|score| score.1).map(|score| score.0).collect();
    rights.sort_by(f64::total_cmp);
    rights.get((rights.len() as f64 * share) as usize).copied().unwrap_or(0.5)
}

/// Figures of planted mistakes, with what single values would reach in the judge's place.
pub(crate) fn planted(
    model: &PhoneModel,
    utterances: &[Utterance],
    heard: &[Heard],
    plant: Plant,
    seed: u64,
) -> Result<Value> {
    let all = cases(utterances, heard, plant, &mut Rng::new(seed));
    let score = |cases: &[&Case]| -> Result<Vec<(f64, bool)>> {
        let found = model_probabilities(model, cases)?;
        Ok(found.into_iter().zip(cases).map(|(p, case)| (p, case.right)).collect())
    };
    let of = |child: Option<bool>| -> Vec<&Case> {
        let chosen = all.iter().zip(utterances).filter(|(_, u)| child.is_none_or(|child| u.child == child));
        chosen.flat_map(|(cases, _)| cases).collect()
    };
    let everyone = of(None);
    let value =
        |at: usize| auc(&everyone.iter().map(|c| (f64::from(c.evidence.values[at]), c.right)).collect::<Vec<_>>());
    let scores = score(&everyone)?;
    let sounds: Vec<u8> = everyone.iter().map(|case| case.evidence.class).collect();
    let kept = everyone.iter().filter(|case| case.right);
    let likeliest = kept.clone().filter(|case| case.evidence.likeliest == case.evidence.class).count();
    Ok(json!({
        "sounds": everyone.len(), "planted": everyone.iter().filter(|case| !case.right).count(),
        "auc": short(auc(&scores)), "auc_children": short(auc(&score(&of(Some(true)))?)),
        "auc_adults": short(auc(&score(&of(Some(false)))?)),
        "auc_within_sounds": short(within(&scores, &sounds)),
        "equal_error": short(equal_error(&scores).1),
        "auc_of_single_values": {"against_likeliest_other": short(value(0)), "against_all": short(value(1)),
            "mean_log_posterior": short(value(2)), "posterior_ratio": short(value(3))},
        "sound_of_the_text_likeliest": short(likeliest as f64 / kept.count() as f64),
    }))
}

/// Scores of sounds with whether they are right, and which sounds they are.
pub(crate) type Scored = (Vec<(f64, bool)>, Vec<u8>);

/// Judged sounds, left and planted, of every recording or of those of children or of adults, and which sounds they are.
pub(crate) fn judged(
    model: &PhoneModel,
    utterances: &[Utterance],
    heard: &[Heard],
    plant: Plant,
    child: Option<bool>,
) -> Result<Scored> {
    let all = cases(utterances, heard, plant, &mut Rng::new(MEASURE_SEED));
    let chosen = all.iter().zip(utterances).filter(|(_, u)| child.is_none_or(|child| u.child == child));
    let chosen: Vec<&Case> = chosen.flat_map(|(cases, _)| cases).collect();
    let scores = model_probabilities(model, &chosen)?.into_iter().zip(&chosen).map(|(p, case)| (p, case.right));
    Ok((scores.collect(), chosen.iter().map(|case| case.evidence.class).collect()))
}

/// Share of planted sounds that are found, by the share of left ones that are taken for planted, over all thresholds.
pub(crate) fn roc(scores: &[(f64, bool)]) -> Vec<(f64, f64)> {
    let mut sorted = scores.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut taken, mut found, mut points) = (0.0, 0.0, vec![(0.0, 0.0)]);
    let every = sorted.len() / 400 + 1;
    for (rank, (_, right)) in sorted.iter().enumerate() {
        if *right {
            taken += 1.0;
        } else {
            found += 1.0;
        }
        if rank.is_multiple_of(every) || rank + 1 == sorted.len() {
            points.push((taken, found));
        }
    }
    points.into_iter().map(|(x, y)| (x / taken, y / found)).collect()
}

pub(crate) fn model_probabilities(model: &PhoneModel, cases: &[&Case]) -> Result<Vec<f64>> {
    Ok(model.judge().probabilities(&cases.iter().map(|case| &case.evidence).collect::<Vec<_>>())?)
}

/// Words put into transcripts that nobody said, and transcripts of others: scores of words and of whole texts, with
/// whether they are right.
pub(crate) fn strangers(
    model: &PhoneModel,
    utterances: &[Utterance],
    heard: &[Heard],
    seed: u64,
) -> Result<[Vec<(f64, bool)>; 2]> {
    let mut rng = Rng::new(seed);
    let (mut of_words, mut of_texts) = (Vec::new(), Vec::new());
    let vocabulary: Vec<&Vec<Pronunciation>> = utterances
        .iter()
        .flat_map(|u| &u.words)
        .filter(|w| w.first().is_some_and(|sounds| sounds.len() >= 3))
        .collect();
    for (utterance, heard) in utterances.iter().zip(heard) {
        let mut text = utterance.words.clone();
        let place = rng.below(text.len() + 1);
        text.insert(place, rng.pick(&vocabulary).map(|word| (*word).clone()).unwrap_or_default());
        if let Some((_, sounds)) = model.sounds(heard, &text, true)? {
            for (at, mean) in words(text.len(), &sounds).into_iter().enumerate() {
                of_words.push((mean.unwrap_or(0.0), at != place));
            }
        }
        if let Some((_, sounds)) = model.sounds(heard, &utterance.words, true)? {
            of_texts.push((fit(&utterance.words, &sounds), true));
        }
        let other = loop {
            let other = &utterances[rng.below(utterances.len())];
            if other.text != utterance.text {
                break other;
            }
        };
        let found = model.sounds(heard, &other.words, true)?;
        of_texts.push((found.map_or(0.0, |(_, sounds)| fit(&other.words, &sounds)), false));
    }
    Ok([of_words, of_texts])
}

/// Shares that a threshold gets wrong.
pub(crate) fn errors(scores: &[(f64, bool)], threshold: f64) -> Value {
    let share = |right: bool| {
        let of: Vec<_> = scores.iter().filter(|score| score.1 == right).collect();
        short(of.iter().filter(|score| (score.0 < threshold) == right).count() as f64 / of.len() as f64)
    };
    json!({"auc": short(auc(scores)), "right_ones_refused": share(true), "wrong_ones_taken": share(false)})
}

pub(crate) fn short(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_counts_pairs_and_ties_for_half() {
        assert!((auc(&[(0.9, true), (0.8, false), (0.7, true), (0.1, false)]) - 0.75).abs() < 1e-9);
        assert!((auc(&[(0.5, true), (0.5, false)]) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn within_sounds_the_level_of_a_sound_counts_for_nothing() {
        let scores = [(0.9, true), (0.8, false), (0.2, true), (0.1, false)];
        assert!((auc(&scores) - 0.75).abs() < 1e-9);
        assert!((within(&scores, &[0, 0, 1, 1]) - 1.0).abs() < 1e-9);
        assert!((within(&[(0.9, true), (0.1, false), (0.4, true)], &[2, 2, 5]) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_planted_sound_is_always_another() {
        let mut rng = Rng::new(3);
        for class in 0..39 {
            for plant in [Plant::Uniform, Plant::Confused] {
                assert!((0..200).all(|_| {
                    let other = plant.other(class, &mut rng);
                    other != class && other < 39
                }));
            }
        }
    }
}
