//! The nodes of this machine: each nginx with this module, found by its board.
//!
//! A board is shared memory that master, workers and carrier have open, so `/proc/<pid>/fd` leads
//! to it, no matter whether nginx answers, whether its engine hangs, and in which container it is.
//! The kernel lets in who may trace that process: root, and the process's own user as long as the
//! process has no rights which that user has not.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;

use rustix::process::geteuid;

use super::words::shown;
use crate::net::{Rights, abstract_listeners, clock};
use crate::status::document::{Clocks, Diagnosis};
use crate::status::layout::LineSlot;
use crate::status::{Board, BoardError, Page, Status};

/// What was found on this machine.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) nodes: Vec<FoundNode>,
    /// Those that are not meant.
    pub(super) others: Vec<FoundNode>,
    /// Nodes whose board this program cannot read.
    pub(super) unreadable: Vec<UnreadableNode>,
}

/// An nginx with a board of another version, say.
#[derive(Debug)]
pub(super) struct UnreadableNode {
    pid: i32,
    problem: String,
    is_in_this_namespace: bool,
}

/// An nginx with this module.
#[derive(Debug)]
pub(super) struct FoundNode {
    board: Board,
    page: Option<PathBuf>,
    /// Where its engine meets others; empty while it has none.
    pub(super) run_dir: String,
    /// The lowest of its processes: its master, as long as that lives.
    pub(super) pid: i32,
    /// All of its processes that have the board.
    pids: Vec<i32>,
    pub(super) is_in_this_namespace: bool,
}

/// Shared memory of one name, and who has it open.
#[derive(Debug, Default)]
struct SharedMemory {
    user: u32,
    /// A path to it for each process.
    paths: BTreeMap<i32, PathBuf>,
}

/// Which node is meant.
#[derive(Clone, Debug, Default)]
pub(super) struct Choice {
    pub(super) run_dir: Option<PathBuf>,
    pub(super) pid: Option<i32>,
}

impl Machine {
    /// Looks for the nodes of this machine.
    pub(super) fn survey() -> Self {
        let [boards, pages] = memories([BOARD, PAGE]);
        let mut machine = Self::default();
        for memory in boards.into_values().filter(SharedMemory::is_trusted) {
            match FoundNode::open(&memory, &pages) {
                Ok(node) => machine.nodes.push(node),
                Err(error) => machine.unreadable.push(UnreadableNode::new(&memory, &error)),
            }
        }
        machine.keep_the_newest();
        machine
    }

    /// Keeps those that are meant: those of this network namespace, unless another one is chosen.
    /// If there are none, those of other namespaces are better than nothing.
    pub(super) fn choose(&mut self, choice: &Choice) {
        let is_meant = |node: &FoundNode| {
            choice.run_dir.as_ref().is_none_or(|it| it.as_path() == Path::new(&node.run_dir))
                && choice.pid.is_none_or(|pid| node.pids.contains(&pid))
        };
        (self.nodes, self.others) = self.nodes.drain(..).partition(is_meant);
        self.unreadable.retain(|node| match choice.pid {
            Some(pid) => node.pid == pid,
            None => node.is_in_this_namespace,
        });
        if choice.pid.is_none() && self.nodes.iter().any(|node| node.is_in_this_namespace) {
            let (here, elsewhere) =
                self.nodes.drain(..).partition(|node| node.is_in_this_namespace);
            self.nodes = here;
            self.others.extend(elsewhere);
        }
    }

    /// Keeps one board of each node. Workers that have yet to end have an earlier one, and so does
    /// the old nginx during an upgrade: all engines of a node meet in one directory.
    fn keep_the_newest(&mut self) {
        self.nodes.sort_by_key(|node| (node.key(), !node.is_superseded(), node.started_ms()));
        let mut newest: Vec<FoundNode> = Vec::new();
        for node in self.nodes.drain(..) {
            match newest.last_mut().filter(|before| before.key() == node.key()) {
                Some(before) => {
                    let mut pids = std::mem::take(&mut before.pids);
                    *before = node;
                    before.pids.append(&mut pids);
                }
                None => newest.push(node),
            }
        }
        self.nodes = newest;
    }
}

impl FoundNode {
    fn open(
        memory: &SharedMemory,
        pages: &BTreeMap<u64, SharedMemory>,
    ) -> Result<Self, BoardError> {
        let mut outcome = Err(BoardError::Foreign);
        for (pid, path) in &memory.paths {
            outcome = Board::open_to_read(path).map(|board| (*pid, board));
            if outcome.is_ok() {
                break;
            }
        }
        let (pid, board) = outcome?;
        let page = pages.get(&board.header().page.load(Relaxed));
        let page = page.and_then(|page| page.paths.values().next().cloned());
        let board = match page.as_ref().map(|path| Page::open_to_read(path)) {
            Some(Ok(page)) => board.beside(page),
            Some(Err(_)) | None => board,
        };
        let run_dir = board.run_dir();
        let pids = memory.paths.keys().copied().collect();
        Ok(Self { board, page, run_dir, pid, pids, is_in_this_namespace: is_here(pid) })
    }

    /// Returns the status of now.
    pub(super) fn status(&self) -> Status {
        Status::of(&self.board, now())
    }

    /// Returns the last lines of its engine, oldest first.
    pub(super) fn lines(&self) -> Vec<LineSlot> {
        self.board.lines()
    }

    /// Returns what the doctor says.
    pub(super) fn diagnosis(&self, now: Clocks) -> Diagnosis {
        Diagnosis::of(&self.board, now.board_ms)
    }

    /// Returns the version of its engine.
    pub(super) fn module(&self) -> String {
        self.status().node.module
    }

    /// Returns the board with a page on which requests can be written.
    ///
    /// # Errors
    ///
    /// When the kernel does not let this user.
    pub(super) fn board_for_requests(self) -> io::Result<Board> {
        let page =
            self.page.ok_or_else(|| io::Error::other("there is no page beside its board"))?;
        Ok(self.board.beside(Page::open(&page)?))
    }

    /// Tells nodes apart. Without an engine there is no directory, but a master.
    fn key(&self) -> (Option<u64>, String) {
        let place =
            if self.run_dir.is_empty() { self.pid.to_string() } else { self.run_dir.clone() };
        (namespace_of(&self.pid.to_string(), "net"), place)
    }

    fn is_superseded(&self) -> bool {
        self.board.is_superseded()
    }

    fn started_ms(&self) -> u64 {
        self.board.header().started_ms.load(Relaxed)
    }
}

impl UnreadableNode {
    fn new(memory: &SharedMemory, error: &BoardError) -> Self {
        let pid = memory.paths.keys().next().copied().unwrap_or_default();
        Self { pid, problem: error.to_string(), is_in_this_namespace: is_here(pid) }
    }
}

impl fmt::Display for UnreadableNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the status of process {} cannot be read: {}", self.pid, self.problem)
    }
}

impl SharedMemory {
    /// Tells whether it may be of an nginx: root has made it, or we, or a process has it that may
    /// change addresses. Anybody can make memory of that name.
    fn is_trusted(&self) -> bool {
        // Anybody has all rights in a user namespace that he has made himself.
        let may = |pid: &i32| {
            let user_namespace = |process: &str| namespace_of(process, "user");
            user_namespace(&pid.to_string()) == user_namespace("self")
                && Rights::NETWORK.are_held_by(*pid).unwrap_or(false)
        };
        self.user == 0 || self.user == geteuid().as_raw() || self.paths.keys().any(may)
    }
}

/// Returns the process and the user of each engine that listens in this network namespace: anybody
/// may know that.
pub(super) fn engines_that_listen() -> Vec<String> {
    let listeners = abstract_listeners(ENGINES).unwrap_or_default();
    let mut engines: Vec<_> = listeners
        .iter()
        .map(|listener| {
            let pid = listener.name.split('.').nth(1).unwrap_or("?");
            let user = listener.user.map(|user| format!(" of user {user}")).unwrap_or_default();
            format!("process {}{user}", shown(pid))
        })
        .collect();
    engines.dedup();
    engines
}

/// Reads both clocks.
pub(super) fn now() -> Clocks {
    Clocks { board_ms: clock::now().as_millis(), wall_ms: clock::wall_ms() }
}

/// Returns the memory of these names that any process has open, by inode. Processes that this user
/// may not look into are left out.
fn memories(names: [&str; 2]) -> [BTreeMap<u64, SharedMemory>; 2] {
    let mut found = [BTreeMap::<u64, SharedMemory>::new(), BTreeMap::new()];
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    for process in processes {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        for path in files.map(|file| file.path()) {
            let Ok(target) = fs::read_link(&path) else { continue };
            let Some(kind) = names.iter().position(|name| Some(*name) == memory_name(&target))
            else {
                continue;
            };
            let Ok(about) = fs::metadata(&path) else { continue };
            let memory = found[kind].entry(about.ino()).or_default();
            memory.user = about.uid();
            memory.paths.entry(pid).or_insert(path);
        }
    }
    found
}

fn is_here(pid: i32) -> bool {
    namespace_of(&pid.to_string(), "net") == namespace_of("self", "net")
}

fn namespace_of(process: &str, kind: &str) -> Option<u64> {
    Some(fs::metadata(format!("/proc/{process}/ns/{kind}")).ok()?.ino())
}

/// Returns the name that shared memory was given, as a memfd or as a file in `/dev/shm`.
fn memory_name(target: &Path) -> Option<&str> {
    let target = target.to_str()?.strip_suffix(" (deleted)")?;
    let in_shm = || Some(target.strip_prefix("/dev/shm/")?.rsplit_once('.')?.0);
    target.strip_prefix("/memfd:").or_else(in_shm)
}

const BOARD: &str = "resty.vrrp";
const PAGE: &str = "resty.vrrp.page";
const ENGINES: &str = "resty-vrrp/";
