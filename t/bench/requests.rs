//! Whether advertisements still come in time while many ask nginx for the state.

use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Carrier, Host, Sniffer, urgently};

use crate::adverts::Rhythm;
use crate::figures::ms;
use crate::options::Options;
use crate::pair::{Pair, in_turn};
use crate::plan::Plan;
use crate::report::{Column, Section};
use crate::side::Side;

/// What the active node is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Nothing,
    /// By `wrk` at full speed; of keepalived's nginx, the page of the site.
    Path(&'static str),
    /// By so many clients that stay and are told of changes.
    Events(usize),
}

/// What came of it.
struct Seen {
    rhythm: Rhythm,
    requests_per_second: Option<f64>,
}

pub(crate) fn many_requests(options: &Options) -> Section {
    let mut section = Section::new("Advertisements every 100 ms while many ask for the state");
    let plan = Plan::single(3, INTERVAL);
    let seconds = if options.quick { 5 } else { 20 };
    for (name, asked) in ASKED {
        let (all, runs) = (Side::both(&plan), options.runs(3));
        let [ours, theirs] = in_turn(&mut section, name, runs, all, |side, plan, _| {
            watch(side, &options.carrier, plan, *asked, seconds)
        });
        let columns = [
            Column::new("longest gap between advertisements", "ms", |it: &Seen| {
                Some(it.rhythm.longest_gap_ms)
            })
            .limit("1.5 intervals:", ms(INTERVAL * 3 / 2)),
            Column::new("false takeovers", "", |it: &Seen| Some(it.rhythm.takeovers))
                .limit("target", 0.0),
            Column::new("requests/s", "", |it: &Seen| it.requests_per_second),
        ];
        let columns = columns.into_iter().take(if asked.is_counted() { 3 } else { 2 });
        section.compare(name, columns, &ours, &theirs);
    }
    section.remark(format!(
        "{seconds} s each. wrk: one thread, 32 connections that stay open, from another host on \
         the same cores. keepalived's nginx is asked for the page of the site instead, and nobody \
         listens to it."
    ));
    section
}

fn watch(side: Side, carrier: &Carrier, plan: &Plan, asked: Asked, seconds: u64) -> Seen {
    let pair = Pair::start(side, carrier, plan);
    let sniffer = urgently(|| Sniffer::start(&pair.client));
    let start = Instant::now();
    let mut requests_per_second = None;
    match (asked, side) {
        (Asked::Path(path), _) => {
            let path = if matches!(side, Side::Ours) { path } else { "/" };
            let url = format!("http://{}{path}", Pair::server());
            let rate = requests_at_full_speed(&pair.client, &url, seconds);
            requests_per_second = Some(rate.unwrap_or_else(|reason| panic!("{reason}")));
        }
        (Asked::Events(clients), Side::Ours) => {
            let clients = listen(&pair.client, clients).unwrap_or_else(|error| panic!("{error}"));
            thread::sleep(Duration::from_secs(seconds));
            drop(clients);
        }
        (Asked::Events(_) | Asked::Nothing, _) => thread::sleep(Duration::from_secs(seconds)),
    }
    let rhythm = Rhythm::of(&sniffer.adverts_since(start), 1, start, Instant::now());
    Seen { rhythm, requests_per_second }
}

impl Asked {
    fn is_counted(self) -> bool {
        matches!(self, Self::Path(_))
    }
}

/// Asks for a page with 32 connections, as fast as one thread can, and returns requests per second.
pub(crate) fn requests_at_full_speed(host: &Host, url: &str, seconds: u64) -> Result<f64, String> {
    let mut wrk = Command::new("wrk");
    let said = host.try_exec(wrk.args(["-t1", "-c32", &format!("-d{seconds}s"), url]))?;
    if said.contains("Non-2xx") {
        return Err(format!("{url} did not answer 200"));
    }
    let line = said.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.and_then(|value| value.trim().parse().ok()).ok_or(format!("wrk said: {said}"))
}

/// Connects clients that are told of changes.
fn listen(host: &Host, clients: usize) -> io::Result<Vec<TcpStream>> {
    let server: SocketAddr = Pair::server().parse().expect("an address and a port");
    let connect = |_| {
        let mut client = TcpStream::connect(server)?;
        client.write_all(b"GET /ha/events HTTP/1.1\r\nHost: bench\r\n\r\n")?;
        Ok(client)
    };
    host.enter(|| (0..clients).map(connect).collect())
}

const INTERVAL: Duration = Duration::from_millis(100);
const ASKED: &[(&str, Asked)] = &[
    ("nothing", Asked::Nothing),
    ("/ha/status", Asked::Path("/ha/status")),
    ("/ha/metrics", Asked::Path("/ha/metrics")),
    ("/ha/events, 200 clients", Asked::Events(200)),
];
