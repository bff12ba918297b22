//! A chart as SVG: axes, grid, lines, dots and a legend.

use std::fmt::Write as _;

const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 76.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 66.0;
const RIGHT: f64 = 210.0;
const INK: &str = "#1f2933";
const PALE: &str = "#5f6b7a";
const GRID: &str = "#e4e7eb";

/// An axis.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    /// What it measures.
    pub(super) label: String,
    /// Its ends.
    pub(super) range: (f64, f64),
}

/// A line through points.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its name in the legend, if it has an entry of its own.
    pub(super) name: Option<String>,
    /// Its colour.
    pub(super) colour: String,
    /// How thick it is.
    pub(super) width: f64,
    /// How opaque.
    pub(super) opacity: f64,
    /// Whether it is dashed, and measured by the axis on the right.
    pub(super) on_right: bool,
    /// Where it goes.
    pub(super) points: Vec<(f64, f64)>,
}

/// A dot.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dot {
    /// Where it is.
    pub(super) at: (f64, f64),
    /// Its radius.
    pub(super) radius: f64,
}

/// What colours mean where they stand for numbers: the label, and the ends of the scale.
pub(super) type Scale = (String, (f64, f64));

/// A chart.
#[derive(Clone, Debug)]
pub(super) struct Chart {
    /// What it shows.
    pub(super) title: String,
    /// Of what.
    pub(super) subtitle: String,
    /// The axis below.
    pub(super) x: Axis,
    /// The axis on the left.
    pub(super) y: Axis,
    /// The axis on the right, where there is one.
    pub(super) right: Option<Axis>,
    /// Lines, the first lowest.
    pub(super) lines: Vec<Line>,
    /// Dots below the lines, with their name.
    pub(super) dots: (String, Vec<Dot>),
    /// The scale of colours, where there is one.
    pub(super) scale: Option<Scale>,
}

impl Chart {
    /// The chart as a document.
    pub(super) fn render(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" \
             role=\"img\" font-family=\"system-ui, 'Segoe UI', Roboto, Helvetica, Arial, sans-serif\" fill=\"{INK}\">\n\
             <title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
            escaped(&self.title)
        );
        text(&mut svg, (LEFT, 34.0), "font-size=\"20\" font-weight=\"600\"", &self.title);
        text(&mut svg, (LEFT, 56.0), &format!("font-size=\"13\" fill=\"{PALE}\""), &self.subtitle);
        self.axes(&mut svg);
        let _ = writeln!(
            svg,
            "<clipPath id=\"plot\"><rect x=\"{LEFT}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"/></clipPath>\n<g clip-path=\"url(#plot)\">",
            width(),
            height()
        );
        for dot in &self.dots.1 {
            let (x, y) = (self.x_of(dot.at.0), y_of(&self.y, dot.at.1));
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{:.1}\" fill=\"{}\" fill-opacity=\"0.45\"/>",
                dot.radius,
                colour(0)
            );
        }
        for line in &self.lines {
            self.line(&mut svg, line);
        }
        svg += "</g>\n";
        self.legend(&mut svg);
        svg + "</svg>\n"
    }

    fn axes(&self, svg: &mut String) {
        let (bottom, end) = (TOP + height(), LEFT + width());
        for tick in ticks(self.x.range) {
            let x = self.x_of(tick);
            rule(svg, (x, TOP), (x, bottom), GRID);
            text(svg, (x, bottom + 20.0), "font-size=\"12\" text-anchor=\"middle\"", &number(tick));
        }
        for tick in ticks(self.y.range) {
            let y = y_of(&self.y, tick);
            rule(svg, (LEFT, y), (end, y), GRID);
            text(svg, (LEFT - 10.0, y + 4.0), "font-size=\"12\" text-anchor=\"end\"", &number(tick));
        }
        rule(svg, (LEFT, bottom), (end, bottom), PALE);
        rule(svg, (LEFT, TOP), (LEFT, bottom), PALE);
        let middle = TOP + height() / 2.0;
        text(svg, (LEFT + width() / 2.0, bottom + 46.0), "font-size=\"14\" text-anchor=\"middle\"", &self.x.label);
        let turned =
            |x: f64| format!("font-size=\"14\" text-anchor=\"middle\" transform=\"rotate(-90 {x:.1} {middle:.1})\"");
        text(svg, (24.0, middle), &turned(24.0), &self.y.label);
        if let Some(axis) = &self.right {
            rule(svg, (end, TOP), (end, bottom), PALE);
            for tick in ticks(axis.range) {
                text(svg, (end + 10.0, y_of(axis, tick) + 4.0), "font-size=\"12\"", &number(tick));
            }
            text(svg, (end + 50.0, middle), &turned(end + 50.0), &axis.label);
        }
    }

    fn line(&self, svg: &mut String, line: &Line) {
        let axis = if line.on_right { self.right.as_ref().unwrap_or(&self.y) } else { &self.y };
        let mut path = String::new();
        for (at, (x, y)) in line.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite()).enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { "M" } else { "L" }, self.x_of(*x), y_of(axis, *y));
        }
        let _ = writeln!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-opacity=\"{}\" stroke-linejoin=\"round\"{}/>",
            line.colour,
            line.width,
            line.opacity,
            dashes(line)
        );
    }

    fn legend(&self, svg: &mut String) {
        let x = LEFT + width() + if self.right.is_some() { 76.0 } else { 22.0 };
        let mut y = TOP + 8.0;
        if !self.dots.1.is_empty() {
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\" fill=\"{}\" fill-opacity=\"0.6\"/>",
                x + 11.0,
                colour(0)
            );
            text(svg, (x + 30.0, y + 4.0), "font-size=\"12\"", &self.dots.0);
            y += 22.0;
        }
        for line in &self.lines {
            let Some(name) = &line.name else { continue };
            let _ = writeln!(
                svg,
                "<path d=\"M{x:.1} {y:.1}h22\" stroke=\"{}\" stroke-width=\"2.5\"{}/>",
                line.colour,
                dashes(line)
            );
            text(svg, (x + 30.0, y + 4.0), "font-size=\"12\"", &shortened(name));
            y += 22.0;
        }
        if let Some((label, (low, high))) = &self.scale {
            text(svg, (x, y + 4.0), "font-size=\"12\"", label);
            let stops = (0..=8).fold(String::new(), |mut stops, at| {
                let _ = write!(
                    stops,
                    "<stop offset=\"{}%\" stop-color=\"{}\"/>",
                    at * 100 / 8,
                    shade(f64::from(8 - at) / 8.0)
                );
                stops
            });
            let _ = writeln!(
                svg,
                "<linearGradient id=\"scale\" x1=\"0\" y1=\"0\" x2=\"0\" y2=\"1\">{stops}</linearGradient>\n\
                 <rect x=\"{x:.1}\" y=\"{:.1}\" width=\"16\" height=\"180\" fill=\"url(#scale)\"/>",
                y + 18.0
            );
            for at in 0..=4 {
                let part = f64::from(at) / 4.0;
                let label = format!("{:.1}", high - part * (high - low)).replace('-', "−");
                text(svg, (x + 24.0, y + 22.0 + part * 180.0), "font-size=\"12\"", &label);
            }
        }
    }

    fn x_of(&self, value: f64) -> f64 {
        LEFT + (value - self.x.range.0) / (self.x.range.1 - self.x.range.0) * width()
    }
}

fn y_of(axis: &Axis, value: f64) -> f64 {
    TOP + height() - (value - axis.range.0) / (axis.range.1 - axis.range.0) * height()
}

fn width() -> f64 {
    WIDTH - LEFT - RIGHT
}

fn height() -> f64 {
    HEIGHT - TOP - BOTTOM
}

/// Eight colours that the colour-blind can tell apart (Okabe & Ito, 2008; yellow darkened), then again from the first.
pub(super) fn colour(at: usize) -> String {
    const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444", "#b8a800"];
    COLOURS[at % COLOURS.len()].to_owned()
}

/// A colour between dark violet (0) and yellow (1), growing lighter all the way.
pub(super) fn shade(part: f64) -> String {
    const STOPS: [[f64; 3]; 5] =
        [[68.0, 1.0, 84.0], [59.0, 82.0, 139.0], [33.0, 145.0, 140.0], [94.0, 201.0, 98.0], [233.0, 211.0, 30.0]];
    let place = part.clamp(0.0, 1.0) * 4.0;
    let first = if place < 1.0 {
        0
    } else if place < 2.0 {
        1
    } else if place < 3.0 {
        2
    } else {
        3
    };
    let past = place - [0.0, 1.0, 2.0, 3.0][first];
    let mixed = |at: usize| STOPS[first][at] + past * (STOPS[first + 1][at] - STOPS[first][at]);
    format!("rgb({:.0},{:.0},{:.0})", mixed(0), mixed(1), mixed(2))
}

/// Round numbers within a range, five to ten of them.
fn ticks((low, high): (f64, f64)) -> Vec<f64> {
    let rough = (high - low) / 8.0;
    let power = 10.0_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].map(|it| it * power).into_iter().find(|step| *step >= rough).unwrap_or(power);
    let mut ticks = vec![];
    let mut at = (low / step).ceil();
    while at * step <= high + step * 1e-9 {
        ticks.push(at * step);
        at += 1.0;
    }
    ticks
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if matches!(text, "-0" | "") { "0".to_owned() } else { text.replace('-', "−") }
}

fn dashes(line: &Line) -> &'static str {
    if line.on_right { " stroke-dasharray=\"7 5\"" } else { "" }
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let _ = writeln!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>",
        from.0, from.1, to.0, to.1
    );
}

fn text(svg: &mut String, at: (f64, f64), style: &str, words: &str) {
    let _ = writeln!(svg, "<text x=\"{:.1}\" y=\"{:.1}\" {style}>{}</text>", at.0, at.1, escaped(words));
}

fn shortened(name: &str) -> String {
    const LONGEST: usize = 22;
    if name.chars().count() <= LONGEST { name.to_owned() } else { name.chars().take(LONGEST).chain(['…']).collect() }
}

fn escaped(text: &str) -> String {
    let escape = |it: char| match it {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        it if it.is_control() => "\u{fffd}".to_owned(),
        it => it.to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within_the_range() {
        assert_eq!(ticks((-4.0, 4.0)), [-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks((0.0, 1.0)).len(), 6);
        assert!(ticks((0.0, 37.3)).iter().all(|tick| tick % 5.0 == 0.0 && *tick <= 37.3));
    }

    #[test]
    fn names_cannot_break_the_document() {
        assert_eq!(escaped("<b> & \u{0}"), "&lt;b&gt; &amp; \u{fffd}");
    }
}
