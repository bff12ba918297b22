//! Measures the sentence encoder: how well its similarities agree with people's (STS benchmark), and what sentences of the
//! same, the opposite, a jumbled and another meaning score. `docs/models.md` says where its files come from.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool reports on its outputs")]
#![allow(clippy::cast_precision_loss, reason = "counts are small")]

use std::{error::Error, path::PathBuf, process::ExitCode, time::Instant};

use baeum_ml::learning::meaning::{SentenceEncoder, similarity};
use clap::Parser;

/// Measures the sentence encoder.
#[derive(Parser)]
struct Cli {
    /// The folder that `scripts/minilm` wrote
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// Pairs of sentences with the similarity that people gave them, as CSV without a heading
    #[arg(long, value_name = "FILE")]
    sts: Option<PathBuf>,
    /// Writes the similarity of every pair of `--sts` to this file, a line each
    #[arg(long, value_name = "FILE", requires = "sts")]
    out: Option<PathBuf>,
}

/// A sentence, another of the same meaning, one of the opposite, and one that shares its words but says something else.
const SENTENCES: [[&str; 4]; 12] = [
    [
        "Momo does not eat because she is with her kittens in the closet.",
        "She stays in the wardrobe with her babies, so she does not come to eat.",
        "Momo eats because she is not with her kittens in the closet.",
        "The kittens eat in the closet because Momo is not there.",
    ],
    [
        "Her grandmother rides her blue bike every day.",
        "Every day the old woman goes cycling on a blue bicycle.",
        "Her grandmother never rides her blue bike.",
        "Her grandmother sells blue bikes every day.",
    ],
    [
        "He is happy and wants to come again on Thursday.",
        "Taeho feels good and would like to return on Thursday.",
        "He is unhappy and does not want to come again on Thursday.",
        "He wants to know who comes on Thursday.",
    ],
    [
        "I think the man is a magician, because he has playing cards.",
        "The cards tell me that his job is doing magic tricks.",
        "I do not think the man is a magician, although he has playing cards.",
        "I think the magician gave the man his playing cards.",
    ],
    [
        "You should practise for ten minutes every day.",
        "It is best to train a little, ten minutes, each day.",
        "You should not practise for ten minutes every day.",
        "You should wait for ten minutes every day.",
    ],
    [
        "Broken things are repaired for free by volunteers.",
        "Helpers fix what is broken without taking money.",
        "Broken things are not repaired for free by volunteers.",
        "Volunteers are given broken things for free.",
    ],
    [
        "We sleep badly on Sunday because we get up late at the weekend.",
        "Getting up late on Saturday and Sunday makes it hard to sleep on Sunday night.",
        "We sleep well on Sunday although we get up late at the weekend.",
        "We get up late on Sunday because we sleep badly at the weekend.",
    ],
    [
        "The guard took the painting home to protect it from the damp.",
        "Because the room was wet, the watchman moved the picture to his house.",
        "The guard did not take the painting home to protect it from the damp.",
        "The painting of the guard was taken because his home was damp.",
    ],
    [
        "The staff voted to keep the four-day week.",
        "The employees decided to go on working four days a week.",
        "The staff voted to give up the four-day week.",
        "The staff kept the vote for four days.",
    ],
    [
        "A kind letter from the goalkeeper made her come back.",
        "She returned because the goalkeeper wrote to her.",
        "Even a kind letter from the goalkeeper did not make her come back.",
        "She came back with a letter for the kind goalkeeper.",
    ],
    [
        "The cloth sails make the streets cooler in summer.",
        "In the hot season the fabric overhead lowers the temperature of the roads.",
        "The cloth sails make the streets hotter in summer.",
        "The streets of the city have cooler cloth in summer.",
    ],
    [
        "She likes him, because she asks about him.",
        "Her questions show that she is fond of the man.",
        "She does not like him, and never asks about him.",
        "He likes her, because she asks about him.",
    ],
];

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<(), Box<dyn Error>> {
    let encoder = SentenceEncoder::load(&cli.model)?;
    if let Some(path) = &cli.sts {
        sts(&encoder, path, cli.out.as_ref())?;
    }
    kinds(&encoder)?;
    times(&encoder)?;
    Ok(())
}

fn sts(encoder: &SentenceEncoder, path: &PathBuf, out: Option<&PathBuf>) -> Result<(), Box<dyn Error>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_path(path)?;
    let (mut found, mut given) = (vec![], vec![]);
    for row in reader.deserialize() {
        let (first, second, score): (String, String, f64) = row?;
        found.push(cosine(encoder, &first, &second)?);
        given.push(score);
    }
    println!("Spearman's rank correlation over {} pairs: {:.4}", found.len(), spearman(&found, &given));
    if let Some(out) = out {
        let lines: Vec<String> = found.iter().map(|it| format!("{it:.4}\n")).collect();
        std::fs::write(out, lines.concat())?;
    }
    Ok(())
}

fn cosine(encoder: &SentenceEncoder, first: &str, second: &str) -> Result<f64, Box<dyn Error>> {
    let found = encoder.embed(&[first, second])?;
    Ok(similarity(&found[0], &found[1]))
}

/// Pearson's correlation of the ranks; equal values share the mean of theirs.
fn spearman(a: &[f64], b: &[f64]) -> f64 {
    let (a, b) = (ranks(a), ranks(b));
    let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
    let (of_a, of_b) = (mean(&a), mean(&b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(&b).map(|(x, y)| of(x - of_a, y - of_b)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for run in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
        for at in run {
            ranks[*at] = start as f64 + (run.len() - 1) as f64 / 2.0;
        }
        start += run.len();
    }
    ranks
}

fn kinds(encoder: &SentenceEncoder) -> Result<(), Box<dyn Error>> {
    let mut found: [(&str, Vec<f64>); 6] =
        ["same meaning", "opposite", "same words", "jumbled", "mistakes", "another sentence"]
            .map(|name| (name, vec![]));
    for (at, [sentence, same, opposite, words]) in SENTENCES.iter().enumerate() {
        let others = [same, opposite, words].map(|it| (*it).to_owned());
        for (place, text) in others.into_iter().chain([jumbled(sentence), faulty(sentence)]).enumerate() {
            found[place].1.push(cosine(encoder, sentence, &text)?);
        }
        for [other, ..] in &SENTENCES[at + 1..] {
            found[5].1.push(cosine(encoder, sentence, other)?);
        }
    }
    for (name, mut values) in found {
        values.sort_by(f64::total_cmp);
        let (lowest, highest) = (values[0], values[values.len() - 1]);
        println!("{name}: {} pairs, {lowest:.2} to {highest:.2}, median {:.2}", values.len(), median(&values));
    }
    Ok(())
}

/// Of values in order.
fn median(values: &[f64]) -> f64 {
    f64::midpoint(values[(values.len() - 1) / 2], values[values.len() / 2])
}

/// Every third word, beginning with each of the first three.
fn jumbled(sentence: &str) -> String {
    let words: Vec<&str> = sentence.trim_end_matches('.').split(' ').collect();
    (0..3).rev().flat_map(|start| words.iter().copied().skip(start).step_by(3)).collect::<Vec<_>>().join(" ")
}

/// Without articles and without the endings of verbs and nouns in s: far from English in most words.
fn faulty(sentence: &str) -> String {
    let wrong = |word: &str| match word {
        "the" | "The" | "a" | "A" | "an" => None,
        "is" | "are" => Some("be".to_owned()),
        _ => Some(word.strip_suffix("es").or(word.strip_suffix('s')).unwrap_or(word).to_owned()),
    };
    sentence.split(' ').filter_map(wrong).collect::<Vec<_>>().join(" ")
}

fn times(encoder: &SentenceEncoder) -> Result<(), Box<dyn Error>> {
    for words in [16, 64] {
        let text = vec!["word"; words].join(" ");
        let mut took = vec![];
        for _ in 0..50 {
            let began = Instant::now();
            encoder.embed(&[&text])?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        took.sort_by(f64::total_cmp);
        println!("{words} words: {:.1} ms (median of {})", median(&took), took.len());
    }
    Ok(())
}
