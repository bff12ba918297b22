//! Which sounds may follow each other when a text is read, and the best way through a recording (Viterbi).
//!
//! Each word is its pronunciations side by side. Between words there may be a pause. A word that the dictionary lacks
//! is one state that takes any sound. Where asked, words may be left out, at a cost.

use baeum_domain::learning::sounds::Sound;

use super::audio::count;
use super::lexicon::Pronunciation;

/// Class of a pause, behind those of the sounds.
pub const PAUSE: u8 = 39;
/// Classes of the network: the sounds and the pause.
pub const CLASSES: usize = 40;
/// Class of a word that is not judged: it takes whatever sound fits best.
const ANY: u8 = 40;
/// What each frame of such a word costs, so that it takes no more than it must.
const ANY_COST: f32 = 1.0;
/// What leaving out a word costs a sound.
const SKIP_COST: f32 = 3.0;
/// The most words in a row that are left out between two that are said. At both ends there is no limit.
const SKIPS: usize = 6;

/// A state of the graph.
#[derive(Clone, Debug)]
pub struct State {
    /// Which class it takes.
    pub class: u8,
    /// Of which word; `None` for a pause.
    pub word: Option<usize>,
    /// Which way to say the word, and which sound of it.
    pub place: (usize, usize),
    /// States before it, and what the way from them costs. The state itself is always one of them, for nothing.
    pub before: Vec<(usize, f32)>,
    /// What it costs to begin here.
    pub begin: Option<f32>,
    /// What it costs to end here.
    pub end: Option<f32>,
}

/// The graph of a text. Every state stands behind those before it.
#[derive(Clone, Debug)]
pub struct Graph {
    /// Its states.
    pub states: Vec<State>,
}

/// A stretch of frames that one state took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Which class: a sound, [`PAUSE`], or beyond it a word that is not judged.
    pub class: u8,
    /// Of which word.
    pub word: Option<usize>,
    /// Which way to say the word, and which sound of it.
    pub place: (usize, usize),
    /// First frame.
    pub from: usize,
    /// Behind the last frame.
    pub to: usize,
}

/// A way into the next word: from a state, or from the beginning, after leaving out some words.
#[derive(Clone, Copy)]
struct Entry {
    state: Option<usize>,
    cost: f32,
    skipped: usize,
}

impl Graph {
    /// The graph of words, each with its pronunciations. `skip` lets words be left out.
    pub fn new(words: &[Vec<Pronunciation>], skip: bool) -> Self {
        let mut states: Vec<State> = Vec::new();
        let mut entries = vec![Entry { state: None, cost: 0.0, skipped: 0 }];
        let cost = |word: &Vec<Pronunciation>| SKIP_COST * count(word.iter().map(Vec::len).min().unwrap_or(1));
        let rest: Vec<f32> = words
            .iter()
            .rev()
            .scan(0.0, |sum, w| {
                *sum += cost(w);
                Some(*sum)
            })
            .collect();
        let pause = |states: &mut Vec<State>, entries: &mut Vec<Entry>| {
            states.push(state(PAUSE, None, (0, 0), entries));
            entries.push(Entry { state: Some(states.len() - 1), cost: 0.0, skipped: 0 });
        };
        pause(&mut states, &mut entries);
        for (at, word) in words.iter().enumerate() {
            let mut after = Vec::new();
            let unknown = [vec![ANY]];
            let variants: &[Pronunciation] = if word.is_empty() { &unknown } else { word };
            for (variant, sounds) in variants.iter().enumerate() {
                for (place, class) in sounds.iter().enumerate() {
                    let before = states.len();
                    let new = if place == 0 {
                        state(*class, Some(at), (variant, place), &entries)
                    } else {
                        let only = [Entry { state: Some(before - 1), cost: 0.0, skipped: 0 }];
                        state(*class, Some(at), (variant, place), &only)
                    };
                    states.push(new);
                }
                after.push(Entry { state: Some(states.len() - 1), cost: 0.0, skipped: 0 });
            }
            let left = words.len() - at - 1;
            let ends = if left == 0 { Some(0.0) } else { rest.get(left - 1).copied().filter(|_| skip) };
            after.iter().filter_map(|entry| entry.state).for_each(|end| states[end].end = ends);
            let leave_out =
                |entry: &Entry| Entry { cost: entry.cost + cost(word), skipped: entry.skipped + 1, ..*entry };
            let reaches = |entry: &&Entry| skip && (entry.skipped < SKIPS || entry.state.is_none());
            let skipping: Vec<Entry> = entries.iter().filter(reaches).map(leave_out).collect();
            entries = after;
            pause(&mut states, &mut entries);
            if let Some(last) = states.last_mut() {
                last.end = ends;
            }
            entries.extend(skipping);
        }
        Self { states }
    }

    /// The best way through the frames: `scores` has [`CLASSES`] logarithms a frame. Also the sum of its scores.
    /// `None` where there are fewer frames than sounds.
    pub fn align(&self, scores: &[f32]) -> Option<(Vec<Segment>, f32)> {
        let (frames, states) = (scores.len() / CLASSES, self.states.len());
        let mut best: Vec<f32> = Vec::new();
        let mut came = vec![0u8; frames * states];
        for (time, row) in scores.chunks_exact(CLASSES).enumerate() {
            let any = row[..CLASSES - 1].iter().copied().fold(f32::NEG_INFINITY, f32::max) - ANY_COST;
            let mut now = vec![f32::NEG_INFINITY; states];
            for (at, state) in self.states.iter().enumerate() {
                let (mut top, mut from) = (f32::NEG_INFINITY, 0);
                if time == 0 {
                    top = state.begin.map_or(top, |cost| -cost);
                } else {
                    top = best[at];
                    for (choice, (before, cost)) in (1u8..).zip(&state.before) {
                        if best[*before] - cost > top {
                            (top, from) = (best[*before] - cost, choice);
                        }
                    }
                }
                came[time * states + at] = from;
                now[at] = top + row.get(usize::from(state.class)).copied().unwrap_or(any);
            }
            best = now;
        }
        let ends = self.states.iter().enumerate().filter_map(|(at, s)| Some((at, best.get(at)? - s.end?)));
        let (mut at, total) = ends.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, total)| total.is_finite())?;
        let mut segments: Vec<Segment> = Vec::new();
        let mut to = frames;
        for time in (0..frames).rev() {
            let (state, from) = (&self.states[at], came[time * states + at]);
            if from > 0 || time == 0 {
                segments.push(Segment { class: state.class, word: state.word, place: state.place, from: time, to });
                to = time;
            }
            if from > 0 {
                at = state.before[usize::from(from) - 1].0;
            }
        }
        segments.reverse();
        Some((segments, total))
    }
}

fn state(class: u8, word: Option<usize>, place: (usize, usize), entries: &[Entry]) -> State {
    let before = entries.iter().filter_map(|entry| Some((entry.state?, entry.cost))).take(254).collect();
    let begin = entries.iter().filter(|entry| entry.state.is_none()).map(|entry| entry.cost).reduce(f32::min);
    State { class, word, place, before, begin, end: None }
}

/// The classes of all sounds, in order.
pub fn sound(class: u8) -> Option<Sound> {
    Sound::ALL.get(usize::from(class)).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Scores under which each frame surely has the class.
    fn certain(classes: &[u8]) -> Vec<f32> {
        let row = |class: &u8| (0..=PAUSE).map(move |c| if c == *class { -0.1 } else { -8.0 }).collect::<Vec<f32>>();
        classes.iter().flat_map(row).collect()
    }

    fn found(words: &[Vec<Pronunciation>], classes: &[u8], skip: bool) -> Option<Vec<(Option<usize>, u8, usize)>> {
        let (segments, _) = Graph::new(words, skip).align(&certain(classes))?;
        Some(segments.iter().map(|s| (s.word, s.class, s.to - s.from)).collect())
    }

    #[test]
    fn each_sound_takes_its_frames_and_pauses_go_between_words() {
        let words = [vec![vec![1, 2]], vec![vec![3]]];
        let way = found(&words, &[PAUSE, 1, 1, 2, PAUSE, PAUSE, 3, 3], false);
        let expected = [(None, PAUSE, 1), (Some(0), 1, 2), (Some(0), 2, 1), (None, PAUSE, 2), (Some(1), 3, 2)];
        assert_eq!(way.as_deref(), Some(&expected[..]));
    }

    #[test]
    fn the_way_to_say_a_word_that_fits_is_taken() {
        let words = [vec![vec![1, 2], vec![4, 5]]];
        let way = found(&words, &[4, 4, 5], false);
        assert_eq!(way.as_deref(), Some(&[(Some(0), 4, 2), (Some(0), 5, 1)][..]));
    }

    #[test]
    fn a_word_that_was_not_said_is_left_out_wherever_it_stands() {
        let words = [vec![vec![1, 2, 3]], vec![vec![4, 5, 6]], vec![vec![7, 8, 9]]];
        for (missing, classes) in [(0, [4, 5, 6, 7, 8, 9]), (1, [1, 2, 3, 7, 8, 9]), (2, [1, 2, 3, 4, 5, 6])] {
            let way = found(&words, &classes, true).expect("a way");
            assert_eq!(way.len(), 6, "{way:?}");
            assert!(way.iter().all(|(word, ..)| *word != Some(missing)), "{way:?}");
        }
    }

    #[test]
    fn an_unknown_word_takes_what_is_between_its_neighbours() {
        let words = [vec![vec![1]], vec![], vec![vec![2]]];
        let way = found(&words, &[1, 9, 8, 9, 2], false).expect("a way");
        assert_eq!(way, [(Some(0), 1, 1), (Some(1), ANY, 3), (Some(2), 2, 1)]);
    }

    #[test]
    fn fewer_frames_than_sounds_have_no_way() {
        assert_eq!(found(&[vec![vec![1, 2, 3]]], &[1, 2], false), None);
        assert_eq!(found(&[vec![vec![1]]], &[], false), None);
    }

    proptest! {
        #[test]
        fn segments_cover_every_frame_in_order(classes in prop::collection::vec(0..=PAUSE, 8..40), skip: bool) {
            let words = [vec![vec![1, 2], vec![3]], vec![], vec![vec![5, 6, 7]]];
            let (segments, _) = Graph::new(&words, skip).align(&certain(&classes)).expect("a way");
            prop_assert_eq!(segments.first().map(|s| s.from), Some(0));
            prop_assert_eq!(segments.last().map(|s| s.to), Some(classes.len()));
            prop_assert!(segments.windows(2).all(|pair| pair[0].to == pair[1].from && pair[0].from < pair[0].to));
            let words: Vec<usize> = segments.iter().filter_map(|s| s.word).collect();
            prop_assert!(words.is_sorted());
        }
    }
}
