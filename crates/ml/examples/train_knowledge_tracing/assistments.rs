//! The answers of ASSISTments 2009–2010, as github.com/arghosh/AKT has them (`data/assist2009_pid`).
//!
//! Four lines a student: number and id; problems; skills; right or wrong. An answer to a problem of several skills is
//! there once a skill, with the same outcome: a model that is asked to foretell the second row after it saw the first
//! needs to know nothing. So rows of one problem that stand together are one answer, of a skill that is the set of theirs,
//! and of a student's answers to one problem only the first is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The place of its set of skills in [`Data::skills`].
    pub skill: usize,
    /// The place of its problem.
    pub problem: usize,
    /// Whether it was right.
    pub right: bool,
}

/// A student.
#[derive(Clone, Debug)]
pub struct Student {
    /// Which of the five parts of the data it belongs to, from 0.
    pub part: usize,
    /// The answers, in their order.
    pub answers: Vec<Answer>,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Data {
    /// The students.
    pub students: Vec<Student>,
    /// The sets of skills.
    pub skills: Vec<Vec<u32>>,
    /// How many problems there are.
    pub problems: usize,
    /// Rows that were read.
    pub rows: usize,
    /// Of them rows of an answer that was there already, for another of its skills.
    pub of_another_skill: usize,
    /// And rows of an answer to a problem that the student had answered before.
    pub again: usize,
}

/// How many parts the data come in.
pub const PARTS: usize = 5;

#[derive(Default)]
struct Reader {
    data: Data,
    skills: BTreeMap<Vec<u32>, usize>,
    problems: BTreeMap<u32, usize>,
    ids: BTreeSet<String>,
}

/// Reads the five test files, which hold every student once.
pub fn read(folder: &Path) -> Result<Data, String> {
    let mut reader = Reader::default();
    for part in 0..PARTS {
        let path = folder.join(format!("assist2009_pid_test{}.csv", part + 1));
        let shown = path.display();
        let text = fs::read_to_string(&path).map_err(|error| {
            format!(
                "{shown} cannot be read ({error}): give --data the folder data/assist2009_pid of github.com/arghosh/AKT"
            )
        })?;
        let lines: Vec<&str> = text.lines().collect();
        for (at, student) in lines.chunks(4).enumerate() {
            reader.student(part, student).map_err(|why| format!("{shown}, line {}: {why}", 4 * at + 1))?;
        }
    }
    reader.data.problems = reader.problems.len();
    let mut skills: Vec<_> = reader.skills.into_iter().collect();
    skills.sort_by_key(|(_, place)| *place);
    reader.data.skills = skills.into_iter().map(|(set, _)| set).collect();
    Ok(reader.data)
}

impl Reader {
    fn student(&mut self, part: usize, lines: &[&str]) -> Result<(), String> {
        let [head, problems, skills, outcomes] = lines else { return Err("a student has four lines".into()) };
        let id = head.split(',').nth(1).unwrap_or_default().trim().to_owned();
        if !self.ids.insert(id.clone()) {
            return Err(format!("student {id} is there twice: parts would share them"));
        }
        let (problems, skills, outcomes) = (numbers(problems)?, numbers(skills)?, numbers(outcomes)?);
        if problems.len() != skills.len() || skills.len() != outcomes.len() {
            return Err("problems, skills and outcomes are not equally many".into());
        }
        self.data.rows += problems.len();
        let (mut answers, mut answered, mut at) = (vec![], BTreeSet::new(), 0);
        while at < problems.len() {
            let end = at + problems[at..].iter().take_while(|problem| **problem == problems[at]).count();
            self.data.of_another_skill += end - at - 1;
            if answered.insert(problems[at]) {
                let set: Vec<u32> = skills[at..end].iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
                let next = self.skills.len();
                let skill = *self.skills.entry(set).or_insert(next);
                let next = self.problems.len();
                let problem = *self.problems.entry(problems[at]).or_insert(next);
                answers.push(Answer { skill, problem, right: outcomes[at] == 1 });
            } else {
                self.data.again += 1;
            }
            at = end;
        }
        self.data.students.push(Student { part, answers });
        Ok(())
    }
}

fn numbers(line: &str) -> Result<Vec<u32>, String> {
    let cells = line.split(',').map(str::trim).filter(|cell| !cell.is_empty());
    cells.map(|cell| cell.parse().map_err(|_| format!("'{cell}' is not a number"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_one_answer_are_taken_together_and_a_problem_counts_once() {
        let mut reader = Reader::default();
        let lines = ["6,82295", "10,10,11,12,12,10", "7,9,7,9,7,7", "1,1,0,0,0,1"];
        reader.student(0, &lines).expect("a student");
        let answers = &reader.data.students[0].answers;
        let seen: Vec<_> = answers.iter().map(|it| (it.skill, it.problem, it.right)).collect();
        assert_eq!(seen, [(0, 0, true), (1, 1, false), (0, 2, false)]);
        assert_eq!((reader.data.rows, reader.data.of_another_skill, reader.data.again), (6, 2, 1));
    }

    #[test]
    fn a_student_who_is_there_twice_is_refused() {
        let mut reader = Reader::default();
        let lines = ["1,7", "10", "7", "1"];
        reader.student(0, &lines).expect("a student");
        assert!(reader.student(1, &lines).expect_err("twice").contains("student 7"));
        assert!(reader.student(1, &["1,8", "10,11", "7", "1"]).expect_err("uneven").contains("equally many"));
    }
}
