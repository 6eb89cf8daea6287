//! The documents say what the code says. Fast, and without root.

mod commands;
mod conformance;
mod links;
mod markdown;
mod names;
mod options;
