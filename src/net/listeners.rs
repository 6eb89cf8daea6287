//! Who listens at the abstract sockets of this network namespace.

use std::fs;
use std::io;
use std::time::Duration;

use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NetlinkBuffer, NlaBuffer, NlasIterator,
};
use rustix::net::netlink::SOCK_DIAG;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use crate::net::file_of_thread;

/// A listening abstract socket.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct ForeignListener {
    /// The number that the kernel gave it: another socket of that name has another one.
    pub inode: u32,
    /// Its name, without the zero in front.
    pub name: String,
    /// Whose it is; none if the kernel does not tell.
    pub user: Option<u32>,
}

/// Returns the listening abstract sockets with this prefix, in the network namespace of the calling
/// thread. Waits for the kernel.
///
/// # Errors
///
/// When `/proc` does not tell either what `sock_diag` does not.
pub fn abstract_listeners(prefix: &str) -> io::Result<Vec<ForeignListener>> {
    let mut found = match diagnosed() {
        Ok(found) => found,
        // A kernel without the module `unix_diag`.
        Err(_) => listed(&String::from_utf8_lossy(&fs::read(file_of_thread("net/unix"))?)),
    };
    found.retain(|listener| listener.name.starts_with(prefix));
    Ok(found)
}

/// Asks `sock_diag`, which tells of each socket whose it is, and of those alone that listen.
fn diagnosed() -> io::Result<Vec<ForeignListener>> {
    let family = AddressFamily::NETLINK;
    let socket = socket_with(family, SocketType::RAW, SocketFlags::CLOEXEC, Some(SOCK_DIAG))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    send(&socket, &request(), SendFlags::empty())?;
    let (mut found, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let (length, _) = recv(&socket, &mut buffer[..], RecvFlags::empty())?;
        let mut rest = &buffer[..length];
        while !rest.is_empty() {
            let message = NetlinkBuffer::new_checked(rest).map_err(io::Error::other)?;
            match message.message_type() {
                NLMSG_DONE => return Ok(found),
                NLMSG_ERROR => return Err(io::ErrorKind::Unsupported.into()),
                _ => found.extend(diagnosis(message.payload())),
            }
            let taken = (message.length() as usize).next_multiple_of(4);
            rest = rest.get(taken..).unwrap_or_default();
        }
    }
}

/// A message with `struct unix_diag_req`.
fn request() -> [u8; REQUEST] {
    let mut request = [0; REQUEST];
    request[..4].copy_from_slice(&40_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&(NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    request[16] = AF_UNIX;
    request[20..24].copy_from_slice(&(1_u32 << TCP_LISTEN).to_ne_bytes());
    request[28..32].copy_from_slice(&(UDIAG_SHOW_NAME | UDIAG_SHOW_UID).to_ne_bytes());
    request
}

/// Reads `struct unix_diag_msg` and its attributes.
fn diagnosis(payload: &[u8]) -> Option<ForeignListener> {
    let inode = u32::from_ne_bytes(payload.get(4..8)?.try_into().ok()?);
    let (mut name, mut user) = (None, None);
    for attribute in NlasIterator::new(payload.get(DIAG_HEADER..)?).map_while(Result::ok) {
        let attribute: NlaBuffer<&[u8]> = attribute;
        match attribute.kind() {
            UNIX_DIAG_NAME => {
                let octets = attribute.value().strip_prefix(&[0])?;
                name = Some(String::from_utf8(octets.to_vec()).ok()?);
            }
            UNIX_DIAG_UID => user = attribute.value().try_into().map(u32::from_ne_bytes).ok(),
            _ => {}
        }
    }
    Some(ForeignListener { inode, name: name?, user })
}

/// Reads the table of the kernel: `Num RefCount Protocol Flags Type St Inode Path`.
fn listed(table: &str) -> Vec<ForeignListener> {
    let listener = |line: &str| {
        let mut columns = line.split_ascii_whitespace();
        let flags = u32::from_str_radix(columns.nth(3)?, 16).ok()?;
        let inode = columns.nth(2)?.parse().ok()?;
        let name = columns.next()?.strip_prefix('@')?.to_owned();
        (flags & ACCEPTS != 0).then_some(ForeignListener { inode, name, user: None })
    };
    table.lines().filter_map(listener).collect()
}

/// The kernel answers at once, unless it hangs.
const PATIENCE: Duration = Duration::from_millis(200);
/// `__SO_ACCEPTCON`: others may connect. A connection has the name of its listener, too.
const ACCEPTS: u32 = 1 << 16;
/// Octets of `nlmsghdr` and `unix_diag_req`.
const REQUEST: usize = 40;
/// Octets of `unix_diag_msg`.
const DIAG_HEADER: usize = 16;
const AF_UNIX: u8 = 1;
const TCP_LISTEN: u32 = 10;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const UDIAG_SHOW_NAME: u32 = 1;
const UDIAG_SHOW_UID: u32 = 0x40;
const UNIX_DIAG_NAME: u16 = 0;
/// Since Linux 5.3.
const UNIX_DIAG_UID: u16 = 7;

#[cfg(test)]
mod tests {
    use rustix::process::geteuid;

    use super::*;
    use crate::net::local::{AbstractListener, connect_abstract};

    #[tokio::test]
    async fn an_abstract_socket_is_found_for_as_long_as_somebody_listens() {
        let name = format!("resty-vrrp-test/{}", std::process::id());
        let listener = AbstractListener::open(&name).unwrap();
        let visitor = connect_abstract(&name, None).unwrap();

        let found = abstract_listeners(&name).unwrap();

        assert_eq!((found.len(), found[0].name.as_str()), (1, name.as_str()));
        assert!(found[0].user.is_none_or(|user| user == geteuid().as_raw()), "{found:?}");
        let table = fs::read_to_string(file_of_thread("net/unix")).unwrap();
        let listed = listed(&table).into_iter().find(|it| it.name == name).unwrap();
        assert_eq!(listed.inode, found[0].inode);
        drop(listener);
        assert_eq!(abstract_listeners(&name).unwrap(), []);
        assert!(connect_abstract(&name, None).is_err());
        drop(visitor);
    }

    #[test]
    fn paths_connections_and_sockets_without_a_name_are_no_abstract_listeners() {
        let table = "Num       RefCount Protocol Flags    Type St Inode Path
ffff8880: 00000002 00000000 00010000 0001 01 16301 @resty-vrrp/1.2
ffff8881: 00000003 00000000 00000000 0001 03 16302 @resty-vrrp/1.2
ffff8882: 00000002 00000000 00010000 0001 01 16303 /run/resty-vrrp/3
ffff8884: 00000003 00000000 00000000 0001 03 16305
";

        let expected =
            ForeignListener { inode: 16301, name: "resty-vrrp/1.2".to_owned(), user: None };
        assert_eq!(listed(table), [expected]);
    }
}
