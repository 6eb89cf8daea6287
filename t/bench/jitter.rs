//! Whether advertisements still come in time while every core is busy.

use std::net::IpAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Advert, Carrier, Process, Sniffer, urgently};

use crate::figures::ms;
use crate::options::Options;
use crate::pair::{Pair, attempt};
use crate::plan::{LOW, Plan};
use crate::report::{Column, Section};
use crate::side::Side;

/// What was heard on the link.
struct Heard {
    /// Times between two advertisements, in ms.
    gaps: Vec<f64>,
    takeovers: u32,
}

pub(crate) fn busy_cores(options: &Options) -> Section {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut section =
        Section::new(&format!("Advertisements every 10 ms, {cores} busy loops on {cores} cores"));
    for (name, realtime, seconds) in [("default", false, 60), ("real time", true, 15)] {
        let long = Duration::from_secs(if options.quick { seconds / 6 } else { seconds });
        let plan = Plan { realtime, ..Plan::single(3, Duration::from_millis(10)) };
        let heard = Side::BOTH.map(|side| {
            let heard = attempt(|| listen(side, &options.carrier, &plan, cores, long));
            section.note(side.name(), heard)
        });
        let bound = ms(plan.active_down_interval(LOW));
        let columns = [
            Column::new("longest gap between two of them", "ms", |it: &Heard| {
                it.gaps.last().copied()
            })
            .limit("Active_Down_Interval:", bound),
            Column::new("gap that one in 100 exceeds", "ms", |it: &Heard| {
                it.gaps.get(it.gaps.len() * 99 / 100).copied()
            })
            .limit("Active_Down_Interval:", bound),
            Column::new("false takeovers", "", |it: &Heard| Some(f64::from(it.takeovers)))
                .limit("target", 0.0),
        ];
        let [ours, theirs] = heard.each_ref().map(Option::as_slice);
        section.compare(&format!("{name}, {long:?}"), columns, ours, theirs);
    }
    section.remark(
        "The loops are at nice 0, and by default both sides as well. Real time is `realtime = \
         true`, and keepalived's `vrrp_rt_priority 10`.",
    );
    section
}

fn listen(side: Side, carrier: &Carrier, plan: &Plan, cores: usize, long: Duration) -> Heard {
    let pair = Pair::start(side, carrier, plan);
    let sniffer = urgently(|| Sniffer::start(&pair.client));
    let loops: Vec<Process> = (0..cores).map(|_| pair.client.spawn(&mut busy_loop())).collect();
    let start = Instant::now();
    thread::sleep(long);
    drop(loops);

    let adverts = sniffer.adverts_since(start);
    let mut gaps: Vec<f64> =
        adverts.windows(2).map(|two| ms(two[1].at.duration_since(two[0].at))).collect();
    gaps.sort_by(f64::total_cmp);
    Heard { gaps, takeovers: takeovers(&adverts, pair.second.host.address()) }
}

/// Counts how often the router at an address began to send.
fn takeovers(adverts: &[Advert], router: IpAddr) -> u32 {
    let is_its = |advert: &Advert| advert.source == router;
    let begins = adverts.windows(2).filter(|two| !is_its(&two[0]) && is_its(&two[1])).count();
    u32::try_from(begins).unwrap_or(u32::MAX)
}

fn busy_loop() -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "while :; do :; done"]);
    command
}
