//! A timer that is exact to the nanosecond.

use std::cell::Cell;
use std::io;
use std::task::{Context, Poll, ready};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};

use crate::net::clock;
use crate::net::watched::Watched;
use crate::types::Instant;

/// One deadline on `CLOCK_MONOTONIC`.
///
/// tokio's own timers round up to a millisecond, a tenth of the shortest advertisement interval.
///
/// The timer is never read: the kernel tells of each expiration, and the clock tells of which
/// deadline it was. So a deadline costs one system call, and the wait for it.
#[derive(Debug)]
pub struct Timer {
    fd: Watched,
    /// The deadline that has not expired yet.
    deadline: Cell<Option<Instant>>,
}

impl Timer {
    /// Makes a timer without a deadline. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        Ok(Self { fd: Watched::new(fd)?, deadline: Cell::new(None) })
    }

    /// Replaces the deadline; `None` never expires. A deadline that has passed expires at once. The
    /// deadline that is set already costs nothing.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the deadline, which it does for none that [`Instant`] can hold.
    pub fn set(&self, deadline: Option<Instant>) -> io::Result<()> {
        if self.deadline.get() == deadline { Ok(()) } else { self.arm(deadline) }
    }

    fn arm(&self, deadline: Option<Instant>) -> io::Result<()> {
        let it_value = deadline.map_or(DISARMED, timespec);
        let spec = Itimerspec { it_interval: DISARMED, it_value };
        timerfd_settime(&self.fd, TimerfdTimerFlags::ABSTIME, &spec)?;
        self.deadline.set(deadline);
        Ok(())
    }

    /// Waits for the deadline. Ready once for each deadline set.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub fn poll_expired(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.fd.poll_edge(cx))?;
            match self.deadline.get() {
                Some(deadline) if deadline <= clock::now() => {
                    self.deadline.set(None);
                    return Poll::Ready(Ok(()));
                }
                // It was the deadline before this one that has expired.
                Some(deadline) => self.arm(Some(deadline))?,
                None => {}
            }
        }
    }

    /// Waits for the deadline, as [`poll_expired`](Self::poll_expired). Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub async fn expired(&self) -> io::Result<()> {
        std::future::poll_fn(|cx| self.poll_expired(cx)).await
    }
}

fn timespec(deadline: Instant) -> Timespec {
    // A value of zero would disarm the timer; i64 holds every second that u64 nanoseconds can name.
    let nanos = deadline.as_nanos().max(1);
    Timespec {
        tv_sec: i64::try_from(nanos / NANOS_PER_SECOND).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(nanos % NANOS_PER_SECOND).unwrap_or(0),
    }
}

const DISARMED: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };
const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::net::clock::now;

    #[test]
    fn a_deadline_is_met_and_never_early() {
        run(async {
            let timer = Timer::new().unwrap();
            let deadline = now() + Duration::from_micros(2_500);
            timer.set(Some(deadline)).unwrap();

            timer.expired().await.unwrap();

            assert!(now() >= deadline);
        });
    }

    #[test]
    fn a_deadline_that_has_passed_expires_at_once_and_only_once() {
        run(async {
            let timer = Timer::new().unwrap();
            timer.set(Some(Instant::from_nanos(0))).unwrap();

            timer.expired().await.unwrap();

            assert!(is_pending(&timer));
        });
    }

    #[test]
    fn a_deadline_replaced_before_it_was_noticed_does_not_expire() {
        run(async {
            let timer = Timer::new().unwrap();
            timer.set(Some(Instant::from_nanos(1))).unwrap();
            timer.set(Some(now() + Duration::from_secs(60))).unwrap();
            assert!(is_pending(&timer));

            timer.set(None).unwrap();
            assert!(is_pending(&timer));
        });
    }

    #[test]
    fn a_deadline_that_was_replaced_when_it_had_expired_takes_nothing_from_the_next_one() {
        run(async {
            let timer = Timer::new().unwrap();
            for _ in 0..3 {
                timer.set(Some(Instant::from_nanos(1))).unwrap();
                // The kernel tells of the expiration before anybody asks for it.
                tokio::task::yield_now().await;
                let deadline = now() + Duration::from_millis(2);
                timer.set(Some(deadline)).unwrap();

                timer.expired().await.unwrap();

                assert!(now() >= deadline);
                assert!(is_pending(&timer));
            }
        });
    }

    fn is_pending(timer: &Timer) -> bool {
        timer.poll_expired(&mut Context::from_waker(std::task::Waker::noop())).is_pending()
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap().block_on(test);
    }
}
