//! One fault after the other while clients work, and a look at everything after each group of them.

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::{
    faults::Fault,
    invariants::{check, check_read_models, check_stream},
    load::Load,
    report::Report,
    world::World,
};

/// How a run goes.
pub(crate) struct Plan {
    /// Faults to inject.
    pub(crate) injections: usize,
    /// Faults that are injected before everything is looked at.
    pub(crate) group: usize,
    /// Groups after which the read models are derived anew and the stream is read, which takes longer.
    pub(crate) thorough_every: usize,
    /// Clients at work, and how long they think between two commands.
    pub(crate) clients: usize,
    pub(crate) think: Duration,
}

/// Runs the plan with these faults, each as often as the others.
pub(crate) async fn run(world: &mut World, faults: &[Box<dyn Fault>], plan: &Plan, rng: &mut Rng) -> Report {
    let (mut report, began) = (Report::default(), Instant::now());
    let load = world.load(plan.clients, plan.think, "learner", rng);
    let (mut deck, mut groups): (Vec<&dyn Fault>, usize) = (vec![], 0);
    while report.injections() < plan.injections {
        let mut names = vec![];
        for _ in 0..plan.group.min(plan.injections - report.injections()) {
            if deck.is_empty() {
                deck = faults.iter().map(AsRef::as_ref).collect();
                rng.shuffle(&mut deck);
            }
            let fault = deck.pop().expect("there are faults");
            let before = world.ledger.counts();
            // Something happens before it.
            tokio::time::sleep(Duration::from_millis(rng.u64(100..600))).await;
            eprintln!("{:6.1} s: {}", began.elapsed().as_secs_f64(), fault.name());
            fault.inject(world, rng).await;
            count(world, &mut report, fault.name(), before);
            report.rows.entry(fault.name()).or_default().injected += 1;
            names.push(fault.name());
        }
        let before = world.ledger.counts();
        let recovery = world.recover().await;
        groups += 1;
        let last = report.injections() >= plan.injections;
        let findings = look(world, &load, last || groups.is_multiple_of(plan.thorough_every), &mut report).await;
        count(world, &mut report, names.last().expect("a group has faults"), before);
        for name in names {
            let row = report.rows.entry(name).or_default();
            row.recoveries.push(recovery);
            row.lost += findings.lost;
            row.doubled += findings.doubled;
        }
        if !findings.breaches.is_empty() {
            report.publish();
            let shown = findings.breaches.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
            panic!("{} breaches, among them:\n{shown}\n{}", findings.breaches.len(), world.told());
        }
    }
    load.end().await;
    let counts = world.ledger.counts();
    report.notes.push(format!(
        "{} injections in {:.0} s, {} events; {} commands were answered from their receipts, their first answers lost; {} were \
         left without an answer by clients who went away.",
        report.injections(),
        began.elapsed().as_secs_f64(),
        check(world).await.events,
        counts.replayed,
        counts.sent - counts.acknowledged,
    ));
    report
}

/// Counts the commands since `before` for a fault.
fn count(world: &World, report: &mut Report, name: &'static str, before: crate::ledger::Counts) {
    let now = world.ledger.counts();
    let row = report.rows.entry(name).or_default();
    row.sent += now.sent - before.sent;
    row.acknowledged += now.acknowledged - before.acknowledged;
}

/// Looks at everything while nobody works.
async fn look(world: &mut World, load: &Load, thorough: bool, report: &mut Report) -> crate::invariants::Findings {
    let gate = load.gate();
    let _closed = gate.write().await;
    let head = world.settle().await;
    let mut findings = check(world).await;
    if thorough {
        let began = Instant::now();
        findings.breaches.extend(check_read_models(world).await);
        let (wrong, copies) = check_stream(world, head).await;
        findings.breaches.extend(wrong);
        report.notes.push(format!(
            "At position {head}: read models equal a fresh fold, the stream holds every position in order ({copies} copies); \
             looked at in {:.1} s.",
            began.elapsed().as_secs_f64()
        ));
    }
    findings
}
