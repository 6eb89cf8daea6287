//! What processes and threads have used, from `/proc`.

use std::fs;
use std::ops::{Add, Sub};
use std::time::Duration;

/// Memory of a process, in kB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// All pages that it has mapped and touched.
    pub(crate) resident: f64,
    /// The same, with shared pages divided among those who share them.
    pub(crate) proportional: f64,
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

/// The unit of times in `stat`, which is fixed for user space.
const TICK: Duration = Duration::from_millis(10);
