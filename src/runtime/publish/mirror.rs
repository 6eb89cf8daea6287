//! What the board of an engine shows that has handed over.

use super::Publisher;
use crate::proto::Bequests;
use crate::runtime::words::{bequest_to_board, key_from_board};

impl Publisher<'_> {
    /// Shows what the engine says that has the routers now.
    pub(in crate::runtime) fn mirror(&mut self, told: &Bequests) {
        for (index, places) in self.places.iter().enumerate() {
            let Some(mut slot) = self.board.instance(index) else { continue };
            let key = key_from_board(&slot);
            let bequest = told.routers.iter().find(|bequest| Some(&bequest.key) == key.as_ref());
            let Some(bequest) = bequest.filter(|it| !it.history.is_empty()) else { continue };
            bequest_to_board(bequest, &mut slot);
            self.board.publish(index, &slot);
            for address in places.clone() {
                self.board.set_assigned(address, bequest.phase.holds(), false);
            }
        }
        self.board.set_draining(told.draining);
    }
}
