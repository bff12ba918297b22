//! What is drawn of an adaptive test.

use super::{
    super::chart::{Axis, Chart, Dot, Line, colour},
    Report, Row,
};

/// Width of a bar of the histogram.
const BAR: f64 = 0.025;
/// So many learners have a dot each.
const DOTS: usize = 2_000;
const REACH: f64 = 4.0;

/// Every chart with the name of its file.
pub(super) fn all(report: &Report) -> Vec<(&'static str, String)> {
    let mut charts = vec![("exposure-histogram.svg", histogram(report)), ("exposure-ranks.svg", ranks(report))];
    if let Some(row) = report.rows.last() {
        charts.push(("abilities-against-truth.svg", abilities(report, row)));
    }
    charts
}

/// How many items have which exposure rate; bars of several tests are drawn as outlines.
fn histogram(report: &Report) -> String {
    let counts = |row: &Row| {
        let mut at = 0.0;
        let mut bars = vec![];
        while at < 1.0 - 1e-9 {
            let (low, high) = (at, at + BAR);
            // The last bar holds 1 itself, the first is for items that are asked at all.
            let inside = |rate: &&f64| (**rate > low || (low <= 0.0 && **rate > 0.0)) && **rate <= high + 1e-12;
            bars.push((low, f64::from(count(row.figures.exposures.iter().filter(inside)))));
            at += BAR;
        }
        bars
    };
    let outline = |(at, row): (usize, &Row)| {
        let mut points = vec![(0.0, 0.0)];
        for (low, items) in counts(row) {
            points.extend([(low, items), (low + BAR, items)]);
        }
        line(row.name, at, points)
    };
    let mut lines: Vec<_> = report.rows.iter().enumerate().map(outline).collect();
    let highest = lines.iter().flat_map(|it| &it.points).map(|(_, items)| *items).fold(1.0, f64::max);
    lines.push(cap(vec![(report.rate, 0.0), (report.rate, highest * 1.08)]));
    Chart {
        title: "How often items are asked".into(),
        subtitle: report.subtitle.clone(),
        x: Axis { label: "exposure rate (items never asked are left out)".into(), range: (0.0, 1.0) },
        y: Axis { label: "items".into(), range: (0.0, highest * 1.08) },
        right: None,
        lines,
        dots: (String::new(), vec![]),
        scale: None,
    }
    .render()
}

/// The exposure rates of all items, the highest first.
fn ranks(report: &Report) -> String {
    let items = f64::from(count(report.bank.items().iter()));
    let ranked = |(at, row): (usize, &Row)| {
        let mut rates = row.figures.exposures.clone();
        rates.sort_by(|one, other| other.total_cmp(one));
        let mut place = 0.0;
        let points = rates.into_iter().map(|rate| {
            place += 1.0;
            (place, rate)
        });
        line(row.name, at, points.collect())
    };
    let mut lines: Vec<_> = report.rows.iter().enumerate().map(ranked).collect();
    lines.push(cap(vec![(0.0, report.rate), (items, report.rate)]));
    Chart {
        title: "Exposure rates of all items".into(),
        subtitle: report.subtitle.clone(),
        x: Axis { label: "items, the most asked first".into(), range: (0.0, items) },
        y: Axis { label: "exposure rate".into(), range: (0.0, 1.03) },
        right: None,
        lines,
        dots: (String::new(), vec![]),
        scale: None,
    }
    .render()
}

fn abilities(report: &Report, row: &Row) -> String {
    let dot = |sitting: &baeum_ml::assessment::adaptive_test::simulation::Simulated| Dot {
        at: (sitting.truth, sitting.ability.theta),
        radius: 2.0,
    };
    let dots = row.sittings.iter().take(DOTS).map(dot).collect();
    let axis = |label: &str| Axis { label: label.into(), range: (-REACH, REACH) };
    Chart {
        title: format!("Abilities found, against the truth ({})", row.name.trim_start_matches("+ ")),
        subtitle: report.subtitle.clone(),
        x: axis("true ability θ"),
        y: axis("ability θ found (expected a posteriori)"),
        right: None,
        lines: vec![line("found = true", 1, vec![(-REACH, -REACH), (REACH, REACH)])],
        dots: ("learners".into(), dots),
        scale: None,
    }
    .render()
}

fn line(name: &str, at: usize, points: Vec<(f64, f64)>) -> Line {
    Line { name: Some(name.into()), colour: colour(at), width: 2.2, opacity: 0.9, on_right: false, points }
}

fn cap(points: Vec<(f64, f64)>) -> Line {
    Line { width: 1.4, ..line("aimed at", 6, points) }
}

fn count<T>(items: impl Iterator<Item = T>) -> u32 {
    u32::try_from(items.count()).unwrap_or(u32::MAX)
}
