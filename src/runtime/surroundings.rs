//! The nginx around the engine.

use std::path::PathBuf;

use super::checks::PlannedCheck;
pub use crate::net::spawn::Program;

/// What the engine has to know of its nginx.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The nginx master, whose death is a fault.
    pub master_pid: u32,
    /// The file of the board; its lock marks the engine in charge.
    pub board: PathBuf,
    /// The executable of the guard, which may be missing.
    pub guard: Option<Program>,
    /// The checks besides the workers.
    pub checks: Vec<PlannedCheck>,
}
