//! What is drawn of a calibration.

use std::collections::BTreeMap;

use baeum_ml::assessment::irt::{Curve, curve::test_information};

use super::{
    Report,
    chart::{Axis, Chart, Dot, Line, colour, shade},
};

const ABILITY: &str = "ability θ";
const REACH: f64 = 4.0;
const STEPS: u32 = 160;
/// So many items have a name and a colour each; more are coloured by difficulty.
const NAMED: usize = 8;

/// Every chart with the name of its file.
pub(super) fn all(report: &Report) -> Vec<(&'static str, String)> {
    vec![
        ("item-curves.svg", item_curves(report)),
        ("item-information.svg", item_information(report)),
        ("test-information.svg", whole_test(report)),
        ("abilities.svg", abilities(report)),
    ]
}

fn item_curves(report: &Report) -> String {
    let y = Axis { label: "probability of a right answer".into(), range: (0.0, 1.02) };
    items(report, "Item characteristic curves", y, Curve::probability)
}

fn item_information(report: &Report) -> String {
    let curves = report.calibration.curves();
    let highest =
        thetas().flat_map(|theta| curves.iter().map(move |curve| curve.information(theta))).fold(0.0, f64::max);
    let y = Axis { label: "Fisher information".into(), range: (0.0, highest * 1.05) };
    items(report, "Item information", y, Curve::information)
}

fn items(report: &Report, title: &str, y: Axis, of: fn(Curve, f64) -> f64) -> String {
    let items = &report.calibration.items;
    let few = items.len() <= NAMED;
    let scale = spread(items.iter().map(|item| item.b));
    let line = |(at, item): (usize, &baeum_ml::assessment::irt::CalibratedItem)| Line {
        name: few.then(|| item.name.clone()),
        colour: if few { colour(at) } else { shade((item.b - scale.0) / (scale.1 - scale.0)) },
        width: if few { 2.5 } else { 1.4 },
        opacity: if items.len() > 60 { 0.6 } else { 0.9 },
        on_right: false,
        points: thetas().map(|theta| (theta, of(item.curve(), theta))).collect(),
    };
    let lines = items.iter().enumerate().map(line).collect();
    let scale = (!few).then(|| ("difficulty b".to_owned(), scale));
    Chart { title: title.into(), subtitle: subtitle(report), x: ability(), y, right: None, lines, dots: none(), scale }
        .render()
}

fn whole_test(report: &Report) -> String {
    let curves = report.calibration.curves();
    let information: Vec<_> = thetas().map(|theta| (theta, test_information(&curves, theta))).collect();
    // With the prior, as abilities are estimated.
    let error: Vec<_> =
        information.iter().map(|(theta, information)| (*theta, 1.0 / (information + 1.0).sqrt())).collect();
    let highest = |points: &[(f64, f64)]| points.iter().map(|(_, y)| *y).fold(0.0, f64::max);
    let axis = |label: &str, points: &[(f64, f64)]| Axis { label: label.into(), range: (0.0, highest(points) * 1.08) };
    let (y, right) = (axis("Fisher information", &information), axis("standard error", &error));
    let line = |name: &str, at: usize, on_right: bool, points| Line {
        name: Some(name.into()),
        colour: colour(at),
        width: 2.5,
        opacity: 1.0,
        on_right,
        points,
    };
    let lines = vec![line("information", 0, false, information), line("standard error", 1, true, error)];
    let title = "Test information and standard error of ability".into();
    Chart { title, subtitle: subtitle(report), x: ability(), y, right: Some(right), lines, dots: none(), scale: None }
        .render()
}

fn abilities(report: &Report) -> String {
    let curves = report.calibration.curves();
    let x = {
        let (low, high) = spread(report.abilities.iter().map(|it| it.theta));
        Axis { label: format!("{ABILITY} (expected a posteriori)"), range: (low.floor(), high.ceil()) }
    };
    let steps = (0..=STEPS).map(|step| x.range.0 + (x.range.1 - x.range.0) * f64::from(step) / f64::from(STEPS));
    let expected: Vec<_> = steps.map(|theta| (theta, 1.0 / (test_information(&curves, theta) + 1.0).sqrt())).collect();
    let highest =
        report.abilities.iter().map(|it| it.standard_error).chain(expected.iter().map(|it| it.1)).fold(0.0, f64::max);
    let y = Axis { label: "standard error".into(), range: (0.0, highest * 1.1) };
    // One dot for all persons of nearly one place, its area by their number.
    let mut places = BTreeMap::<(i64, i64), u32>::new();
    #[allow(clippy::cast_possible_truncation, reason = "some hundred cells each way")]
    for ability in &report.abilities {
        let cell = |value: f64, (low, high): (f64, f64)| ((value - low) / (high - low) * 300.0).round() as i64;
        *places.entry((cell(ability.theta, x.range), cell(ability.standard_error, y.range))).or_default() += 1;
    }
    let most = places.values().copied().max().unwrap_or(1);
    #[allow(clippy::cast_precision_loss, reason = "some hundred cells each way")]
    let dots = places.iter().map(|((column, row), persons)| {
        let value = |cell: i64, (low, high): (f64, f64)| low + cell as f64 / 300.0 * (high - low);
        let radius = 1.6 + 4.4 * (f64::from(*persons - 1) / f64::from(most.max(2) - 1)).sqrt();
        Dot { at: (value(*column, x.range), value(*row, y.range)), radius }
    });
    let dots = ("persons, by number".to_owned(), dots.collect());
    let lines = vec![Line {
        name: Some("1 / √(information + 1)".into()),
        colour: colour(1),
        width: 2.0,
        opacity: 1.0,
        on_right: false,
        points: expected,
    }];
    let title = "Abilities and their standard errors".into();
    Chart { title, subtitle: subtitle(report), x, y, right: None, lines, dots, scale: None }.render()
}

fn subtitle(report: &Report) -> String {
    let persons = report.matrix.responses.persons();
    format!("{} model, {} items, {persons} persons", report.calibration.model, report.calibration.items.len())
}

fn ability() -> Axis {
    Axis { label: ABILITY.into(), range: (-REACH, REACH) }
}

fn thetas() -> impl Iterator<Item = f64> {
    (0..=STEPS).map(|step| 2.0 * REACH * f64::from(step) / f64::from(STEPS) - REACH)
}

/// The least and the greatest, never the same.
fn spread(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let finite = values.filter(|it| it.is_finite()).map(|it| it.clamp(-6.0, 6.0));
    let (low, high) = (finite.clone().fold(f64::INFINITY, f64::min), finite.fold(f64::NEG_INFINITY, f64::max));
    if low < high { (low, high) } else { (low.min(0.0) - 0.5, high.max(0.0) + 0.5) }
}

fn none() -> (String, Vec<Dot>) {
    (String::new(), vec![])
}
