//! Log lines on their way to nginx: the threads put them into a bounded queue and never wait; a
//! timer of the carrier takes them out and writes them with `ngx.log`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::status::on_one_line;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// One line for nginx's error log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// nginx's number for the level: 3 crit, 4 error, 5 warn, 6 notice, 8 debug.
    pub level: u8,
    /// The text, without a time: nginx writes its own.
    pub text: String,
}

/// Begins to collect what this process logs. Later calls change nothing.
pub(crate) fn install() {
    queue();
    // An error means that a subscriber is already there: ours, from an earlier start in this
    // process.
    drop(tracing::subscriber::set_global_default(Registry::default().with(Queued)));
}

/// Takes at most `max` lines out of the queue, oldest first.
#[must_use]
pub fn drain(max: usize) -> Vec<Line> {
    let queue = queue();
    let lines = queue.lines.lock().unwrap_or_else(PoisonError::into_inner);
    let mut drained: Vec<_> = lines.try_iter().take(max).collect();
    let dropped = queue.dropped.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        let text =
            format!("{dropped} log lines were dropped: they came faster than nginx took them");
        drained.push(Line { level: WARN, text });
    }
    drained
}

struct Queue {
    sender: SyncSender<Line>,
    lines: Mutex<Receiver<Line>>,
    dropped: AtomicU64,
}

fn queue() -> &'static Queue {
    static QUEUE: OnceLock<Queue> = OnceLock::new();
    QUEUE.get_or_init(|| {
        let (sender, lines) = sync_channel(CAPACITY);
        Queue { sender, lines: Mutex::new(lines), dropped: AtomicU64::new(0) }
    })
}

struct Queued;

impl<S: Subscriber> Layer<S> for Queued {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        // Libraries log, too; an operator needs only our lines.
        *metadata.level() <= Level::INFO && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // A line must not end the thread that logs it.
        let line = catch_unwind(AssertUnwindSafe(|| line_of(event)));
        let queue = queue();
        if !line.is_ok_and(|line| queue.sender.try_send(line).is_ok()) {
            queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn line_of(event: &Event<'_>) -> Line {
    let mut text = Text::default();
    event.record(&mut text);
    let text = text.message + &text.fields;
    Line { level: level(*event.metadata().level()), text: on_one_line(&text).into_owned() }
}

fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => ERROR,
        Level::WARN => WARN,
        Level::INFO => NOTICE,
        _ => DEBUG,
    }
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = format!("{value:?}");
        } else {
            self.fields += &format!(", {}: {value:?}", field.name());
        }
    }
}

const ERROR: u8 = 4;
const WARN: u8 = 5;
const NOTICE: u8 = 6;
const DEBUG: u8 = 8;
/// Lines that wait for nginx. A line that finds the queue full is dropped and counted.
const CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    struct Unspeakable;

    impl fmt::Debug for Unspeakable {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("there are no words for it")
        }
    }

    #[test]
    fn a_line_that_cannot_be_said_is_counted_and_harms_nobody() {
        tracing::subscriber::with_default(Registry::default().with(Queued), || {
            tracing::info!("before");
            let why = format_args!("a\u{85}b\x1b[31m\tc");
            tracing::info!(?why, "no line\r\nis begun by a text");
            tracing::warn!(what = ?Unspeakable, "it happened");
        });

        let lines: Vec<_> = drain(10).into_iter().map(|line| line.text).collect();

        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(lines[0], "before");
        assert_eq!(lines[1], "no line  is begun by a text, why: a b [31m c");
        assert!(lines[2].starts_with("1 log lines were dropped"), "{lines:?}");
    }
}
