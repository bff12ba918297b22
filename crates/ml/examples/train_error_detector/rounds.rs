//! What a round of training is made of.

use std::sync::Arc;

use baeum_ml::learning::error_detector::features::Vocabulary;

use crate::corpus::{Example, Word};
use crate::corrupt::Corruptor;
use crate::counts::{Counts, word_keys};
use crate::engine::Row;
use crate::learn::Learner;
use crate::lexicon::Lexicon;
use crate::rng::Rng;
use crate::templates;

/// Threads that make examples. Each sentence has a seed of its own, so their number changes nothing.
const THREADS: usize = 2;
/// Sentences of a round by where they come from: of a thousand.
const OF_TREEBANKS: usize = 250;
const OF_TEMPLATES: usize = 60;
const OF_PAIRS: usize = 30;

/// Everything that examples are made of.
pub(crate) struct Texts<'a> {
    /// Tagged sentences.
    pub(crate) tagged: &'a [Vec<Word>],
    /// Plain sentences.
    pub(crate) plain: &'a [Vec<String>],
    /// Minimal pairs.
    pub(crate) paired: &'a [[Example; 2]],
    pub(crate) lexicon: &'a Arc<Lexicon>,
    pub(crate) corruptor: &'a Corruptor,
    pub(crate) vocabulary: &'a Vocabulary,
    pub(crate) counts: &'a Counts,
}

#[derive(Clone, Copy)]
enum Job {
    Tagged(usize),
    Plain(usize),
    Template,
    Pair(usize),
}

/// Deals out the plain sentences, each once before any comes again.
pub(crate) struct Dealer {
    order: Vec<usize>,
    next: usize,
}

impl Dealer {
    pub(crate) fn new(count: usize, rng: &mut Rng) -> Self {
        let mut order: Vec<usize> = (0..count).collect();
        rng.shuffle(&mut order);
        Self { order, next: 0 }
    }

    fn deal(&mut self) -> Option<usize> {
        let dealt = self.order.get(self.next % self.order.len().max(1)).copied();
        self.next += 1;
        dealt
    }
}

impl Texts<'_> {
    /// The rows of a round of about `size` sentences.
    pub(crate) fn round(&self, size: usize, dealer: &mut Dealer, learner: &Learner, rng: &mut Rng) -> Vec<Row> {
        let jobs: Vec<(Job, u64)> = (0..size)
            .map(|_| {
                let part = rng.below(1000);
                let job = if part < OF_TREEBANKS {
                    Job::Tagged(rng.below(self.tagged.len()))
                } else if part < OF_TREEBANKS + OF_TEMPLATES {
                    Job::Template
                } else if part < OF_TREEBANKS + OF_TEMPLATES + OF_PAIRS {
                    Job::Pair(rng.below(self.paired.len()))
                } else {
                    dealer.deal().map_or(Job::Template, Job::Plain)
                };
                (job, rng.next())
            })
            .collect();
        let share = jobs.len().div_ceil(THREADS).max(1);
        std::thread::scope(|scope| {
            let work = |jobs: &[(Job, u64)]| {
                jobs.iter().flat_map(|(job, seed)| self.rows(*job, learner, Rng::new(*seed))).collect::<Vec<_>>()
            };
            let handles: Vec<_> = jobs.chunks(share).map(|jobs| scope.spawn(move || work(jobs))).collect();
            handles
                .into_iter()
                .flat_map(|handle| handle.join().expect("a thread that makes examples ends well"))
                .collect()
        })
    }

    fn rows(&self, job: Job, learner: &Learner, mut rng: Rng) -> Vec<Row> {
        let flawed = |words: &[Word], rng: &mut Rng| {
            let example = self.corruptor.example(words, rng);
            (example, word_keys(words.iter().map(|word| word.form.as_str())))
        };
        let made = match job {
            Job::Tagged(at) => vec![flawed(&self.tagged[at], &mut rng)],
            Job::Plain(at) => vec![flawed(&self.lexicon.tagged(&self.plain[at]), &mut rng)],
            // Templates and pairs were not counted: they hold nothing back.
            Job::Template => {
                let words = templates::sentence(&mut rng, self.lexicon);
                vec![(self.corruptor.example(&words, &mut rng), Vec::new())]
            }
            Job::Pair(at) => self.paired[at].iter().map(|example| (example.clone(), Vec::new())).collect(),
        };
        let known = (self.vocabulary, self.counts);
        made.into_iter().map(|(example, source)| learner.row(&example, &source, known, &mut rng)).collect()
    }
}
