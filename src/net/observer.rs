//! A look at a link, before the kernel's filters.

use std::io;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use rustix::time::Timespec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use super::announce::link_address;
use crate::net::{NetError, clock};
use crate::types::IP_PROTOCOL;
use crate::wire::ip::AUTHENTICATION_HEADER;

/// A packet socket that sees the VRRP datagrams over IPv4 that arrive on one link, also those that
/// the host drops before a raw socket gets them.
///
/// A card may filter groups without members; to change that would be a line in the kernel's log
/// each time. The socket must not be open for longer than it takes: the kernel looks at every frame
/// for it.
#[derive(Debug)]
pub struct Observer {
    socket: Socket,
}

impl Observer {
    /// Opens the socket on the link of that index. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing, or the link does not exist.
    pub fn open(index: u32) -> Result<Self, NetError> {
        let socket = open(index)
            .map_err(|error| NetError::new("look at", format!("link {index}"), error))?;
        Ok(Self { socket })
    }

    /// Hands over every datagram that arrives within a time, from its IPv4 header on, until
    /// `is_enough` says so. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the link has gone.
    pub fn watch(
        &self,
        within: Duration,
        mut is_enough: impl FnMut(&[u8]) -> bool,
    ) -> io::Result<()> {
        let end = clock::now() + within;
        let mut buffer = [0; LONGEST];
        loop {
            let left = end.since(clock::now());
            if left.is_zero() {
                return Ok(());
            }
            let mut waiting = [PollFd::new(&self.socket, PollFlags::IN)];
            if poll(&mut waiting, Timespec::try_from(left).ok().as_ref())? == 0 {
                return Ok(());
            }
            match recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((length, _)) if is_enough(&buffer[..length]) => return Ok(()),
                Ok(_) | Err(Errno::WOULDBLOCK) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn open(index: u32) -> io::Result<Socket> {
    // Protocol 0 receives nothing until the filter stands.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    socket.attach_filter(&vrrp())?;
    socket.bind(&link_address(index, libc::ETH_P_IP)?)?;
    Ok(socket)
}

/// Lets the kernel drop all but VRRP, plain or with an authentication header.
fn vrrp() -> [SockFilter; 5] {
    let load_protocol = SockFilter::new(0x30, 0, 0, 9);
    let skip_if = |value: u8, then, otherwise| SockFilter::new(0x15, then, otherwise, value.into());
    let take = |octets| SockFilter::new(0x06, 0, 0, octets);
    [
        load_protocol,
        skip_if(IP_PROTOCOL, 1, 0),
        skip_if(AUTHENTICATION_HEADER, 0, 1),
        take(u32::MAX),
        take(0),
    ]
}

/// No advertisement is longer.
const LONGEST: usize = 4352;
