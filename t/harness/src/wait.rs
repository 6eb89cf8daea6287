//! Waiting for something to become true, and saying what was seen when it does not.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

/// Waits until `check` returns `Ok`, and returns what it holds.
///
/// `check` says in its error what it sees instead; the last one is in the panic message when
/// `within` is over.
#[track_caller]
pub fn eventually<T, E: Display>(
    what: &str,
    within: Duration,
    mut check: impl FnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + within;
    loop {
        match check() {
            Ok(value) => return value,
            Err(seen) if Instant::now() >= deadline => {
                panic!("not within {within:?}: {what}; last seen: {seen}")
            }
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Waits until `check` returns true.
#[track_caller]
pub fn wait_until(what: &str, within: Duration, mut check: impl FnMut() -> bool) {
    eventually(what, within, || if check() { Ok(()) } else { Err("it is not so") });
}

/// Checks that `check` stays `Ok` for `long`, looking again and again.
#[track_caller]
pub fn holds_for<E: Display>(what: &str, long: Duration, mut check: impl FnMut() -> Result<(), E>) {
    let start = Instant::now();
    while start.elapsed() < long {
        if let Err(seen) = check() {
            panic!("broken after {:?}: {what}; seen: {seen}", start.elapsed());
        }
        thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(3);
