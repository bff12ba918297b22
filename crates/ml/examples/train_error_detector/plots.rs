//! A reliability diagram as SVG: how often marked words are wrong, against how sure the detector is.

use std::fmt::Write;

use crate::measure::Seen;

const BINS: usize = 10;
const WIDTH: f64 = 460.0;
const LEFT: f64 = 64.0;
const TOP: f64 = 56.0;
const SIDE: f64 = 360.0;
/// Height of the panel of counts below.
const COUNTS: f64 = 90.0;
const GAP: f64 = 46.0;

/// A bin of probabilities: tokens, mean probability, share that is wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Bin {
    pub(crate) tokens: f64,
    pub(crate) stated: f64,
    pub(crate) wrong: f64,
}

/// Ten bins of equal width; an empty one has no tokens.
pub(crate) fn bins(seen: &[Vec<Seen>]) -> [Bin; BINS] {
    let mut bins = [Bin::default(); BINS];
    for token in seen.iter().flatten() {
        let bin = &mut bins[((token.probability * BINS as f64) as usize).min(BINS - 1)];
        bin.tokens += 1.0;
        bin.stated += token.probability;
        bin.wrong += f64::from(u8::from(token.truth != 0));
    }
    bins.map(|bin| {
        let count = bin.tokens.max(1.0);
        Bin { tokens: bin.tokens, stated: bin.stated / count, wrong: bin.wrong / count }
    })
}

/// Expected calibration error: the mean distance of stated and true share, by tokens.
pub(crate) fn calibration_error(bins: &[Bin; BINS]) -> f64 {
    let all: f64 = bins.iter().map(|bin| bin.tokens).sum();
    bins.iter().map(|bin| (bin.stated - bin.wrong).abs() * bin.tokens).sum::<f64>() / all.max(1.0)
}

/// The diagram: a point a bin on the diagonal of perfect calibration, an upright line of the threshold, and how many
/// tokens each bin has (logarithmic) below.
pub(crate) fn reliability(title: &str, bins: &[Bin; BINS], threshold: f64) -> String {
    let height = TOP + SIDE + GAP + COUNTS + 50.0;
    let (x, y) = (|share: f64| LEFT + share * SIDE, |share: f64| TOP + (1.0 - share) * SIDE);
    let base = TOP + SIDE + GAP + COUNTS;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\" fill=\"#1a1a1a\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{title}</text>\n\
         <text x=\"{LEFT}\" y=\"42\" fill=\"#555\">expected calibration error {:.3}</text>\n",
        calibration_error(bins)
    );
    let mut put = |line: std::fmt::Arguments<'_>| {
        let _ = svg.write_fmt(line);
        svg.push('\n');
    };
    for tenth in (0..=10).step_by(2) {
        let share = f64::from(tenth) / 10.0;
        put(format_args!(
            "<path d=\"M{0} {TOP}V{1}M{LEFT} {2}H{3}\" stroke=\"#e3e3e3\"/>",
            x(share),
            y(0.0),
            y(share),
            x(1.0)
        ));
        put(format_args!(
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{share}</text><text x=\"{}\" y=\"{}\" \
             text-anchor=\"end\">{share}</text>",
            x(share),
            y(0.0) + 18.0,
            LEFT - 8.0,
            y(share) + 4.0
        ));
    }
    put(format_args!("<path d=\"M{LEFT} {}L{} {TOP}\" stroke=\"#888\" stroke-dasharray=\"5 4\"/>", y(0.0), x(1.0)));
    put(format_args!("<path d=\"M{0} {TOP}V{1}\" stroke=\"#b35900\"/>", x(threshold), y(0.0)));
    put(format_args!(
        "<text x=\"{}\" y=\"{}\" fill=\"#b35900\">marked from {threshold} on</text>",
        x(threshold) + 5.0,
        TOP + 14.0
    ));
    let filled: Vec<&Bin> = bins.iter().filter(|bin| bin.tokens > 0.0).collect();
    let line: Vec<String> = filled.iter().map(|bin| format!("{:.1} {:.1}", x(bin.stated), y(bin.wrong))).collect();
    put(format_args!("<path d=\"M{}\" fill=\"none\" stroke=\"#0b5fa5\" stroke-width=\"2\"/>", line.join("L")));
    for bin in &filled {
        put(format_args!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\" fill=\"#0b5fa5\"/>", x(bin.stated), y(bin.wrong)));
    }
    let most = bins.iter().map(|bin| bin.tokens).fold(10.0, f64::max).log10();
    for (at, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.tokens > 0.0) {
        let tall = ((bin.tokens.log10() / most) * (COUNTS - 16.0)).max(1.0);
        let left = x(at as f64 / BINS as f64);
        put(format_args!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"#9cc3e4\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\">{}</text>",
            left + 2.0,
            base - tall,
            SIDE / BINS as f64 - 4.0,
            left + SIDE / BINS as f64 / 2.0,
            base - tall - 3.0,
            bin.tokens
        ));
    }
    put(format_args!("<path d=\"M{LEFT} {base}H{}\" stroke=\"#888\"/>", x(1.0)));
    put(format_args!(
        "<text x=\"{0}\" y=\"{1}\" text-anchor=\"middle\">stated probability that a word is wrong</text>\
         <text x=\"{0}\" y=\"{2}\" text-anchor=\"middle\" fill=\"#555\">words in each bin (logarithmic)</text>\
         <text transform=\"translate(20 {3}) rotate(-90)\" text-anchor=\"middle\">share that is wrong</text>",
        x(0.5),
        y(0.0) + 36.0,
        base + 22.0,
        y(0.5)
    ));
    svg.push_str("</svg>\n");
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(probability: f64, truth: u32) -> Seen {
        Seen { probability, guess: 1, truth }
    }

    #[test]
    fn stated_and_true_shares_are_taken_bin_by_bin() {
        let seen = vec![vec![token(0.72, 1), token(0.78, 0)], vec![token(1.0, 2), token(0.0, 0)]];
        let bins = bins(&seen);
        assert_eq!(bins[7], Bin { tokens: 2.0, stated: 0.75, wrong: 0.5 });
        assert_eq!(bins[9], Bin { tokens: 1.0, stated: 1.0, wrong: 1.0 });
        assert!((calibration_error(&bins) - 0.125).abs() < 1e-9);
    }

    #[test]
    fn the_diagram_has_a_point_for_each_bin_with_words_and_closes_what_it_opens() {
        let seen = vec![vec![token(0.15, 0), token(0.15, 1), token(0.95, 1)]];
        let svg = reliability("A & B".replace('&', "and").as_str(), &bins(&seen), 0.5);
        assert_eq!(svg.matches("<circle").count(), 2);
        assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
        assert!(svg.starts_with("<svg") && svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}
