//! Tests that may run side by side.
//!
//! They wait until something is so, and look at what is said. A test that measures how long
//! something takes, or that nothing is missing meanwhile, does not belong here: it runs alone.

mod addresses;
mod agreement;
pub(crate) mod checks;
mod counters;
mod events;
mod foreign;
mod health;
mod installation;
mod interfaces;
mod layout;
mod life;
mod pages;
mod reach;
mod realtime;
pub(crate) mod refusals;
mod rights;
mod track;
mod unit;
mod units;
mod verdicts;
mod weight;
