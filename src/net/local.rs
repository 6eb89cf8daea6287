//! Sockets where processes of one host meet, and who may be at the other end.

use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::net::sockopt::socket_peercred;
use rustix::net::{SocketFlags, accept_with};
use rustix::process::{geteuid, getpid};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::net::Rights;
use crate::net::watched::Watched;

/// Opens a socket in place of whoever has the path now, for the user of this process alone. Returns
/// what a `look` at it finds: later there may be another one at the path. Must be called within a
/// tokio runtime.
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

/// Connects to whoever listens at an abstract socket. The stream does not block, and neither does
/// this call.
///
/// # Errors
///
/// When nobody listens there, or the listener has no room at present.
pub fn connect_abstract(name: &str) -> io::Result<UnixStream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.connect(&abstract_address(name)?)?;
    Ok(OwnedFd::from(socket).into())
}

/// Returns the names of the abstract sockets with this prefix at which somebody listens, in the
/// network namespace of the calling thread.
///
/// # Errors
///
/// When `/proc` does not tell.
pub fn abstract_names(prefix: &str) -> io::Result<Vec<String>> {
    let all = fs::read("/proc/thread-self/net/unix")?;
    Ok(listening(&String::from_utf8_lossy(&all), prefix))
}

/// Writes what fits into the socket, for whoever reads it at once.
pub fn write_at_once(mut stream: &UnixStream, octets: &[u8]) {
    // Blocking is an option of each descriptor: an accepted one does not have it from its listener.
    if stream.set_nonblocking(true).is_ok() {
        // Who gets less than all of it notices.
        stream.write_all(octets).ok();
    }
}

/// Reads the table of the kernel: `Num RefCount Protocol Flags Type St Inode Path`.
fn listening(table: &str, prefix: &str) -> Vec<String> {
    let name = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
        let name = columns.nth(3)?.strip_prefix('@')?;
        (flags & ACCEPTS != 0 && name.starts_with(prefix)).then(|| name.to_owned())
    };
    table.lines().filter_map(name).collect()
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

/// Engines that come at the same time.
const BACKLOG: i32 = 16;
/// `__SO_ACCEPTCON`: others may connect. A connection has the name of its listener, too.
const ACCEPTS: u32 = 1 << 16;

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[tokio::test]
    async fn an_abstract_socket_is_found_for_as_long_as_somebody_listens() {
        let name = format!("resty-vrrp-test/{}", std::process::id());
        let listener = AbstractListener::open(&name).unwrap();
        let visitor = connect_abstract(&name).unwrap();

        assert_eq!(abstract_names(&name).unwrap(), [name.as_str()]);
        drop(listener);
        assert_eq!(abstract_names(&name).unwrap(), [""; 0]);
        assert!(connect_abstract(&name).is_err());
        drop(visitor);
    }

    #[tokio::test]
    async fn every_visitor_of_an_abstract_socket_is_let_in() {
        let name = format!("resty-vrrp-visits/{}", std::process::id());
        let listener = AbstractListener::open(&name).unwrap();
        assert!(listener.accept().is_err());

        for visitors in [1, 3] {
            let all: Vec<_> = (0..visitors).map(|_| connect_abstract(&name).unwrap()).collect();
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
    fn paths_connections_and_other_names_are_no_listeners_of_ours() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path
ffff8880: 00000002 00000000 00010000 0001 01 16301 @resty-vrrp/1.2
ffff8881: 00000003 00000000 00000000 0001 03 16302 @resty-vrrp/1.2
ffff8882: 00000002 00000000 00010000 0001 01 16303 /run/resty-vrrp/3
ffff8883: 00000002 00000000 00010000 0001 01 16304 @other/4
ffff8884: 00000003 00000000 00000000 0001 03 16305
";

        assert_eq!(listening(table, "resty-vrrp/"), ["resty-vrrp/1.2"]);
    }
}
