//! What processes and threads have used, from `/proc`.

use std::fs;
use std::ops::{Add, Sub};
use std::time::{Duration, Instant};

/// Memory of a process, in kB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All pages that it has mapped and touched.
    pub(crate) resident: f64,
    /// The same, with shared pages divided among those who share them.
    pub(crate) proportional: f64,
}

/// Resident memory of a process by what it is for, in kB.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Footprint {
    /// All of it.
    pub(crate) resident: f64,
    /// Code and constants of `core.so`, as they are in the file.
    pub(crate) library: f64,
    /// The board.
    pub(crate) board: f64,
    /// What no other process can share: heap, stacks, changed data of libraries.
    pub(crate) anonymous: f64,
}

/// Processor time that a node has used up to a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) at: Instant,
    /// The router alone: the threads `vrrp*` and the guard, or keepalived's processes.
    pub(crate) router: Duration,
    /// The whole process that speaks VRRP.
    pub(crate) carrier: Duration,
    /// All that runs on the node, nginx and the check script included.
    pub(crate) all: Duration,
}

/// What a node has used between two moments, in percent of a core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Share {
    pub(crate) router: f64,
    pub(crate) carrier: f64,
    pub(crate) all: f64,
}

impl Used {
    pub(crate) fn since(&self, earlier: &Self) -> Share {
        let elapsed = (self.at - earlier.at).as_secs_f64();
        let percent = |now: Duration, then: Duration| {
            now.saturating_sub(then).as_secs_f64() / elapsed * 100.0
        };
        Share {
            router: percent(self.router, earlier.router),
            carrier: percent(self.carrier, earlier.carrier),
            all: percent(self.all, earlier.all),
        }
    }
}

impl Footprint {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps")).ok()?;
        let (mut footprint, mut resident, mut file) = (Self::default(), 0.0, "");
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap_or_default();
            if !name.ends_with(':') {
                // `7f00-7f10 r-xp 00000000 08:01 1234   /usr/lib/core.so`
                file = words.nth(4).unwrap_or_default();
                continue;
            }
            let kilobytes: f64 = words.next().and_then(|it| it.parse().ok()).unwrap_or_default();
            match name {
                "Rss:" => {
                    resident = kilobytes;
                    footprint.resident += kilobytes;
                    if file == BOARD {
                        footprint.board += kilobytes;
                    }
                }
                "Anonymous:" => {
                    footprint.anonymous += kilobytes;
                    if file.ends_with(LIBRARY) {
                        footprint.library += resident - kilobytes;
                    }
                }
                _ => {}
            }
        }
        Some(footprint)
    }
}

impl Memory {
    pub(crate) fn of(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let field = |name| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse().ok()
        };
        Some(Self { resident: field("Rss:")?, proportional: field("Pss:")? })
    }
}

impl Add for Memory {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let proportional = self.proportional + other.proportional;
        Self { resident: self.resident + other.resident, proportional }
    }
}

impl Sub for Memory {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let proportional = self.proportional - other.proportional;
        Self { resident: self.resident - other.resident, proportional }
    }
}

/// Returns the time that threads of a process have run, those whose names begin with `name`.
pub(crate) fn cpu_of_threads(pid: i32, name: &str) -> Duration {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let wanted = tasks.map(|task| task.path()).filter(|task| {
        fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.starts_with(name))
    });
    wanted.filter_map(|task| run_time(&fs::read_to_string(task.join("schedstat")).ok()?)).sum()
}

/// Returns the time that a process has run, with all its threads.
pub(crate) fn cpu(pid: i32) -> Duration {
    cpu_of_threads(pid, "")
}

/// Returns the time that the children of a process had run when they ended.
pub(crate) fn cpu_of_children(pid: i32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    // Fields 16 and 17 of proc_pid_stat(5), where the one after the name is the third.
    let ticks = fields.split(' ').skip(13).take(2);
    ticks.filter_map(|ticks| ticks.parse::<u32>().ok()).map(|ticks| TICK * ticks).sum()
}

/// Reads the first field of `schedstat`: nanoseconds on a processor.
fn run_time(schedstat: &str) -> Option<Duration> {
    schedstat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The file behind the board in a list of mappings, and the library's.
const BOARD: &str = "/memfd:resty.vrrp";
const LIBRARY: &str = "/core.so";
/// The unit of times in `stat`, which is fixed for user space.
const TICK: Duration = Duration::from_millis(10);
