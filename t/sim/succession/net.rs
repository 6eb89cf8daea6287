//! `vrrp-net` of each engine, and the addresses that the kernel has.

use std::collections::BTreeSet;

use super::engine::{LifeModel, NetModel};
use super::world::{EngineIndex, Happening, LoopEvent, World};
use crate::setup::us;

impl World {
    pub(super) fn wake_net(&mut self, engine: EngineIndex) {
        let it = &mut self.engines[engine];
        if !it.net.is_due && !it.net.has_ended {
            it.net.is_due = true;
            let run = it.run;
            let delay = us(50) + self.rng.up_to(self.weather.net_delay);
            self.schedule(delay, Happening::NetTurn { engine, run });
        }
    }

    pub(super) fn net_turn(&mut self, engine: EngineIndex, run: u32) {
        let it = &mut self.engines[engine];
        if it.run != run || it.life != LifeModel::Running || it.net.has_ended {
            return;
        }
        it.net.is_due = false;
        if it.net.is_abandoned {
            self.net_lets_go(engine);
            return self.post(us(20), engine, LoopEvent::LetGo);
        }
        let configured: BTreeSet<u8> = it.conf.iter().map(|conf| conf.vrid.get()).collect();
        let NetModel { claims, owned, inherited, .. } = &mut it.net;
        owned.retain(|vrid| self.addresses.contains(vrid) || claims.contains(vrid));
        let adopted: Vec<u8> = claims.intersection(&self.addresses).copied().collect();
        owned.extend(adopted);
        let mut unwanted: BTreeSet<u8> = owned.difference(claims).copied().collect();
        if let Some(inherited) = inherited.take() {
            // What is configured here bears our tag.
            unwanted.extend(inherited.union(&configured).filter(|vrid| !claims.contains(vrid)));
        }
        unwanted.retain(|vrid| self.addresses.contains(vrid));
        let missing: Vec<u8> = claims.difference(&self.addresses).copied().collect();
        for vrid in unwanted {
            self.remove_address(vrid, &format!("engine {engine}"), Some(engine));
        }
        for vrid in missing {
            self.trace(|| format!("engine {engine} adds the address of {vrid}"));
            self.addresses.insert(vrid);
            self.engines[engine].net.owned.insert(vrid);
            self.table_changed();
        }
        let it = &mut self.engines[engine];
        it.net.released.clear();
        it.net.owned.retain(|vrid| self.addresses.contains(vrid));
        let held = &it.net.owned | &it.net.claims;
        it.guard.claims.retain(|vrid| held.contains(vrid));
    }

    /// Removes what was released last; what is claimed is another engine's now.
    pub(super) fn net_lets_go(&mut self, engine: EngineIndex) {
        let net = &mut self.engines[engine].net;
        if net.is_abandoned && !std::mem::replace(&mut net.has_ended, true) {
            let released = &net.owned - &net.claims;
            for vrid in released.intersection(&self.addresses.clone()) {
                self.remove_address(*vrid, &format!("engine {engine}"), Some(engine));
            }
        }
    }

    /// Releases what a loop that ends has put on the link.
    pub(super) fn net_releases(&mut self, engine: EngineIndex) {
        if !self.engines[engine].net.is_abandoned {
            let owned = std::mem::take(&mut self.engines[engine].net.owned);
            for vrid in
                owned.into_iter().filter(|vrid| self.addresses.contains(vrid)).collect::<Vec<_>>()
            {
                self.remove_address(vrid, &format!("engine {engine}"), Some(engine));
            }
        }
        self.engines[engine].net.has_ended = true;
        self.engines[engine].net.claims.clear();
    }

    pub(super) fn remove_address(&mut self, vrid: u8, by: &str, engine: Option<EngineIndex>) {
        self.trace(|| format!("{by} removes the address of {vrid}"));
        self.judge_removal(vrid, by, engine);
        self.addresses.remove(&vrid);
        self.table_changed();
    }

    /// Wakes every `vrrp-net`: the kernel tells them all.
    fn table_changed(&mut self) {
        for engine in 0..self.engines.len() {
            if self.engines[engine].is_alive() {
                self.wake_net(engine);
            }
        }
    }
}
