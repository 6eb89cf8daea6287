//! Keeps processes from system calls that they have no use for (seccomp).

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::io;
use std::mem::offset_of;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter, apply_filter_all_threads, sock_filter,
};

/// Has the kernel change no owner of a file for this process and all that it starts, and say that
/// it has.
///
/// # Errors
///
/// When the kernel has no seccomp.
pub fn keep_owners() -> io::Result<()> {
    let rules = CHANGE_OWNERS.iter().map(|call| (*call, Vec::new())).collect();
    let program = compile(rules, SeccompAction::Allow, SeccompAction::Errno(0))?;
    apply(&program)
}

/// Has the kernel kill every process that binds a socket, becomes a daemon, makes a pair of
/// sockets, or opens a file as nginx does its pid file, all before it starts a worker: this one,
/// and all that it starts from now on.
///
/// # Errors
///
/// When the kernel has no seccomp.
pub fn forbid_serving() -> io::Result<()> {
    use SeccompCmpOp::{Eq, MaskedEq, Ne};

    // Looking up a name binds a netlink socket, whose address is shorter than all others.
    let netlink = size_of::<libc::sockaddr_nl>() as u64;
    // Lua writes files of another mode.
    let bits = |bits: i32| u64::from(bits.unsigned_abs());
    let new = MaskedEq(bits(libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC));
    let flags = bits(libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC);
    let rules = BTreeMap::from([
        (libc::SYS_setsid, Vec::new()),
        (libc::SYS_socketpair, Vec::new()),
        (libc::SYS_bind, vec![rule([(2, Ne, netlink)])?]),
        (libc::SYS_openat, vec![rule([(2, new, flags), (3, Eq, 0o644)])?]),
    ]);
    let program = compile(rules, SeccompAction::Allow, SeccompAction::KillProcess)?;
    apply(&program)
}

/// Puts the calling thread, and all that it starts, behind a filter. `seccomp(2)` is there since
/// Linux 3.17.
fn apply(program: &BpfProgram) -> io::Result<()> {
    if apply_filter(program).is_ok() {
        return Ok(());
    }
    let len = program.len().try_into().map_err(io::Error::other)?;
    let filter = program.as_ptr().cast_mut().cast();
    let program = libc::sock_fprog { len, filter };
    // SAFETY: the kernel reads the program, and neither keeps nor changes it.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) != 0
    };
    if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Returns the rule for a call whose arguments, by their places, all compare so.
fn rule(arguments: impl IntoIterator<Item = (u8, SeccompCmpOp, u64)>) -> io::Result<SeccompRule> {
    let conditions = arguments.into_iter().map(|(place, comparison, value)| {
        SeccompCondition::new(place, SeccompCmpArgLen::Dword, comparison, value)
    });
    let conditions = conditions.collect::<Result<_, _>>();
    conditions.and_then(SeccompRule::new).map_err(io::Error::other)
}

/// Lets all threads of this process make these system calls alone, for good, and gain no rights by
/// executing a program.
///
/// Any other call fails with `EPERM`; one that is newer than this program with `ENOSYS`, as on an
/// older kernel.
///
/// # Errors
///
/// When the kernel has no seccomp, or this kind of machine is not known.
pub fn allow_only(calls: &[c_long]) -> io::Result<()> {
    apply_filter_all_threads(&program_of(calls)?).map_err(io::Error::other)
}

fn program_of(calls: &[c_long]) -> io::Result<BpfProgram> {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let mut program = compile(rules, refused, SeccompAction::Allow)?;
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let first = [
        instruction(LOAD, offset_of!(libc::seccomp_data, nr), 0),
        instruction(JUMP_UNLESS_GREATER, NEWEST, 1),
        instruction(RETURN, u32::from(unknown), 0),
    ];
    program.splice(0..0, first);
    Ok(program)
}

fn compile(
    rules: BTreeMap<c_long, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matching: SeccompAction,
) -> io::Result<BpfProgram> {
    let machine = TargetArch::try_from(ARCH).map_err(io::Error::other)?;
    let filter = SeccompFilter::new(rules, otherwise, matching, machine);
    filter.and_then(BpfProgram::try_from).map_err(io::Error::other)
}

fn instruction(code: u16, operand: impl TryInto<u32>, skipped: u8) -> sock_filter {
    sock_filter { code, jt: 0, jf: skipped, k: operand.try_into().unwrap_or(u32::MAX) }
}

/// The newest call that the library `libc` knows by name. All machines number new calls alike.
const NEWEST: c_long = libc::SYS_mseal;
#[cfg(target_arch = "x86_64")]
const CHANGE_OWNERS: &[c_long] = &[libc::SYS_chown, libc::SYS_fchown, libc::SYS_fchownat];
#[cfg(not(target_arch = "x86_64"))]
const CHANGE_OWNERS: &[c_long] = &[libc::SYS_fchown, libc::SYS_fchownat];
/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;
/// `BPF_JMP | BPF_JGT | BPF_K`.
const JUMP_UNLESS_GREATER: u16 = 0x25;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn what_is_not_listed_is_not_permitted_and_what_is_not_known_is_not_there() {
        let all_but_one: Vec<_> = (0..=NEWEST).filter(|it| *it != libc::SYS_getppid).collect();
        let program = program_of(&all_but_one).unwrap();

        let seen = thread::spawn(move || {
            apply_filter(&program).unwrap();
            [libc::SYS_getpid, libc::SYS_getppid, NEWEST + 1, 0x4000_0000].map(errno_of)
        });

        let refused = [0, libc::EPERM, libc::ENOSYS, libc::ENOSYS];
        assert_eq!(seen.join().unwrap(), refused);
    }

    fn errno_of(call: c_long) -> i32 {
        // SAFETY: none of the calls takes an argument, or gets as far as to look at it.
        let result = unsafe { libc::syscall(call) };
        if result < 0 { io::Error::last_os_error().raw_os_error().unwrap_or(0) } else { 0 }
    }
}
