//! Guards: one process for each run of an engine, as `guard::watch` describes it.

use std::time::Duration;

use resty_vrrp::types::Instant;

use super::engine::LifeModel;
use super::world::{EngineIndex, Happening, World};
use crate::setup::ms;

/// As `worker_timeout_ms`, or as long as peers wait, and one check.
const PATIENCE: Duration = Duration::from_millis(341 + 100);
/// As long as peers wait.
const ACTIVE_DOWN_INTERVAL: Duration = Duration::from_millis(341);

impl World {
    /// Has the guard of an engine look whether it still beats.
    pub(super) fn guard_looks(&mut self, engine: EngineIndex, run: u32) {
        let now = self.now;
        let it = &mut self.engines[engine];
        if it.run != run || it.guard.has_gone || !it.is_alive() {
            return;
        }
        self.schedule(ms(100), Happening::GuardLook { engine, run });
        let it = &mut self.engines[engine];
        let last_look = it.guard.looked_at.replace(now);
        if last_look.is_none_or(|at| now.since(at) > ms(250)) {
            it.guard.awake_since = Some(now);
        }
        let board = &self.boards[it.board];
        let Some(beat_at) = board.beat_at.filter(|_| !it.guard.claims.is_empty()) else { return };
        let awake_since = it.guard.awake_since.unwrap_or(now);
        if now.since(beat_at.max(awake_since)) < PATIENCE {
            return;
        }
        if self.door_is_anothers(engine) {
            self.engines[engine].guard.has_gone = true;
        } else if !self.boards[self.engines[engine].board].is_withdrawn {
            let silence = now.since(beat_at);
            self.withdraw(engine, silence);
        }
    }

    /// Has the guard of an engine that died see whether nginx has started another one.
    pub(super) fn guard_waits(&mut self, engine: EngineIndex, run: u32, since: Instant) {
        let it = &self.engines[engine];
        if it.run != run || it.guard.has_gone || it.guard.claims.is_empty() {
            return;
        }
        let answers = self.door.is_some_and(|(id, owner)| {
            let owner = &self.engines[owner];
            Some(id) != it.guard.door && owner.is_alive() && owner.door == Some(id)
        });
        if answers {
            return self.engines[engine].guard.has_gone = true;
        }
        let is_over = self.now.since(since) >= ACTIVE_DOWN_INTERVAL;
        let master_is_dead = !self.masters[it.master].is_alive;
        let is_locked = self.engines.iter().any(|other| {
            other.board == it.board && other.is_alive() && other.life != LifeModel::Failed
        });
        if (master_is_dead || is_over) && !is_locked {
            self.engines[engine].guard.has_gone = true;
            return self.withdraw(engine, Duration::ZERO);
        }
        if !is_over {
            self.schedule(ms(2), Happening::GuardWait { engine, run, since });
        }
    }

    fn door_is_anothers(&self, engine: EngineIndex) -> bool {
        let (found, own) = (self.door.map(|(id, _)| id), self.engines[engine].guard.door);
        match own {
            Some(_) => found.is_some() && found != own,
            None => self.boards[self.engines[engine].board].is_superseded,
        }
    }

    /// Resigns for what an engine holds, and removes the addresses.
    fn withdraw(&mut self, engine: EngineIndex, silence: Duration) {
        self.trace(|| format!("the guard of engine {engine} withdraws what it holds"));
        let board = self.engines[engine].board;
        self.boards[board].is_withdrawn = true;
        for vrid in std::mem::take(&mut self.engines[engine].guard.claims) {
            if silence < ACTIVE_DOWN_INTERVAL {
                self.resign_for(engine, vrid);
            }
            if self.addresses.contains(&vrid) {
                self.remove_address(vrid, &format!("the guard of engine {engine}"), None);
            }
        }
    }
}
