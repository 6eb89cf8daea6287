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
use crate::types::{Families, Family, IP_PROTOCOL};
use crate::wire::ip::AUTHENTICATION_HEADER;

/// Packet sockets that see the VRRP datagrams of some families that arrive on one link, also those
/// that the host drops before a raw socket gets them.
///
/// A card may filter groups without members; to change that would be a line in the kernel's log
/// each time. The sockets must not be open for longer than it takes: the kernel looks at every
/// frame for them.
#[derive(Debug)]
pub struct Observer {
    sockets: Vec<Socket>,
}

impl Observer {
    /// Opens the sockets on the link of that index. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing, or the link does not exist.
    pub fn open(index: u32, families: Families) -> Result<Self, NetError> {
        let opened: io::Result<_> = families.iter().map(|family| open(index, family)).collect();
        let error = |error| NetError::new("look at", format!("link {index}"), error);
        Ok(Self { sockets: opened.map_err(error)? })
    }

    /// Hands over every datagram that arrives within a time, from its header on, until
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
            let sockets = self.sockets.iter();
            let mut waiting: Vec<_> = sockets.map(|it| PollFd::new(it, PollFlags::IN)).collect();
            if poll(&mut waiting, Timespec::try_from(left).ok().as_ref())? == 0 {
                return Ok(());
            }
            for socket in &self.sockets {
                match recv(socket, &mut buffer[..], RecvFlags::empty()) {
                    Ok((length, _)) if is_enough(&buffer[..length]) => return Ok(()),
                    Ok(_) | Err(Errno::WOULDBLOCK) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }
}

fn open(index: u32, family: Family) -> io::Result<Socket> {
    // Protocol 0 receives nothing until the filter stands.
    let socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    let (protocol, protocol_at) = match family {
        Family::Ipv4 => (libc::ETH_P_IP, 9),
        Family::Ipv6 => (libc::ETH_P_IPV6, 6),
    };
    socket.attach_filter(&vrrp(protocol_at))?;
    socket.bind(&link_address(index, protocol)?)?;
    Ok(socket)
}

/// Lets the kernel drop all but VRRP, plain or with an authentication header. The protocol is in
/// that octet of the header of IP.
fn vrrp(protocol_at: u32) -> [SockFilter; 5] {
    let load_protocol = SockFilter::new(0x30, 0, 0, protocol_at);
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
