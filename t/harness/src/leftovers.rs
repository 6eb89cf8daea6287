//! Whatever happens, nothing stays: after a test, a panic, Ctrl-C, and after runs that were killed.
//!
//! A lab owns one prefix `rv<pid>-<n>`: a directory of that name for files, and network namespaces
//! whose names begin with it. All that runs inside these namespaces was started by the lab. So the
//! prefix alone is enough to take everything away.

use std::fs::{File, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, Once, OnceLock, PoisonError};
use std::time::Duration;
use std::{env, fs, panic, process, thread};

use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::{Uid, pipe2};

use crate::namespace::{names_with, pids_inside};
use crate::process::{is_alive, signal, try_run};

/// Takes a new prefix, and sees to it that it goes away with the process.
pub(crate) fn new_prefix() -> String {
    static FIRST: Once = Once::new();
    static NEXT: AtomicU32 = AtomicU32::new(1);

    FIRST.call_once(|| {
        sweep();
        erase_on_signals();
    });
    let prefix = format!("rv{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let place = directory(&prefix);
    fs::create_dir(&place).expect("the system's temporary directory is writable");
    // Workers are other users.
    fs::set_permissions(&place, Permissions::from_mode(0o755)).expect("it is ours");
    live().push(prefix.clone());
    prefix
}

/// Returns the directory of a prefix.
pub(crate) fn directory(prefix: &str) -> PathBuf {
    env::temp_dir().join(prefix)
}

/// Ends every process of a prefix and removes its namespaces and files.
pub(crate) fn erase(prefix: &str) {
    let _alone = ERASING.lock().unwrap_or_else(PoisonError::into_inner);
    erase_alone(prefix);
}

/// Tells whether a signal is ending all this: what fails now is not worth a word.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

fn erase_alone(prefix: &str) {
    for name in names_with(&format!("{prefix}-")) {
        end_all(&name);
        if let Err(problem) = try_run(Command::new("ip").args(["netns", "delete", &name])) {
            eprintln!("{problem}");
        }
    }
    fs::remove_dir_all(directory(prefix)).ok();
    live().retain(|other| other != prefix);
}

/// Kills until nobody is left: a process may fork while its parent is being killed.
pub(crate) fn end_all(namespace: &str) {
    for _ in 0..ROUNDS {
        let pids = pids_inside(namespace);
        if pids.is_empty() {
            return;
        }
        for pid in pids {
            signal(pid, Signal::SIGKILL);
        }
        thread::sleep(Duration::from_millis(2));
    }
    eprintln!("processes in namespace {namespace} do not end");
}

/// Erases what runs that were killed outright have left.
fn sweep() {
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let ours = entry.metadata().is_ok_and(|is| is.uid() == Uid::effective().as_raw());
        if ours && owner(&name).is_some_and(|pid| !is_alive(pid)) {
            erase(&name);
        }
    }
}

/// Returns the process that a prefix belongs to, if it is a prefix.
fn owner(name: &str) -> Option<i32> {
    let (pid, number) = name.strip_prefix("rv")?.split_once('-')?;
    number.parse::<u32>().ok()?;
    pid.parse().ok()
}

fn erase_on_signals() {
    let (receiver, sender) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
    SIGNALS.get_or_init(|| File::from(sender));
    let action = SigAction::new(SigHandler::Handler(pass_on), SaFlags::SA_RESTART, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler sets a flag and writes one byte to a pipe, which a handler may.
        unsafe { sigaction(signal, &action) }.expect("these signals can be caught");
    }
    thread::spawn(move || {
        let mut number = [0];
        if File::from(receiver).read_exact(&mut number).is_ok() {
            end_by(number[0]);
        }
    });
}

extern "C" fn pass_on(number: i32) {
    INTERRUPTED.store(true, Ordering::Relaxed);
    if let (Some(mut sender), Ok(number)) = (SIGNALS.get(), u8::try_from(number)) {
        sender.write_all(&[number]).ok();
    }
}

/// Erases everything and dies of the signal, as if it had not been caught.
fn end_by(number: u8) {
    // Whoever else wants to clean up, or to complain, waits for the end that comes now.
    let _alone = ERASING.lock().unwrap_or_else(PoisonError::into_inner);
    panic::set_hook(Box::new(|_| {}));
    let prefixes = live().clone();
    for prefix in &prefixes {
        erase_alone(prefix);
    }
    let number = Signal::try_from(i32::from(number)).expect("it was a signal");
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: the default action is no code of ours.
    unsafe { sigaction(number, &default) }.expect("the signal can be let through");
    raise(number).expect("a process may signal itself");
}

fn live() -> std::sync::MutexGuard<'static, Vec<String>> {
    static LIVE: Mutex<Vec<String>> = Mutex::new(Vec::new());
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

static ERASING: Mutex<()> = Mutex::new(());
static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static SIGNALS: OnceLock<File> = OnceLock::new();

const ROUNDS: usize = 500;
