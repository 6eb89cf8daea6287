//! Tests that may run side by side.
//!
//! They wait until something is so, and look at what is said. A test that measures how long
//! something takes, or that nothing is missing meanwhile, does not belong here.

mod accept;
mod addresses;
mod agreement;
pub(crate) mod checked;
pub(crate) mod checks;
mod command_line;
mod counters;
mod crashes;
mod doctor;
mod events;
mod foreign;
mod gate;
mod getting_started;
mod guard;
mod health;
mod host;
mod hostile;
mod installation;
mod interfaces;
mod ipv6;
mod layout;
mod levels;
mod life;
mod listeners;
mod log;
mod metrics;
mod migration;
mod monitoring;
mod neighbours;
mod page;
mod pages;
mod places;
mod reach;
mod realtime;
mod refusals;
mod requests;
mod rights;
mod track;
pub(crate) mod unit;
mod units;
mod verdicts;
mod weight;
