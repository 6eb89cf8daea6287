//! What the board of an engine shows that has handed over.

use super::{Publisher, reason, show_active, state};
use crate::proto::{Bequests, Phase};
use crate::status::layout;

impl Publisher<'_> {
    /// Shows what the engine says that has the routers now.
    pub(in crate::runtime) fn mirror(&mut self, told: &Bequests) {
        for index in 0..self.board.instances() {
            let Some(mut slot) = self.board.instance(index) else { continue };
            let interface = layout::untext(&slot.interface);
            let bequest = told.routers.iter().find(|bequest| {
                bequest.key.interface.as_str() == interface && bequest.key.vrid.get() == slot.vrid
            });
            let Some(bequest) = bequest else { continue };
            let Some(last) = bequest.history.last() else { continue };
            slot.state = state(last.to);
            slot.since_ms = last.at.as_millis();
            slot.reason = reason(last.reason);
            slot.transitions = bequest.transitions;
            slot.effective_priority = bequest.effective_priority.get();
            match bequest.phase {
                Phase::Backup(backup) => show_active(&mut slot, backup.active),
                // It was us before, so it is still our address that is shown.
                Phase::Active { .. } | Phase::Leaving(_) if slot.active_is_self != 0 => {}
                Phase::Initialize { .. } | Phase::Active { .. } | Phase::Leaving(_) => {
                    show_active(&mut slot, None);
                }
            }
            self.board.publish(index, &slot);
            for address in slot.first_address..slot.first_address + slot.addresses {
                self.board.set_assigned(address as usize, bequest.phase.holds(), false);
            }
        }
        self.board.set_draining(told.draining);
    }
}
