//! Sockets where processes of one host meet, and who may be at the other end.

use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::socket_peercred;
use rustix::process::{geteuid, getpid};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::net::Rights;

/// Opens a socket in place of whoever has the path now, for the user of this process alone. Must be
/// called within a tokio runtime.
///
/// # Errors
///
/// When the directory does not let us.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    // Left over from a process of this number that was killed in this very moment.
    fs::remove_file(&fresh).ok();
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    fs::rename(&fresh, path)?;
    Ok(listener)
}

/// Connects to whoever listens at a path. The stream does not block, and neither does this call.
///
/// # Errors
///
/// When nobody listens there.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// Refuses a process at the other end of a socket that can be neither an engine nor a guard of this
/// nginx.
///
/// Those are root's, or of the user of this process. Of that user there may be other programs, and
/// workers that have given their rights away; but only an engine or a guard has the rights to
/// change addresses. Which of its threads has them does not matter: they share their memory.
///
/// # Errors
///
/// When the process is refused; the text says why.
pub fn check_peer(socket: impl AsFd) -> io::Result<()> {
    let peer = socket_peercred(&socket)?;
    let (user, pid) = (peer.uid, peer.pid);
    let refused = |what: &str| {
        let told = format!("{what} wants to take the routers over");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, told))
    };
    if user.is_root() || pid == getpid() {
        return Ok(());
    }
    if user != geteuid() {
        return refused(&format!("a process of user {}", user.as_raw()));
    }
    if Rights::NETWORK.are_held_by(pid.as_raw_nonzero().get())? {
        return Ok(());
    }
    refused(&format!("a process of our own user without {}", Rights::NETWORK))
}
