//! A calibration as a table.

use std::fmt::Write as _;

use baeum_ml::assessment::irt::{Model, dif::Class};

use super::Report;

const LONGEST_NAME: usize = 24;

/// The head and a row an item.
pub(super) fn render(report: &Report) -> String {
    let calibration = &report.calibration;
    let name = |name: &str| name.chars().take(LONGEST_NAME).collect::<String>();
    let width = calibration.items.iter().map(|item| name(&item.name).chars().count()).max().unwrap_or(0).max(4);
    let guesses = calibration.model == Model::ThreePl;
    let mut text = head(report);
    let _ = write!(
        text,
        "\n{:<width$} {:>8} {:>6} {:>7} {:>6} {:>7} {:>6}",
        "item", "answers", "right", "a", "±", "b", "±"
    );
    text += if guesses { "       c      ±" } else { "" };
    let _ = write!(text, " {:>8} {:>4} {:>6}", "S-X²", "df", "p");
    text += if report.dif.is_some() { "   delta      ± class" } else { "" };
    text.push('\n');
    for (at, (item, (right, answered))) in calibration.items.iter().zip(report.matrix.responses.tally()).enumerate() {
        let _ = write!(
            text,
            "{:<width$} {answered:>8} {:>6.3} {:>7.3} {:>6.3} {:>7.3} {:>6.3}",
            name(&item.name),
            share(right, answered),
            item.a,
            item.se_a,
            item.b,
            item.se_b,
        );
        if guesses {
            let _ = write!(text, " {:>7.3} {:>6.3}", item.c, item.se_c);
        }
        match report.fits.0[at] {
            Some(fit) => {
                let _ = write!(text, " {:>8.2} {:>4} {:>6.3}", fit.statistic, fit.degrees, fit.p);
            }
            None => {
                let _ = write!(text, " {:>8} {:>4} {:>6}", "–", "–", "–");
            }
        }
        if let Some(groups) = &report.dif {
            match groups.items[at] {
                Some(dif) => {
                    let class = match dif.class {
                        Class::A => "A",
                        Class::B => "B",
                        Class::C => "C",
                    };
                    let _ = write!(text, " {:>7.2} {:>6.2} {class:>5}", dif.delta, dif.se_delta);
                }
                None => text += "       –      –     –",
            }
        }
        text.push('\n');
    }
    text
}

fn head(report: &Report) -> String {
    let (calibration, persons) = (&report.calibration, report.matrix.responses.persons());
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{}: {persons} persons, {} items; log-likelihood {:.3} after {} steps, {}",
        calibration.model,
        calibration.items.len(),
        calibration.log_likelihood,
        calibration.iterations,
        if calibration.converged { "converged" } else { "NOT converged" },
    );
    let (spread, error) = spread(report);
    let reliability = spread / (spread + error);
    let _ = writeln!(text, "abilities: mean squared standard error {error:.3}, reliability {reliability:.3}");
    let _ = match report.fits.1 {
        0 => writeln!(
            text,
            "item fit (S-X²) is left out: it needs persons who answered every item, and 500 items or fewer"
        ),
        complete => writeln!(text, "item fit (S-X²) over the {complete} persons who answered every item"),
    };
    if let Some(groups) = &report.dif {
        let _ = writeln!(
            text,
            "delta: '{}' beside '{}' of equal score; negative is harder for '{0}'; class C is a large difference",
            groups.focal, groups.reference,
        );
    }
    text
}

/// Variance of the abilities, and mean square of their standard errors.
fn spread(report: &Report) -> (f64, f64) {
    let n = number(report.abilities.len());
    let mean = report.abilities.iter().map(|it| it.theta).sum::<f64>() / n;
    let variance = report.abilities.iter().map(|it| (it.theta - mean) * (it.theta - mean)).sum::<f64>() / n;
    (variance, report.abilities.iter().map(|it| it.standard_error * it.standard_error).sum::<f64>() / n)
}

fn share(part: usize, whole: usize) -> f64 {
    number(part) / number(whole)
}

#[allow(clippy::cast_precision_loss, reason = "counts of persons")]
fn number(count: usize) -> f64 {
    count as f64
}
