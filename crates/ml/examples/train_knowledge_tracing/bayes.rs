//! Bayesian knowledge tracing and means over the data: fitted to some students, foretelling others.

use baeum_ml::progress::bkt::{self, Fit, Options, Parameters};

use crate::assistments::{Data, Student};

/// What was found of every skill.
pub struct Tracer {
    skills: Vec<Skill>,
}

struct Skill {
    parameters: Parameters,
    /// Guess and slip of problems that were seen, by their places in the data.
    problems: std::collections::BTreeMap<usize, (f64, f64)>,
}

/// Which kind of tracing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Kind {
    /// Whether skills can be forgotten.
    pub forgetting: bool,
    /// How many answers of a problem the skill's guess and slip are worth to it, where problems differ.
    pub item_weight: Option<f64>,
}

impl Tracer {
    /// Fits all skills together, and then each with a prior around that.
    pub fn fit(data: &Data, students: &[&Student], kind: Kind) -> Self {
        let mut together = vec![];
        let mut of_skill: Vec<Vec<Vec<(usize, bool)>>> = vec![vec![]; data.skills.len()];
        for student in students {
            let mut own: std::collections::BTreeMap<usize, Vec<(usize, bool)>> = std::collections::BTreeMap::new();
            for answer in &student.answers {
                own.entry(answer.skill).or_default().push((answer.problem, answer.right));
            }
            for (skill, answers) in own {
                together.push(answers.iter().map(|(_, right)| bkt::Answer { item: 0, right: *right }).collect());
                of_skill[skill].push(answers);
            }
        }
        let options = Options { forgetting: kind.forgetting, ..Options::default() };
        let prior = bkt::fit(&together, 1, &options).skill;
        let options = Options { prior, item_weight: kind.item_weight, ..options };
        Self { skills: of_skill.iter().map(|sequences| fit_skill(sequences, &options)).collect() }
    }

    /// Probability and outcome of every answer of a student.
    pub fn foretell(&self, student: &Student) -> Vec<(f64, bool)> {
        let mut known: Vec<Option<f64>> = vec![None; self.skills.len()];
        let one = |answer: &crate::assistments::Answer| {
            let skill = &self.skills[answer.skill];
            let own = skill.problems.get(&answer.problem);
            let asked = own.map_or(skill.parameters, |problem| skill.parameters.of_item(*problem));
            let before = known[answer.skill].unwrap_or(asked.initial);
            let after = asked.after(before, f64::from(u8::from(answer.right)));
            known[answer.skill] = Some(asked.next(after));
            (asked.right(before), answer.right)
        };
        student.answers.iter().map(one).collect()
    }
}

fn fit_skill(sequences: &[Vec<(usize, bool)>], options: &Options) -> Skill {
    let mut places = std::collections::BTreeMap::new();
    let mut place = |problem: usize| {
        let next = places.len();
        if options.item_weight.is_some() { *places.entry(problem).or_insert(next) } else { 0 }
    };
    let sequences: Vec<Vec<bkt::Answer>> = sequences
        .iter()
        .map(|answers| {
            answers.iter().map(|(problem, right)| bkt::Answer { item: place(*problem), right: *right }).collect()
        })
        .collect();
    let Fit { skill, items, .. } = bkt::fit(&sequences, places.len().max(1), options);
    let problems = places.into_iter().filter_map(|(problem, at)| Some((problem, *items.get(at)?))).collect();
    Skill { parameters: skill, problems }
}

/// Foretells the mean of the skill, or of the problem.
pub struct Means {
    skills: Vec<f64>,
    problems: Vec<Option<f64>>,
}

impl Means {
    /// Counts; a mean is drawn towards that of what is above it (problem, skill, all) by five answers' worth.
    pub fn fit(data: &Data, students: &[&Student]) -> Self {
        let (mut all, mut skills) = ((0.0, 0.0), vec![(0.0, 0.0); data.skills.len()]);
        let mut problems = vec![(0.0, 0.0, 0); data.problems];
        for answer in students.iter().flat_map(|student| &student.answers) {
            let right = f64::from(u8::from(answer.right));
            all = (all.0 + right, all.1 + 1.0);
            skills[answer.skill] = (skills[answer.skill].0 + right, skills[answer.skill].1 + 1.0);
            let problem = &mut problems[answer.problem];
            *problem = (problem.0 + right, problem.1 + 1.0, answer.skill);
        }
        let towards = |(right, of): (f64, f64), mean: f64| (right + 5.0 * mean) / (of + 5.0);
        let mean = all.0 / f64::max(all.1, 1.0);
        let skills: Vec<f64> = skills.into_iter().map(|counted| towards(counted, mean)).collect();
        let problem = |(right, of, skill): (f64, f64, usize)| (of > 0.0).then(|| towards((right, of), skills[skill]));
        Self { problems: problems.into_iter().map(problem).collect(), skills }
    }

    /// Probability by the skill and by the problem, and outcome, of every answer of a student.
    pub fn foretell(&self, student: &Student) -> Vec<(f64, f64, bool)> {
        let one = |answer: &crate::assistments::Answer| {
            let skill = self.skills[answer.skill];
            (skill, self.problems[answer.problem].unwrap_or(skill), answer.right)
        };
        student.answers.iter().map(one).collect()
    }
}
