//! Sockets where processes of one host meet, and who may be at the other end.

use std::fmt;
use std::fs::{self, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::net::{SocketFlags, accept_with};
use rustix::process::geteuid;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::net::watched::Watched;
use crate::net::{Rights, clock};
use crate::types::Instant;

/// Opens a socket in place of the present one at the path, for the user of this process alone.
/// Returns what a `look` at it finds: later there may be another one at the path. Must be called
/// within a tokio runtime.
///
/// # Errors
///
/// When the directory does not let us.
pub fn listen<T>(
    path: &Path,
    look: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<(UnixListener, T)> {
    let fresh = path.with_extension(format!("{}.new", std::process::id()));
    // Left over from a process of this number that was killed in this very moment.
    fs::remove_file(&fresh).ok();
    let listener = UnixListener::bind(&fresh)?;
    fs::set_permissions(&fresh, Permissions::from_mode(0o600))?;
    let seen = look(&fresh)?;
    fs::rename(&fresh, path)?;
    Ok((listener, seen))
}

/// Connects to the listener at a path. The stream does not block, and neither does this call.
///
/// # Errors
///
/// When there is no listener.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&SockAddr::unix(path)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// An abstract socket: it belongs to the network namespace, and everybody there may connect.
#[derive(Debug)]
pub struct AbstractListener {
    socket: Watched,
}

impl AbstractListener {
    /// Opens the socket. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the name is taken.
    pub fn open(name: &str) -> io::Result<Self> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
        socket.bind(&abstract_address(name)?)?;
        socket.listen(BACKLOG)?;
        Ok(Self { socket: Watched::new(socket)? })
    }

    /// Returns the next connection. That there is none costs no system call.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is none.
    pub fn accept(&self) -> io::Result<UnixStream> {
        if !self.socket.may_be_readable() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(self.socket.read(|fd| accept_with(fd, SocketFlags::CLOEXEC))?.into())
    }
}

/// Connects to the listener at an abstract socket. If the listener has no room at present, this
/// call waits for so long, or not at all.
///
/// # Errors
///
/// When there is no listener, or it has no room.
pub fn connect_abstract(name: &str, patience: Option<Duration>) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(patience.is_none())?;
    socket.set_write_timeout(patience)?;
    socket.connect(&abstract_address(name)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// Reads what arrives until a deadline; what is there already is read after it, too.
///
/// # Errors
///
/// [`WouldBlock`](io::ErrorKind::WouldBlock) when nothing has arrived.
pub fn read_until(
    stream: &mut UnixStream,
    octets: &mut [u8],
    deadline: Instant,
) -> io::Result<usize> {
    stream.set_read_timeout(Some(rest_until(deadline)))?;
    stream.read(octets)
}

/// Returns how long to wait until a deadline: never zero, for that would be for ever.
#[must_use]
pub fn rest_until(deadline: Instant) -> Duration {
    deadline.since(clock::now()).max(Duration::from_millis(1))
}

/// Tells whether a user is root, or ours.
#[must_use]
pub fn is_trusted(user: u32) -> bool {
    user == 0 || user == geteuid().as_raw()
}

/// Writes what fits into the socket, for a reader that reads at once.
pub fn write_at_once(mut stream: &UnixStream, octets: &[u8]) {
    // Blocking is an option of each descriptor: an accepted one does not have it from its listener.
    if stream.set_nonblocking(true).is_ok() {
        // Who gets less than all of it notices.
        stream.write_all(octets).ok();
    }
}

fn abstract_address(name: &str) -> io::Result<SockAddr> {
    SockAddr::unix(format!("\0{name}"))
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
    let owner = SocketOwner::of_peer(socket)?;
    let refused = |what: &str| {
        let told = format!("{what} wants to take the routers over");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, told))
    };
    match owner.kind()? {
        OwnerKind::Engine => Ok(()),
        OwnerKind::OtherUser => refused(&format!("a process of user {}", owner.user)),
        OwnerKind::Powerless => {
            refused(&format!("a process of our own user without {}", Rights::NETWORK))
        }
    }
}

/// The process that has the other end of a socket, or had it when it began to listen.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SocketOwner {
    /// Its user.
    pub user: u32,
    /// Its number; none in this container.
    pub pid: Option<i32>,
}

/// What a process may be, as far as its user and its rights tell.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OwnerKind {
    Engine,
    OtherUser,
    /// Of our own user, without the rights of an engine.
    Powerless,
}

impl SocketOwner {
    /// Returns the process at the other end of a socket.
    ///
    /// # Errors
    ///
    /// When it is not connected.
    pub fn of_peer(socket: impl AsFd) -> io::Result<Self> {
        let mut peer = libc::ucred { pid: 0, uid: 0, gid: 0 };
        let mut length = libc::socklen_t::try_from(size_of_val(&peer)).unwrap_or_default();
        // SAFETY: the kernel writes at most `length` octets, and any of them make a `ucred`.
        let outcome = unsafe {
            libc::getsockopt(
                socket.as_fd().as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_PEERCRED,
                (&raw mut peer).cast(),
                &raw mut length,
            )
        };
        if outcome == 0 { Ok(Self::of(peer)) } else { Err(io::Error::last_os_error()) }
    }

    /// Of a process in another container the kernel gives the number 0.
    fn of(peer: libc::ucred) -> Self {
        Self { user: peer.uid, pid: Some(peer.pid).filter(|pid| *pid > 0) }
    }

    /// Tells whether this may be an engine: it is root's, or may change addresses, or is of our own
    /// user in another container, where its rights cannot be seen.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub fn may_be_an_engine(self) -> io::Result<bool> {
        if self.kind()? == OwnerKind::Engine {
            return Ok(true);
        }
        self.pid.map_or(Ok(false), |pid| Rights::NETWORK.are_held_by(pid))
    }

    fn kind(self) -> io::Result<OwnerKind> {
        if self.user == 0 {
            return Ok(OwnerKind::Engine);
        }
        if !is_trusted(self.user) {
            return Ok(OwnerKind::OtherUser);
        }
        let Some(pid) = self.pid else { return Ok(OwnerKind::Engine) };
        let is_ours = u32::try_from(pid).is_ok_and(|pid| pid == std::process::id());
        let is_engine = is_ours || Rights::NETWORK.are_held_by(pid)?;
        Ok(if is_engine { OwnerKind::Engine } else { OwnerKind::Powerless })
    }
}

impl fmt::Display for SocketOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid} of user {}", self.user),
            None => write!(f, "a process of user {} in another container", self.user),
        }
    }
}

/// Engines that come at the same time.
const BACKLOG: i32 = 16;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn every_visitor_of_an_abstract_socket_is_let_in() {
        let name = format!("resty-vrrp-visits/{}", std::process::id());
        let listener = AbstractListener::open(&name).unwrap();
        assert!(listener.accept().is_err());

        for visitors in [1, 3] {
            let all: Vec<_> =
                (0..visitors).map(|_| connect_abstract(&name, None).unwrap()).collect();
            for _ in &all {
                while listener.accept().is_err() {
                    tokio::task::yield_now().await;
                }
            }
            assert!(listener.accept().is_err());
        }
    }

    #[tokio::test]
    async fn a_socket_is_looked_at_before_another_one_can_take_its_path() {
        let directory = std::env::temp_dir().join(format!("resty-vrrp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let path = directory.join("door.sock");
        let inode = |path: &Path| Ok(fs::metadata(path)?.ino());
        let (_first, before) = listen(&path, inode).unwrap();

        let look = |fresh: &Path| Ok((inode(fresh)?, inode(&path)?));
        let (_second, (own, found)) = listen(&path, look).unwrap();

        assert_eq!((found, inode(&path).unwrap()), (before, own));
        fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn nobody_waits_for_a_visitor_that_does_not_read() {
        let (here, mut there) = UnixStream::pair().unwrap();
        let much = vec![7; 16 << 20];

        write_at_once(&here, &much);

        drop(here);
        let mut read = Vec::new();
        there.read_to_end(&mut read).unwrap();
        assert!(!read.is_empty() && read.len() < much.len());
    }

    #[test]
    fn a_process_of_another_container_has_no_number_and_is_judged_by_its_user() {
        let we = geteuid().as_raw();
        let of = |uid| SocketOwner::of(libc::ucred { pid: 0, uid, gid: 0 });

        assert_eq!(of(we), SocketOwner { user: we, pid: None });
        let may_be = [0, we, 4711].map(|user| of(user).may_be_an_engine().unwrap());
        assert_eq!(may_be, [true, true, false]);
        assert_eq!(of(4711).to_string(), "a process of user 4711 in another container");
    }

    #[test]
    fn the_other_end_of_a_socket_is_told_with_its_user() {
        let (here, _there) = UnixStream::pair().unwrap();

        let owner = SocketOwner::of_peer(&here).unwrap();

        let pid = i32::try_from(std::process::id()).ok();
        assert_eq!(owner, SocketOwner { user: geteuid().as_raw(), pid });
    }
}
