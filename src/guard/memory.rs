//! What a guard remembers of its engine, and tells the next one.
//!
//! The board outlives an engine, too, but workers may have written on it. A guard knows what it has
//! from its engine alone. So the next engine asks the guard which routers were Active and which
//! addresses were held, and takes from the board only what nobody gains by a lie.
//!
//! The guard answers at a socket beside the door of its engine, from the moment that this one has
//! the routers until it withdraws them, or ends.

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

/// The claims of an engine that stand, as it wrote them down.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<u32, Vec<u8>>>>);

/// Tells what is in a memory to whoever may ask, until dropped.
#[derive(Debug)]
pub(super) struct Telling {
    path: PathBuf,
    id: DoorId,
    task: JoinHandle<()>,
}

impl Memory {
    /// Remembers the claim of a router.
    pub(super) fn note(&self, router: u32, claim: &[u8]) {
        self.claims().insert(router, claim.to_owned());
    }

    /// Forgets the claim of a router that was released.
    pub(super) fn forget(&self, router: u32) {
        self.claims().remove(&router);
    }

    /// Forgets everything: it is about to be withdrawn.
    pub(super) fn clear(&self) {
        self.claims().clear();
    }

    /// Begins to tell, beside a door. Must be called within a tokio runtime.
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
            // There is no descriptor or no memory left, say. Whoever asks has a moment's patience.
            sleep(PAUSE).await;
            continue;
        };
        let all = memory.written();
        // One after the other: whoever is slow to listen hears less.
        drop(timeout(PATIENCE, stream.write_all(&all)).await);
    }
}

/// Asks the guard of the engine before this one what that engine holds. Nobody answers where that
/// engine ended as planned, had no guard, or what it held was withdrawn.
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

/// Reads what [`Memory::written`] has written, as far as it makes sense.
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
/// Far more than the claims of [`MAX_INSTANCES`](crate::config::MAX_INSTANCES) routers.
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
