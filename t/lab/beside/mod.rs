//! Tests that may run side by side: they wait until something is so, and measure nothing.

mod mute;
mod unheard;
