//! Who has the address, looked at all the time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::host::Host;

/// Who had the address when: an entry for each change.
#[derive(Debug)]
pub struct Owners {
    turns: Vec<(Instant, Vec<bool>)>,
    end: Instant,
}

impl Owners {
    /// Watches who has an address while `work` runs.
    pub fn of<T>(address: &str, hosts: &[&Host], work: impl FnOnce() -> T) -> (Self, T) {
        let stop = &AtomicBool::new(false);
        thread::scope(|scope| {
            let watcher = scope.spawn(move || watch(address, hosts, stop));
            let guard = Stop(stop);
            let value = work();
            drop(guard);
            (watcher.join().expect("hosts can be watched"), value)
        })
    }

    /// Returns the longest time in which so many hosts had the address.
    #[must_use]
    pub fn longest(&self, several: impl Fn(usize) -> bool) -> Duration {
        let (mut longest, mut since) = (Duration::ZERO, None);
        for (at, owners) in &self.turns {
            let matches = several(owners.iter().filter(|&&has| has).count());
            let start = since.unwrap_or(*at);
            longest = longest.max(if since.is_some() { *at - start } else { Duration::ZERO });
            since = matches.then_some(start);
        }
        longest.max(since.map_or(Duration::ZERO, |start| self.end - start))
    }
}

/// Ends the watch also when the work panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn watch(address: &str, hosts: &[&Host], stop: &AtomicBool) -> Owners {
    let mut turns: Vec<(Instant, Vec<bool>)> = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let owners: Vec<bool> = hosts.iter().map(|host| host.has(address)).collect();
        if turns.last().is_none_or(|(_, before)| *before != owners) {
            turns.push((Instant::now(), owners));
        }
        thread::sleep(Duration::from_millis(2));
    }
    Owners { turns, end: Instant::now() }
}
