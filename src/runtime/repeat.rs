//! A check that the engine makes itself, again and again.

use std::convert::Infallible;

use tokio::time::{MissedTickBehavior, interval, timeout};

use super::checks::{self, Check, PlannedCheck, Verdicts};
use super::failpoint::failpoint;
use crate::config::Timing;

/// Makes the check for ever, and tells each change of the verdict; only a failure of its own ends
/// it. `ask` asks `whom` once, and says what is wrong.
pub(super) async fn repeat<F>(
    planned: PlannedCheck,
    whom: &str,
    timing: Timing,
    verdicts: Verdicts,
    ask: impl Fn() -> F,
) -> Result<Infallible, String>
where
    F: Future<Output = Result<(), String>>,
{
    let PlannedCheck { name, weight, .. } = planned;
    let mut tick = interval(timing.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let before = verdicts.borrow().iter().find(|check| check.name == name).map(|check| check.ok);
    let mut verdict = Verdict { ok: before, streak: 0 };
    loop {
        tick.tick().await;
        failpoint("probe")?;
        let late = format!("no answer within {:?}", timing.timeout);
        let answer = timeout(timing.timeout, ask()).await.unwrap_or(Err(late));
        if verdict.turns(answer.is_ok(), timing.fall, timing.rise) {
            let ok = answer.is_ok();
            let wrong = answer.err().map(|wrong| format!("{whom}: {wrong}"));
            let detail = wrong.unwrap_or_default();
            if ok {
                tracing::info!("check {name} is well");
            } else {
                tracing::warn!("check {name} fails: {detail}");
            }
            checks::tell(&verdicts, Check { name: name.clone(), ok, weight, detail });
        }
    }
}

/// What single answers add up to.
#[derive(Debug, Default)]
struct Verdict {
    ok: Option<bool>,
    /// Answers in a row that say otherwise.
    streak: u8,
}

impl Verdict {
    /// Tells whether the verdict turns with this answer. The first one ever counts at once.
    fn turns(&mut self, ok: bool, fall: u8, rise: u8) -> bool {
        if self.ok == Some(ok) {
            self.streak = 0;
            return false;
        }
        self.streak += 1;
        let needed = if ok { rise } else { fall };
        if self.ok.is_some() && self.streak < needed {
            return false;
        }
        *self = Self { ok: Some(ok), streak: 0 };
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_takes_answers_in_a_row_but_for_the_first() {
        let mut verdict = Verdict::default();

        let turned =
            [true, false, true, false, false, true, true, true].map(|ok| verdict.turns(ok, 2, 3));

        assert_eq!(turned, [true, false, false, false, true, false, false, true]);
    }
}
