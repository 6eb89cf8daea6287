//! Log lines on their way to nginx and to the board: the threads put them into bounded queues and
//! never wait. A timer of the carrier writes them with `ngx.log`; the thread `vrrp` puts them on
//! the board, where they can be read although nginx hangs, and whatever `error_log` leaves out.

use std::collections::BTreeSet;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

use crate::net::clock;
use crate::status::layout::{LineSlot, untext};
use crate::status::{Board, on_one_line};
use crate::types::Instant;

/// One line for nginx's error log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    /// When it was written.
    pub at: Instant,
    /// nginx's number for the level: 3 crit, 4 error, 5 warn, 6 notice, 8 debug.
    pub level: u8,
    /// The text, without a time: nginx writes its own.
    pub text: String,
}

/// Begins to collect what this process logs. Later calls change nothing.
pub(crate) fn install() {
    queues();
    // An error means that a subscriber is already there: ours, from an earlier start in this
    // process.
    drop(tracing::subscriber::set_global_default(Registry::default().with(Queued)));
}

/// Takes at most `max` lines for nginx out of their queue, oldest first.
#[must_use]
pub fn drain(max: usize) -> Vec<Line> {
    let queues = queues();
    let mut drained = queues.for_nginx.take(max);
    let dropped = queues.dropped.swap(0, Ordering::Relaxed);
    if dropped > 0 {
        let text =
            format!("{dropped} log lines were dropped: they came faster than nginx took them");
        drained.push(Line { at: clock::now(), level: WARN, text });
    }
    drained
}

/// Puts the lines since the last time on the board.
pub(super) fn show(board: &mut Board) {
    for Line { at, level, text } in queues().for_the_board.take(CAPACITY) {
        board.put_line(at.as_millis(), level, &text);
    }
}

/// Returns the last lines for the next engine: its board was made before they were written.
pub(super) fn bequeath(board: &mut Board) -> Vec<(Instant, u8, String)> {
    show(board);
    let lines = board.lines();
    let last = &lines[lines.len().saturating_sub(BEQUEATHED)..];
    let bequeathed = |line: &LineSlot| {
        (Instant::from_nanos(line.at_ms * 1_000_000), line.level, untext(&line.text))
    };
    last.iter().map(bequeathed).collect()
}

/// Puts those lines of the engine before on the board that are not there yet. They stand behind
/// later ones of this engine: whoever shows lines sorts them by time.
pub(super) fn inherit(board: &mut Board, lines: &[(Instant, u8, String)]) {
    let known: BTreeSet<_> =
        board.lines().iter().map(|line| (line.at_ms, untext(&line.text))).collect();
    for (at, level, text) in lines {
        if !known.contains(&(at.as_millis(), text.clone())) {
            board.put_line(at.as_millis(), *level, &on_one_line(text));
        }
    }
}

struct Queues {
    for_nginx: LineQueue,
    for_the_board: LineQueue,
    /// Lines that nginx does not get.
    dropped: AtomicU64,
}

fn queues() -> &'static Queues {
    static QUEUES: OnceLock<Queues> = OnceLock::new();
    QUEUES.get_or_init(|| Queues {
        for_nginx: LineQueue::new(),
        for_the_board: LineQueue::new(),
        dropped: AtomicU64::new(0),
    })
}

struct LineQueue {
    sender: SyncSender<Line>,
    lines: Mutex<Receiver<Line>>,
}

impl LineQueue {
    fn new() -> Self {
        let (sender, lines) = sync_channel(CAPACITY);
        Self { sender, lines: Mutex::new(lines) }
    }

    fn take(&self, max: usize) -> Vec<Line> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).try_iter().take(max).collect()
    }
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
        let queues = queues();
        if let Ok(line) = &line {
            queues.for_the_board.sender.try_send(line.clone()).ok();
        }
        if !line.is_ok_and(|line| queues.for_nginx.sender.try_send(line).is_ok()) {
            queues.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn line_of(event: &Event<'_>) -> Line {
    let mut text = Text::default();
    event.record(&mut text);
    let text = text.message + &text.fields;
    let level = level(*event.metadata().level());
    Line { at: clock::now(), level, text: on_one_line(&text).into_owned() }
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
/// Lines that wait for nginx, or for the board. A line that finds the queue full is dropped; those
/// for nginx are counted.
const CAPACITY: usize = 1024;
/// Lines that the next engine is told: those of some seconds.
const BEQUEATHED: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::fixture;

    #[test]
    fn what_the_engine_before_has_written_last_is_put_on_the_board_once() {
        let plan = fixture::plan(Vec::new(), Vec::new());
        let [mut before, mut after] = [(); 2].map(|()| fixture::board(&plan));
        before.put_line(1_000, 6, "line: one");
        after.put_line(1_000, 6, "line: one");
        before.put_line(2_000, 4, "line: two");
        after.put_line(3_000, 6, "line: three");

        let bequeathed = bequeath(&mut before);
        inherit(&mut after, &bequeathed);
        inherit(&mut after, &bequeathed);

        let lines = after.lines().into_iter().map(|line| (line.at_ms, untext(&line.text)));
        // What other tests log meanwhile may be there, too.
        let lines: Vec<_> = lines.filter(|(_, text)| text.starts_with("line: ")).collect();
        let expected = [(1_000, "line: one"), (2_000, "line: two"), (3_000, "line: three")];
        assert_eq!(lines, expected.map(|(at_ms, text)| (at_ms, text.to_owned())));
    }

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
