//! The claims that a guard keeps of its engine, and gives to the next one.
//!
//! The board outlives an engine, too, but workers may have written on it. A guard has its claims
//! from its engine alone. So the next engine asks the guard which routers were Active and which
//! addresses were held, and takes from the board only what an attacker gains nothing by forging.
//!
//! The guard answers at a socket beside the door of its engine, from the moment that the engine has
//! the routers until the guard withdraws them, or ends.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::door::DoorId;
use super::order::{Claim, Order};
use crate::net::{clock, local};

/// The present claims of an engine, as they were received.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<u32, Vec<u8>>>>);

/// Gives the claims to each engine that asks, until dropped.
#[derive(Debug)]
pub(super) struct Telling {
    path: PathBuf,
    id: DoorId,
    task: JoinHandle<()>,
}

impl Memory {
    /// Keeps the claim of a router.
    pub(super) fn note(&self, router: u32, claim: &[u8]) {
        self.claims().insert(router, claim.to_owned());
    }

    /// Forgets the claim of a router that was released.
    pub(super) fn forget(&self, router: u32) {
        self.claims().remove(&router);
    }

    /// Forgets everything: the guard is about to withdraw it.
    pub(super) fn clear(&self) {
        self.claims().clear();
    }

    /// Begins to answer, at a socket beside a door. Must be called within a tokio runtime.
    pub(super) fn tell_beside(&self, door: &Path) -> io::Result<Telling> {
        let path = beside(door);
        let (socket, id) = local::listen(&path, DoorId::at)?;
        let task = tokio::spawn(tell(self.clone(), socket));
        Ok(Telling { path, id, task })
    }

    /// Returns the claims, each behind its length.
    fn written(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for claim in self.claims().values() {
            let length = u32::try_from(claim.len()).unwrap_or(u32::MAX);
            all.extend(length.to_be_bytes());
            all.extend(claim);
        }
        all
    }

    fn claims(&self) -> MutexGuard<'_, BTreeMap<u32, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.task.abort();
        self.id.remove_from(&self.path);
    }
}

async fn tell(memory: Memory, socket: UnixListener) {
    loop {
        let Ok((mut stream, _)) = socket.accept().await else {
            // No descriptor or no memory is free, say. An engine that asks waits for a moment.
            sleep(PAUSE).await;
            continue;
        };
        let all = memory.written();
        // One after the other: an engine that reads slowly gets less.
        drop(timeout(PATIENCE, stream.write_all(&all)).await);
    }
}

/// Asks the guard of the predecessor what that engine holds. There is no answer if that engine
/// ended as planned, had no guard, or its routers were withdrawn.
#[must_use]
pub fn recall(door: &Path) -> Vec<Claim> {
    try_recall(&beside(door)).map(|all| claims_of(&all)).unwrap_or_default()
}

fn try_recall(path: &Path) -> io::Result<Vec<u8>> {
    let deadline = clock::now() + PATIENCE;
    let mut stream = local::connect(path)?;
    local::check_peer(&stream)?;
    stream.set_nonblocking(false)?;
    let (mut all, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match local::read_until(&mut stream, &mut chunk, deadline)? {
            0 => return Ok(all),
            length if all.len() < LONGEST_ANSWER && clock::now() < deadline => {
                all.extend_from_slice(&chunk[..length]);
            }
            _ => return Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// Reads what [`Memory::written`] has written, as far as it can be parsed.
fn claims_of(mut written: &[u8]) -> Vec<Claim> {
    let mut claims = Vec::new();
    while let Some((length, rest)) = written.split_first_chunk::<4>() {
        let Some((order, rest)) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)
        else {
            break;
        };
        if let Some(Order::Claim { claim, .. }) = Order::parse(order) {
            claims.push(claim);
        }
        written = rest;
    }
    claims
}

fn beside(door: &Path) -> PathBuf {
    door.with_extension("guard")
}

/// A guard has nothing else to do, and answers in a fraction of a millisecond. Peers that
/// advertise every 10 ms wait for 30 ms.
const PATIENCE: Duration = Duration::from_millis(25);
const PAUSE: Duration = Duration::from_millis(10);
/// Much more than the claims of [`MAX_INSTANCES`](crate::config::MAX_INSTANCES) routers.
const LONGEST_ANSWER: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::order::tests::{claim, written};

    #[tokio::test]
    async fn the_next_engine_hears_what_was_claimed_and_neither_released_nor_withdrawn() {
        let door = std::env::temp_dir().join(format!("vrrp-memory-{}.sock", std::process::id()));
        let memory = Memory::default();
        let Order::Claim { claim: one, .. } = claim() else { panic!("it is a claim") };
        assert_eq!(recalled(&door).await, []);
        let telling = memory.tell_beside(&door).unwrap();

        memory.note(7, &written(&claim()));
        memory.note(8, &written(&claim()));
        assert_eq!(recalled(&door).await, [one.clone(), one.clone()]);
        memory.forget(8);
        assert_eq!(recalled(&door).await, [one]);
        memory.clear();
        assert_eq!(recalled(&door).await, []);

        drop(telling);
        assert!(!beside(&door).exists());
    }

    async fn recalled(door: &Path) -> Vec<Claim> {
        let door = door.to_owned();
        tokio::task::spawn_blocking(move || recall(&door)).await.unwrap()
    }

    #[test]
    fn an_answer_that_is_cut_off_or_nonsense_is_taken_as_far_as_it_makes_sense() {
        let memory = Memory::default();
        memory.note(7, &written(&claim()));
        memory.note(8, b"nonsense");
        let whole = memory.written();

        assert_eq!(claims_of(&whole).len(), 1);
        assert_eq!(claims_of(&whole[..whole.len() - 1]).len(), 1);
        assert_eq!(claims_of(&whole[..20]), []);
        assert_eq!(claims_of(b"\xff\xff\xff\xff"), []);
    }
}
