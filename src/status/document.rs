//! The status as a document: what `GET …/status` answers, for those who read the board themselves.
//! `lua/resty/vrrp/status.lua` makes the same for nginx's workers, and a test compares the two.

mod diagnosis;
mod slots;
mod time;

use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

pub use self::diagnosis::{Diagnosis, FindingStatus, FindingVerdict};
pub use self::slots::{
    ActiveStatus, AddressStatus, CheckStatus, CounterStatus, ErrorStatus, InstanceStatus,
    PeerStatus, TransitionStatus, WarningStatus,
};
pub use self::time::{Clocks, WallTime};
use super::board::{EngineSight, owned};
use super::layout::{NODE, carrier};
use super::{Beat, Board};
use crate::types::Instant;

/// The status of a node and of its virtual routers.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Of the document. It changes when a name or a meaning changes.
    pub version: u8,
    /// Whether the engine ran at that time: all members depend on that.
    #[serde(skip)]
    pub engine: EngineSight,
    /// The node.
    pub node: NodeStatus,
    /// Its virtual routers, in the order of the configuration.
    pub instances: Vec<InstanceStatus>,
}

/// The status of a node. The members mean what `lua/README.md` says.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
#[expect(clippy::struct_excessive_bools, reason = "the members of the document")]
pub struct NodeStatus {
    pub router_id: String,
    pub module: String,
    pub nginx: String,
    pub carrier: Option<&'static str>,
    pub pid: Option<i32>,
    pub master_pid: i32,
    pub generation: u32,
    pub started: Option<WallTime>,
    pub now: WallTime,
    pub heartbeat_age_ms: Option<i64>,
    pub healthy: bool,
    pub draining: bool,
    pub control: bool,
    pub workers: WorkerStatus,
    pub board_locked: bool,
    pub warnings: Vec<WarningStatus>,
}

/// How many workers there are, and how many of them live.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct WorkerStatus {
    pub total: u32,
    pub alive: u32,
}

impl Status {
    /// Reads a board at this time.
    #[must_use]
    pub fn of(board: &Board, clocks: Clocks) -> Self {
        // Looked at once for the whole status: the engine may start meanwhile.
        let engine = board.engine(clocks.board_ms);
        let down = engine.problem().map(WarningStatus::engine_down);
        let warnings: Vec<_> = match &down {
            Some(_) => Vec::new(),
            None => board.warnings().collect(),
        };
        let about = |place: u32| match &down {
            Some(down) => vec![down.clone()],
            None => warnings
                .iter()
                .filter(|slot| slot.instance == place)
                .map(|slot| WarningStatus::of(slot, clocks))
                .collect(),
        };
        let instances = (0..board.instances()).map(|index| {
            let warnings = about(u32::try_from(index).unwrap_or(NODE));
            InstanceStatus::of(board, index, &engine, warnings, clocks)
        });
        Self {
            version: VERSION,
            node: NodeStatus::of(board, &engine, about(NODE), clocks),
            instances: instances.collect(),
            engine,
        }
    }
}

impl NodeStatus {
    fn of(
        board: &Board,
        engine: &EngineSight,
        warnings: Vec<WarningStatus>,
        clocks: Clocks,
    ) -> Self {
        let header = board.header();
        let now = Instant::from_nanos(clocks.board_ms.saturating_mul(1_000_000));
        let workers = board.workers(now, board.worker_timeout());
        let beat_ms = board.last_beat().map_or(0, |beat: Beat| beat.at().as_millis());
        Self {
            router_id: owned(&header.router_id),
            module: owned(&header.module),
            nginx: owned(&header.nginx),
            carrier: match header.carrier.load(Relaxed) {
                carrier::AGENT => Some("privileged agent"),
                carrier::WORKER => Some("worker"),
                _ => None,
            },
            pid: Some(header.carrier_pid.load(Relaxed)).filter(|pid| *pid > 0),
            master_pid: header.master_pid.load(Relaxed),
            generation: header.generation.load(Relaxed),
            started: clocks.wall_time(header.started_ms.load(Relaxed)),
            now: clocks.now(),
            heartbeat_age_ms: clocks.age_ms(beat_ms),
            healthy: *engine == EngineSight::Runs && header.healthy.load(Relaxed) == 1,
            draining: board.is_draining(),
            control: header.control.load(Relaxed) == 1,
            workers: WorkerStatus { total: workers.total, alive: workers.alive },
            board_locked: board.is_locked(),
            warnings,
        }
    }
}

/// Version of the document.
const VERSION: u8 = 1;
