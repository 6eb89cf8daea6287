//! What goes over the wire: golden packets, every way to damage them, and the receive ladder.

mod damage;
mod goldens;
mod ladder;
mod roundtrip;
mod vectors;
