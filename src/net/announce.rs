//! The socket that announcements leave by: gratuitous ARP, unsolicited neighbor advertisements.

use std::io::{self, IoSlice};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};

use crate::net::NetError;
use crate::types::{Family, MacAddress};
use crate::wire::ethernet;
use crate::wire::ip::Datagram;

/// A packet socket that sends whole Ethernet frames on one link and hears nothing.
///
/// Like [`VrrpSocket`](crate::net::VrrpSocket) it belongs to the link's index. One per link, so
/// that a link that does not drain cannot hold up the others.
#[derive(Debug)]
pub struct Announcer {
    socket: Socket,
}

impl Announcer {
    /// Opens the socket on the link of that index. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing, or the link does not exist.
    pub fn open(index: u32) -> Result<Self, NetError> {
        let socket = open(index)
            .map_err(|error| NetError::new("announce on", format!("link {index}"), error))?;
        Ok(Self { socket })
    }

    /// Sends one frame.
    ///
    /// # Errors
    ///
    /// When the link cannot take it at once; `ENOBUFS` and
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) pass by themselves.
    pub fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.socket.send(frame).map(drop)
    }
}

/// A packet socket that sends datagrams to a group on any link, from a hardware address that is not
/// the link's own, and hears nothing.
#[derive(Debug)]
pub struct FrameSocket {
    socket: Socket,
}

impl FrameSocket {
    /// Opens the socket. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
        socket.set_nonblocking(true)?;
        socket.set_priority(PRIORITY_CONTROL)?;
        Ok(Self { socket })
    }

    /// Sends a datagram on the link of that index.
    ///
    /// # Errors
    ///
    /// When it is not sent to a group, or the link does not exist or cannot take it at once.
    pub fn send(&self, link: u32, source: MacAddress, datagram: Datagram<'_>) -> io::Result<()> {
        let endpoints = datagram.envelope.endpoints;
        let ethernet = ethernet::header(source, endpoints).ok_or(io::ErrorKind::InvalidInput)?;
        let kind = match endpoints.family() {
            Family::Ipv4 => libc::ETH_P_IP,
            Family::Ipv6 => libc::ETH_P_IPV6,
        };
        let header = datagram.header();
        let parts = [&ethernet, header.as_ref(), datagram.payload].map(IoSlice::new);
        self.socket.send_to_vectored(&parts, &link_address(link, kind)?).map(drop)
    }
}

fn open(index: u32) -> io::Result<Socket> {
    // Protocol 0 receives nothing, so no unread buffer fills up.
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0)))?;
    socket.set_nonblocking(true)?;
    socket.bind(&link_address(index, 0)?)?;
    Ok(socket)
}

/// Returns the address of a link, for the frames of one protocol (`ETH_P_IP` and the like).
pub(super) fn link_address(index: u32, protocol: i32) -> io::Result<SockAddr> {
    let protocol = u16::try_from(protocol).map_err(|_| io::ErrorKind::InvalidInput)?;
    let index = i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput)?;
    let family = u16::try_from(libc::AF_PACKET).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage has size and alignment for every type of address, `sockaddr_ll` too.
    let address: &mut libc::sockaddr_ll = unsafe { storage.view_as() };
    address.sll_family = family;
    address.sll_ifindex = index;
    address.sll_protocol = protocol.to_be();
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>());
    // SAFETY: the storage was zeroed and holds a `sockaddr_ll` of that length.
    Ok(unsafe { SockAddr::new(storage, length.map_err(|_| io::ErrorKind::InvalidInput)?) })
}

/// `TC_PRIO_CONTROL`: queued before everything else on the link.
pub(super) const PRIORITY_CONTROL: u32 = 7;
