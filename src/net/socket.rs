//! The sockets that advertisements are heard and sent on.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::task::{Context, Poll};

use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn6, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use rustix::io::Errno;
use rustix::net::sockopt::{
    set_ipv6_multicast_loop, set_socket_recv_buffer_size, set_socket_recv_buffer_size_force,
};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg_addr};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockFilter, SockRef, Socket, Type};

use crate::net::announce::PRIORITY_CONTROL;
use crate::net::watched::Watched;
use crate::net::{FrameSocket, NetError};
use crate::types::{Family, GROUP_IPV4, GROUP_IPV6, IP_PROTOCOL, MacAddress};
use crate::wire::ip::{Datagram, Endpoints, Envelope, Malformed};

/// A raw socket for VRRP over one family on one link.
///
/// It hears what arrives on its link only, never what this host sends itself. One socket serves one
/// link, because a socket may join no more than `igmp_max_memberships` (20) groups. It belongs to
/// the link's index: a link that was deleted and made again needs a new socket.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Watched,
    family: Family,
    link: u32,
}

impl VrrpSocket {
    /// Opens the socket on the link of that index. It hears what is sent to this host.
    ///
    /// Must be called within a tokio runtime. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing, or the link or the family does not exist.
    pub fn open(link: u32, family: Family) -> Result<Self, NetError> {
        let opened = match family {
            Family::Ipv4 => open_ipv4(link),
            Family::Ipv6 => open_ipv6(link),
        };
        let socket = opened.and_then(Watched::new).map_err(|error| {
            NetError::new("listen on", format!("link {link} ({family})"), error)
        })?;
        Ok(Self { socket, family, link })
    }

    /// Joins the group of VRRP, to hear what is sent there, too.
    ///
    /// # Errors
    ///
    /// When the kernel refuses one more membership.
    pub fn join_group(&self) -> Result<(), NetError> {
        let socket = SockRef::from(&self.socket);
        let joined = match self.family {
            Family::Ipv4 => {
                socket.join_multicast_v4_n(&GROUP_IPV4, &InterfaceIndexOrAddress::Index(self.link))
            }
            Family::Ipv6 => socket.join_multicast_v6(&GROUP_IPV6, self.link),
        };
        joined.map_err(|error| {
            NetError::new(
                "join the group on",
                format!("link {} ({})", self.link, self.family),
                error,
            )
        })
    }

    /// Waits until there may be something to receive.
    ///
    /// Ready does not clear itself: call [`try_recv`](Self::try_recv) until it would block, or the
    /// next call is ready at once.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub fn poll_recv_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_readable(cx)
    }

    /// Receives one datagram into `buffer`, cut off at its end, and takes it apart.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::WouldBlock`] when there is none.
    pub fn try_recv<'a>(
        &self,
        buffer: &'a mut [u8],
    ) -> io::Result<Result<Datagram<'a>, Malformed>> {
        match self.family {
            Family::Ipv4 => {
                let received = self.socket.read(|fd| recv(fd, &mut *buffer, RecvFlags::empty()));
                Ok(Datagram::parse_ipv4(&buffer[..received?.0]))
            }
            Family::Ipv6 => {
                let (length, envelope) = self.socket.read(|fd| receive_ipv6(fd, buffer))?;
                let payload = &buffer[..length];
                Ok(envelope.map(|envelope| Datagram { envelope, payload }).ok_or(Malformed))
            }
        }
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// When the kernel cannot take it at once: nothing is queued here.
    pub fn send(&self, datagram: Datagram<'_>) -> io::Result<()> {
        if self.family == Family::Ipv6 && datagram.envelope.hop_limit == 0 {
            return self.try_ipv6(datagram);
        }
        send(&self.socket, self.link, datagram)
    }

    /// Sends a datagram whose hop limit is 0. Over IPv6 the kernel drops it before the link only
    /// where it also goes back to this host, which [`NOT_LOOPED`] drops.
    fn try_ipv6(&self, datagram: Datagram<'_>) -> io::Result<()> {
        set_ipv6_multicast_loop(&self.socket, true)?;
        let sent = send(&self.socket, self.link, datagram);
        set_ipv6_multicast_loop(&self.socket, false)?;
        sent
    }
}

/// Raw sockets for VRRP that send on any link and receive nothing.
#[derive(Debug)]
pub struct SendSocket {
    ipv4: Socket,
    /// A host may be without IPv6.
    ipv6: io::Result<Socket>,
    /// A sandbox may forbid it.
    frames: io::Result<FrameSocket>,
}

impl SendSocket {
    /// Opens the sockets. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing.
    pub fn open() -> io::Result<Self> {
        let protocol = Some(Protocol::from(libc::IPPROTO_RAW));
        let ipv4 = Socket::new(Domain::IPV4, Type::RAW, protocol)?;
        ipv4.set_multicast_loop_v4(false)?;
        let ipv6 = Socket::new(Domain::IPV6, Type::RAW, protocol).and_then(|ipv6| {
            prepare_to_send_ipv6(&ipv6)?;
            Ok(ipv6)
        });
        for socket in std::iter::once(&ipv4).chain(&ipv6) {
            socket.set_nonblocking(true)?;
            socket.set_priority(PRIORITY_CONTROL)?;
        }
        Ok(Self { ipv4, ipv6, frames: FrameSocket::open() })
    }

    /// Sends a datagram to a group on the link of that index, from the hardware address of a
    /// virtual router.
    ///
    /// # Errors
    ///
    /// When the link does not exist, or cannot take it at once.
    pub fn send_from(&self, link: u32, mac: MacAddress, datagram: Datagram<'_>) -> io::Result<()> {
        self.frames.as_ref().map_err(io::Error::kind)?.send(link, mac, datagram)
    }

    /// Sends a datagram on the link of that index.
    ///
    /// # Errors
    ///
    /// When the link or the family does not exist, or the kernel cannot take it at once.
    pub fn send(&self, link: u32, datagram: Datagram<'_>) -> io::Result<()> {
        let index = NonZeroU32::new(link).ok_or(io::ErrorKind::InvalidInput)?;
        let socket = match datagram.envelope.endpoints.family() {
            Family::Ipv4 => &self.ipv4,
            Family::Ipv6 => self.ipv6.as_ref().map_err(io::Error::kind)?,
        };
        socket.bind_device_by_index_v4(Some(index))?;
        send(socket, link, datagram)
    }
}

/// Sends a datagram with its header, in which the kernel fills in what IPv4 leaves to it.
fn send(socket: impl AsFd, link: u32, datagram: Datagram<'_>) -> io::Result<()> {
    let header = datagram.header();
    let parts = [IoSlice::new(header.as_ref()), IoSlice::new(datagram.payload)];
    match datagram.envelope.endpoints {
        Endpoints::V4 { destination, .. } => {
            let destination = SocketAddrV4::new(destination, 0);
            let mut nothing = SendAncillaryBuffer::default();
            sendmsg_addr(socket, &destination, &parts, &mut nothing, SendFlags::empty())?;
        }
        Endpoints::V6 { source, destination } => {
            // The source is in the header, but the kernel finds no route without one that it knows.
            let source = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
                ipi6_ifindex: link,
            };
            let source = [ControlMessage::Ipv6PacketInfo(&source)];
            let destination = SockaddrIn6::from(SocketAddrV6::new(destination, 0, 0, link));
            let (fd, flags) = (socket.as_fd().as_raw_fd(), MsgFlags::empty());
            sendmsg(fd, &parts, &source, flags, Some(&destination))?;
        }
    }
    Ok(())
}

/// Prepares an IPv6 socket for sending, also from an address that was there a moment ago.
fn prepare_to_send_ipv6(socket: &Socket) -> io::Result<()> {
    socket.set_freebind_v6(true)?;
    socket.set_multicast_loop_v6(false)
}

fn open_ipv4(link: u32) -> io::Result<Socket> {
    let socket = open_raw(Domain::IPV4, link)?;
    socket.set_header_included_v4(true)?;
    socket.set_multicast_loop_v4(false)?;
    // Without this, a group that any other socket of the host joined would be heard too.
    socket.set_multicast_all_v4(false)?;
    Ok(socket)
}

/// The kernel hands over an IPv6 datagram without its header, and does not look at the checksum of
/// VRRP: wrong ones are counted.
fn open_ipv6(link: u32) -> io::Result<Socket> {
    let socket = open_raw(Domain::IPV6, link)?;
    socket.attach_filter(&NOT_LOOPED)?;
    socket.set_header_included_v6(true)?;
    prepare_to_send_ipv6(&socket)?;
    // Before Linux 4.20 a group that any other socket of the host joined is heard, too.
    match socket.set_multicast_all_v6(false) {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => {}
        set => set?,
    }
    socket.set_recv_hoplimit_v6(true)?;
    setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true)?;
    Ok(socket)
}

fn open_raw(domain: Domain, link: u32) -> io::Result<Socket> {
    // `Socket::new` of socket2 sets close-on-exec: nginx forks and executes.
    let protocol = Protocol::from(i32::from(IP_PROTOCOL));
    let socket = Socket::new(domain, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    let index = NonZeroU32::new(link).ok_or(io::ErrorKind::InvalidInput)?;
    socket.bind_device_by_index_v4(Some(index))?;
    socket.set_priority(PRIORITY_CONTROL)?;
    bound_receive_buffer(&socket, RECEIVE_BUFFER)?;
    Ok(socket)
}

/// Receives the message of a datagram; its envelope, if the kernel tells all of it.
fn receive_ipv6(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> rustix::io::Result<(usize, Option<Envelope>)> {
    let mut space = [0; CONTROL];
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::empty();
    let received = recvmsg::<SockaddrIn6>(socket.as_raw_fd(), &mut parts, Some(&mut space), flags);
    let received = received.map_err(|error| Errno::from_raw_os_error(error as i32))?;
    let (mut destination, mut hop_limit) = (None, None);
    for control in received.cmsgs().into_iter().flatten() {
        if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
            destination = Some(Ipv6Addr::from(info.ipi6_addr.s6_addr));
        } else if let ControlMessageOwned::Ipv6HopLimit(limit) = control {
            hop_limit = u8::try_from(limit).ok();
        }
    }
    let source = received.address.map(|address| address.ip());
    let envelope = source.zip(destination).zip(hop_limit);
    let envelope = envelope.map(|((source, destination), hop_limit)| Envelope {
        endpoints: Endpoints::V6 { source, destination },
        hop_limit,
    });
    Ok((received.bytes, envelope))
}

/// Sets the receive buffer, past the limit of the host where the right allows.
pub(super) fn bound_receive_buffer(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    let fd = socket.as_fd();
    set_socket_recv_buffer_size_force(fd, bytes)
        .or_else(|_| set_socket_recv_buffer_size(fd, bytes))?;
    Ok(())
}

/// Drops what this host has sent (`PACKET_LOOPBACK`).
const NOT_LOOPED: [SockFilter; 4] = [
    SockFilter::new(0x20, 0, 0, PACKET_TYPE),
    SockFilter::new(0x15, 0, 1, 5),
    SockFilter::new(0x06, 0, 0, 0),
    SockFilter::new(0x06, 0, 0, u32::MAX),
];
/// `SKF_AD_OFF + SKF_AD_PKTTYPE`.
const PACKET_TYPE: u32 = 0xffff_f004;

/// Room for what the kernel tells of an IPv6 datagram: `in6_pktinfo` and `int`, with their headers.
const CONTROL: usize = 128;

/// Room for some 1,300 advertisements; when it is full the kernel drops the newest, and the
/// election lives with lost advertisements by design.
const RECEIVE_BUFFER: usize = 1 << 20;
