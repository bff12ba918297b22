//! What a run has shown, as a table.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

/// What was seen with one fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) injected: usize,
    pub(crate) sent: usize,
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) recoveries: Vec<Duration>,
}

/// What was seen with all of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: BTreeMap<&'static str, Row>,
    /// Remarks below the table.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn injections(&self) -> usize {
        self.rows.values().map(|row| row.injected).sum()
    }

    /// The report in Markdown.
    pub(crate) fn markdown(&self) -> String {
        let mut text =
            "| fault | injected | commands sent | acknowledged | lost | doubled | time to recover: median | max |\n\
                        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
                .to_owned();
        let mut all = Row::default();
        for (name, row) in &self.rows {
            line(&mut text, name, row);
            all.injected += row.injected;
            all.sent += row.sent;
            all.acknowledged += row.acknowledged;
            all.lost += row.lost;
            all.doubled += row.doubled;
            all.recoveries.extend(&row.recoveries);
        }
        line(&mut text, "**all**", &all);
        for note in &self.notes {
            let _ = write!(text, "\n{note}\n");
        }
        text
    }

    /// Prints it, and writes it to the file of `BAEUM_FAULTS_REPORT`, if set.
    pub(crate) fn publish(&self) {
        let text = self.markdown();
        eprintln!("{text}");
        if let Some(file) = std::env::var_os("BAEUM_FAULTS_REPORT") {
            std::fs::write(&file, text).expect("the file of BAEUM_FAULTS_REPORT can be written");
        }
    }
}

fn line(text: &mut String, name: &str, row: &Row) {
    let mut times = row.recoveries.clone();
    times.sort_unstable();
    let seconds = |time: Option<&Duration>| time.map_or("–".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
    let (median, max) = (seconds(times.get(times.len() / 2)), seconds(times.last()));
    let Row { injected, sent, acknowledged, lost, doubled, .. } = row;
    let _ = writeln!(text, "| {name} | {injected} | {sent} | {acknowledged} | {lost} | {doubled} | {median} | {max} |");
}
