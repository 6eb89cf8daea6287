//! A thread that runs before all ordinary ones.

use std::io;

/// Lets the calling thread run as soon as it can, before every thread of ordinary priority.
///
/// Threads and programs that it starts later are ordinary ones.
///
/// # Errors
///
/// When the thread lacks `CAP_SYS_NICE`, or the system gives no time to such threads.
pub fn run_in_real_time() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: 0 is the calling thread, and the parameters live until the call is over.
    done(unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) })
}

/// Keeps the memory that this process has now from being swapped out.
///
/// # Errors
///
/// When the process lacks `CAP_IPC_LOCK` and has more memory than it may lock.
pub fn lock_memory() -> io::Result<()> {
    // SAFETY: the call changes nothing that Rust relies on.
    done(unsafe { libc::mlockall(libc::MCL_CURRENT) })
}

fn done(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Of 1–99: above ordinary threads, below the kernel's own.
const PRIORITY: libc::c_int = 10;
