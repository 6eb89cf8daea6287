//! Keeps programs that this process starts from serving anybody.

use std::io;
use std::mem::offset_of;

/// Has the kernel kill every process that binds a socket, becomes a daemon, or makes a pair of
/// sockets, as nginx does before it starts a worker: this one, and all that it starts from now on.
///
/// # Errors
///
/// When the kernel has no seccomp.
pub fn forbid_serving() -> io::Result<()> {
    let mut filter = [
        instruction(LOAD, offset_of!(libc::seccomp_data, nr), 0, 0),
        instruction(JUMP_IF_EQUAL, libc::SYS_setsid, 5, 0),
        instruction(JUMP_IF_EQUAL, libc::SYS_socketpair, 4, 0),
        instruction(JUMP_IF_EQUAL, libc::SYS_bind, 0, 2),
        // Looking up a name binds a netlink socket, whose address is shorter than all others.
        instruction(LOAD, offset_of!(libc::seccomp_data, args) + LENGTH_OF_ADDRESS, 0, 0),
        instruction(JUMP_IF_EQUAL, size_of::<libc::sockaddr_nl>(), 0, 1),
        instruction(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0),
        instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0),
    ];
    let len = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its instructions live until both calls are over.
    let result = unsafe {
        // Without that, only root may have a filter.
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn instruction(
    code: u16,
    operand: impl TryInto<u32>,
    skipped_if_equal: u8,
    skipped_otherwise: u8,
) -> libc::sock_filter {
    let k = operand.try_into().unwrap_or(u32::MAX);
    libc::sock_filter { code, jt: skipped_if_equal, jf: skipped_otherwise, k }
}

/// `BPF_LD | BPF_W | BPF_ABS`.
const LOAD: u16 = 0x20;
/// `BPF_JMP | BPF_JEQ | BPF_K`.
const JUMP_IF_EQUAL: u16 = 0x15;
/// `BPF_RET | BPF_K`.
const RETURN: u16 = 0x06;
/// Where the low half of the third argument of `bind` lies in the arguments.
const LENGTH_OF_ADDRESS: usize = 16 + if cfg!(target_endian = "big") { 4 } else { 0 };
