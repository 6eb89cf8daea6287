//! Whether the engine runs, as a reader of the board finds out. `lua/resty/vrrp/board.lua` finds
//! out the same for nginx's workers.

use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use super::Board;
use crate::status::EngineState;
use crate::status::layout::{carrier, untext};

/// Whether the engine runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EngineSight {
    /// It beats.
    Runs,
    /// It has yet to start.
    Awaited(String),
    /// It does not run: why not.
    Down(String),
}

impl EngineSight {
    /// Returns why the engine does not run.
    #[must_use]
    pub fn problem(&self) -> Option<&str> {
        match self {
            Self::Runs => None,
            Self::Awaited(why) | Self::Down(why) => Some(why),
        }
    }
}

impl Board {
    /// Tells whether the engine runs at a time of the board.
    #[must_use]
    pub fn engine(&self, now_ms: u64) -> EngineSight {
        let header = self.header();
        let down = |why: &str| EngineSight::Down(why.to_owned());
        match header.engine_state.load(Acquire) {
            state if state == EngineState::Running as u32 => self.running_engine(now_ms),
            state if state == EngineState::Failed as u32 => EngineSight::Down(owned(&header.error)),
            state if state == EngineState::Starting as u32 => {
                EngineSight::Awaited("it is starting".to_owned())
            }
            state if state == EngineState::Stopped as u32 => down("it was stopped"),
            _ => self.missing_carrier().map_or_else(
                || EngineSight::Awaited("it was not started: is init_worker() called?".to_owned()),
                EngineSight::Down,
            ),
        }
    }

    fn running_engine(&self, now_ms: u64) -> EngineSight {
        let beat = self.last_beat();
        if beat.is_some_and(super::Beat::is_withdrawn) {
            return EngineSight::Down(
                "it hung, and its guard has removed the addresses".to_owned(),
            );
        }
        let age_ms = now_ms.saturating_sub(beat.map_or(0, |beat| beat.at().as_millis()));
        if age_ms <= ENGINE_TIMEOUT_MS {
            return EngineSight::Runs;
        }
        let silent = || format!("no sign of life for {age_ms} ms");
        EngineSight::Down(self.missing_carrier().unwrap_or_else(silent))
    }

    /// Returns what is wrong if workers have begun, but the carrier has not.
    fn missing_carrier(&self) -> Option<String> {
        let header = self.header();
        if header.carrier_beat_ms.load(Relaxed) != 0 || self.user_of_workers().is_none() {
            return None;
        }
        let name = match header.carrier.load(Relaxed) {
            carrier::AGENT => "the privileged agent, where ngx.worker.id() is nil",
            _ => "worker 0",
        };
        Some(format!(
            "init_worker() was not called yet in {name}: if an error has ended init_worker_by_lua \
             before it, the error log says which"
        ))
    }
}

/// Returns what a text of the header says.
pub(in crate::status) fn owned(field: &[AtomicU8]) -> String {
    let octets: Vec<_> = field.iter().map(|octet| octet.load(Relaxed)).collect();
    untext(&octets)
}

/// An engine without a beat for so long is dead or hung. It beats ten times as often.
const ENGINE_TIMEOUT_MS: u64 = 1000;
