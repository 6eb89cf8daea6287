//! What 1 to 4,096 virtual routers cost, and whether they stay where they are.

mod trial;

use std::fmt;
use std::time::Duration;

use self::trial::{Calm, Failover, NodeCost, Rest, Trial};
use crate::cost::bare_memory;
use crate::curve::{self, Curve, Panel};
use crate::figures::{count, ms};
use crate::options::Options;
use crate::pair::attempt;
use crate::plan::Plan;
use crate::report::{Column, Section};
use crate::side::Side;

/// How many routers advertise how often.
#[derive(Clone, Copy, Debug)]
struct Load {
    routers: usize,
    interval: Duration,
}

/// What was seen of one side under one load, from its start to the death of its active node. A part
/// that failed is absent.
struct Measured {
    settled_ms: Option<f64>,
    rest: Option<Rest>,
    /// What the active carrier has more than the same process of an nginx without the module.
    beyond_bare_kb: Option<f64>,
    reload: Option<Calm>,
    failover: Option<Failover>,
}

pub(crate) fn many_routers(options: &Options) -> Section {
    let mut section =
        Section::new(&format!("Cost and calm of many virtual routers, {}", options.network.name()));
    let bare = section.note("nginx without the module", attempt(|| bare_memory(options)));
    let bare_kb = bare.flatten().map(|memory| memory.resident);
    let mut curves = Curves::default();
    for load in loads(options) {
        let [ours, theirs] = Side::BOTH.map(|side| {
            let measured = measure(&mut section, side, options, load);
            let mut measured = section.note(&format!("{load}, {}", side.name()), measured)?;
            let resident = measured.active().and_then(|active| Some(active.footprint?.resident));
            let beyond = resident.zip(bare_kb).map(|(with, without)| with - without);
            measured.beyond_bare_kb = beyond.filter(|_| side == Side::Ours);
            warn(&mut section, side, load, &measured);
            curves.add(side, load, &measured);
            Some(measured)
        });
        compare(&mut section, load, ours.as_slice(), theirs.as_slice());
    }
    section.remark(
        "Router alone: the threads `vrrp*` and the guard; keepalived's processes. Carrier: the \
         whole nginx process that has them; keepalived's VRRP process. Up to 255 routers share a \
         link.",
    );
    section.show("scale.svg", "Processor time over the number of routers", curves.draw());
    section
}

/// Returns the loads to measure: few in a quick run, or those that `SIZES` names.
fn loads(options: &Options) -> Vec<Load> {
    let (fast, slow): (&[usize], &[usize]) = if options.quick {
        (&[1, 255, 1000], &[1, 1000])
    } else {
        (&[1, 16, 64, 255, 1000], &[1, 16, 64, 255, 1000, 4096])
    };
    let with = |all: &[usize], interval| -> Vec<Load> {
        all.iter().map(|&routers| Load { routers, interval }).collect()
    };
    let mut all = with(fast, Duration::from_millis(100));
    all.extend(with(slow, Duration::from_secs(1)));
    all.retain(|load| options.wants_size(load.routers));
    all
}

fn measure(
    section: &mut Section,
    side: Side,
    options: &Options,
    load: Load,
) -> Result<Measured, String> {
    let plan = Plan::many(options.network, load.routers, load.interval);
    let name = format!("{load}, {}", side.name());
    let (trial, settled_ms) = attempt(|| Trial::start(side, &options.carrier, &plan))?;
    let long = match (options.quick, load.routers) {
        (true, _) => 5,
        (false, 1000) => 60,
        (false, _) => 10,
    };
    let rest = attempt(|| trial.rest(Duration::from_secs(long)));
    let rest = section.note(&format!("{name}, at rest"), rest);
    let reload = section.note(&format!("{name}, reload"), attempt(|| trial.reload()));
    let failover = section.note(&format!("{name}, failover"), attempt(|| trial.fail_over()));
    let lost = trial.frames_lost();
    if lost > 0 {
        section.remark(format!("{name}: the sniffer has lost {lost} frames: gaps may be shorter."));
    }
    Ok(Measured { settled_ms, rest, beyond_bare_kb: None, reload, failover })
}

/// Remarks what must not happen, whichever side it happened to.
fn warn(section: &mut Section, side: Side, load: Load, measured: &Measured) {
    let name = format!("{load}, {}", side.name());
    if measured.settled_ms.is_none() {
        section.remark(format!("{name}: never settled."));
    }
    let times = [
        ("at rest", measured.rest.as_ref().map(|rest| &rest.calm)),
        ("reload", measured.reload.as_ref()),
    ];
    for (when, calm) in times {
        let Some(Calm { rhythm, transitions }) = calm else { continue };
        let problems = [
            (*transitions, "false transitions"),
            (rhythm.takeovers, "changes of the node that advertises a router"),
            (rhythm.resignations, "advertisements of priority 0"),
            (rhythm.silent, "routers that nobody advertised"),
        ];
        for (number, what) in problems.into_iter().filter(|(number, _)| *number > 0.0) {
            section.remark(format!("{name}, {when}: {number} {what}."));
        }
        let (gap, bound) = (rhythm.longest_gap_ms, ms(load.interval * 3 / 2));
        if gap > bound {
            section.remark(format!("{name}, {when}: a gap of {gap:.0} ms, over {bound} ms."));
        }
    }
}

fn compare(section: &mut Section, load: Load, ours: &[Measured], theirs: &[Measured]) {
    let [active, backup] = targets_percent(load, theirs.first());
    let resident = match load.routers {
        1 => Some(5.0 * 1024.0),
        1000 => Some(24.0 * 1024.0),
        _ => None,
    };
    let percent = "% of a core";
    let column = Column::<Measured>::new;
    let gap = ms(load.interval * 3 / 2);
    let columns = [
        column("active, router alone", percent, |it| Some(it.active()?.share.router))
            .target(active),
        column("backup, router alone", percent, |it| Some(it.backup()?.share.router))
            .target(backup),
        column("active, carrier", percent, |it| Some(it.active()?.share.carrier)),
        column("backup, carrier", percent, |it| Some(it.backup()?.share.carrier)),
        column("at rest: transitions", "", |it| Some(it.rest.as_ref()?.calm.transitions))
            .target(Some(0.0)),
        column("at rest: longest gap", "ms", |it| {
            Some(it.rest.as_ref()?.calm.rhythm.longest_gap_ms)
        })
        .limit("1.5 intervals:", gap),
        column("reload: transitions", "", |it| Some(it.reload.as_ref()?.transitions))
            .target(Some(0.0)),
        column("reload: longest gap", "ms", |it| Some(it.reload.as_ref()?.rhythm.longest_gap_ms))
            .limit("1.5 intervals:", gap),
        column("start until settled", "ms", |it| it.settled_ms),
        column("failover: half of the routers", "ms", |it| it.failover.as_ref()?.half_advertised),
        column("failover: all routers", "ms", |it| it.failover.as_ref()?.all_advertised),
        column("failover: all addresses", "ms", |it| it.failover.as_ref()?.all_assigned),
        column("carrier, resident", "kB", |it| Some(it.active()?.footprint?.resident)),
        column("carrier, more than without the module", "kB", |it| it.beyond_bare_kb)
            .target(resident),
        column("carrier, code and constants of core.so", "kB", |it| {
            Some(it.active()?.footprint?.library).filter(|kb| *kb > 0.0)
        }),
        column("carrier, board", "kB", |it| {
            Some(it.active()?.footprint?.board).filter(|kb| *kb > 0.0)
        }),
        column("carrier, anonymous", "kB", |it| Some(it.active()?.footprint?.anonymous)),
    ];
    section.compare(&load.to_string(), columns, ours, theirs);
}

/// Returns how much processor time the active and the backup node may need, where that is agreed:
/// one router no more than keepalived's in the same run.
fn targets_percent(load: Load, theirs: Option<&Measured>) -> [Option<f64>; 2] {
    let router = |cost: Option<&NodeCost>| Some(cost?.share.router);
    match (load.routers, load.interval.as_millis()) {
        (1, 100) => {
            [router(theirs.and_then(Measured::active)), router(theirs.and_then(Measured::backup))]
        }
        (1000, 100) => [Some(30.0), None],
        (1000, 1000) => [Some(3.0), Some(1.0)],
        _ => [None, None],
    }
}

impl Measured {
    fn active(&self) -> Option<&NodeCost> {
        Some(&self.rest.as_ref()?.active)
    }

    fn backup(&self) -> Option<&NodeCost> {
        Some(&self.rest.as_ref()?.backup)
    }
}

/// `1,000 × 100 ms`.
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.routers {
            routers @ 0..1000 => write!(f, "{routers}")?,
            routers => write!(f, "{},{:03}", routers / 1000, routers % 1000)?,
        }
        write!(f, " × {}", spoken(self.interval))
    }
}

/// The cost of each side and role over the number of routers, one panel for each interval.
#[derive(Default)]
struct Curves {
    panels: Vec<(Duration, Panel)>,
}

impl Curves {
    fn add(&mut self, side: Side, load: Load, measured: &Measured) {
        let Some(rest) = &measured.rest else { return };
        let known = self.panels.iter().position(|(interval, _)| *interval == load.interval);
        let at = known.unwrap_or_else(|| {
            self.panels.push((load.interval, empty_panel(load.interval)));
            self.panels.len() - 1
        });
        let curves = &mut self.panels[at].1.curves;
        let first = if side == Side::Ours { 0 } else { 2 };
        for (curve, cost) in curves[first..].iter_mut().zip([&rest.active, &rest.backup]) {
            curve.points.push((count(load.routers), cost.share.router));
        }
    }

    fn draw(self) -> String {
        let panels: Vec<Panel> = self.panels.into_iter().map(|(_, panel)| panel).collect();
        curve::draw(&panels, "virtual routers", "router alone, % of a core")
    }
}

fn empty_panel(interval: Duration) -> Panel {
    let curve = |(name, colour, dashed)| Curve { name, colour, dashed, points: Vec::new() };
    Panel {
        title: format!("advertisements every {}", spoken(interval)),
        curves: CURVES.map(curve).into(),
    }
}

fn spoken(interval: Duration) -> String {
    match interval.as_millis() {
        milliseconds @ 0..1000 => format!("{milliseconds} ms"),
        milliseconds => format!("{} s", milliseconds / 1000),
    }
}

/// The name of each curve, its colour, and whether it is dashed: ours first, active first.
const CURVES: [(&str, &str, bool); 4] = [
    ("resty.vrrp, active", "#1f9e89", false),
    ("resty.vrrp, backup", "#1f9e89", true),
    ("keepalived, active", "#d9822b", false),
    ("keepalived, backup", "#d9822b", true),
];
