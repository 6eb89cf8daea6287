//! The socket that advertisements are heard and sent on.

use std::io::{self, IoSlice};
use std::net::SocketAddrV4;
use std::num::NonZeroU32;
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_recv_buffer_size_force};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, sendmsg_addr};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

use crate::net::NetError;
use crate::net::watched::Watched;
use crate::types::{GROUP_IPV4, IP_PROTOCOL};
use crate::wire::ip::{Datagram, Endpoints, Malformed};

/// A raw socket for VRRP over IPv4 on one link.
///
/// It hears what arrives on its link only, never what this host sends itself. One socket serves one
/// link, because a socket may join no more than `igmp_max_memberships` (20) groups. It belongs to
/// the link's index: a link that was deleted and made again needs a new socket.
#[derive(Debug)]
pub struct VrrpSocket {
    socket: Watched,
}

impl VrrpSocket {
    /// Opens the socket on the link of that index and joins the group of VRRP.
    ///
    /// Must be called within a tokio runtime. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing, or the link does not exist.
    pub fn open(index: u32) -> Result<Self, NetError> {
        let socket = open(index)
            .and_then(Watched::new)
            .map_err(|error| NetError::new("listen on", format!("link {index}"), error))?;
        Ok(Self { socket })
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
        let (received, _) = self.socket.read(|fd| recv(fd, &mut *buffer, RecvFlags::empty()))?;
        Ok(Datagram::parse_ipv4(&buffer[..received]))
    }

    /// Sends a datagram.
    ///
    /// # Errors
    ///
    /// When the kernel cannot take it at once: nothing is queued here.
    pub fn send(&self, datagram: Datagram<'_>) -> io::Result<()> {
        send(&self.socket, datagram)
    }
}

/// A raw socket for VRRP over IPv4 that sends on any link and receives nothing.
#[derive(Debug)]
pub struct SendSocket {
    socket: Socket,
}

impl SendSocket {
    /// Opens the socket. Needs `CAP_NET_RAW`.
    ///
    /// # Errors
    ///
    /// When the right is missing.
    pub fn open() -> io::Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
        socket.set_nonblocking(true)?;
        socket.set_multicast_loop_v4(false)?;
        socket.set_priority(PRIORITY_CONTROL)?;
        Ok(Self { socket })
    }

    /// Sends a datagram on the link of that index.
    ///
    /// # Errors
    ///
    /// When the link does not exist, or the kernel cannot take it at once.
    pub fn send(&self, link: u32, datagram: Datagram<'_>) -> io::Result<()> {
        let link = NonZeroU32::new(link).ok_or(io::ErrorKind::InvalidInput)?;
        self.socket.bind_device_by_index_v4(Some(link))?;
        send(&self.socket, datagram)
    }
}

/// Sends a datagram with its IPv4 header, in which the kernel fills in length and checksum.
fn send(socket: impl AsFd, datagram: Datagram<'_>) -> io::Result<()> {
    let (Endpoints::V4 { destination, .. }, Some(header)) =
        (datagram.envelope.endpoints, datagram.ipv4_header())
    else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let parts = [IoSlice::new(&header), IoSlice::new(datagram.payload)];
    let destination = SocketAddrV4::new(destination, 0);
    let mut nothing = SendAncillaryBuffer::default();
    sendmsg_addr(socket, &destination, &parts, &mut nothing, SendFlags::empty())?;
    Ok(())
}

fn open(index: u32) -> io::Result<Socket> {
    // `Socket::new` of socket2 sets close-on-exec: nginx forks and executes.
    let protocol = Protocol::from(i32::from(IP_PROTOCOL));
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    let link = NonZeroU32::new(index).ok_or(io::ErrorKind::InvalidInput)?;
    socket.bind_device_by_index_v4(Some(link))?;
    socket.set_header_included_v4(true)?;
    socket.set_multicast_loop_v4(false)?;
    // Without this, a group that any other socket of the host joined would be heard too.
    socket.set_multicast_all_v4(false)?;
    socket.join_multicast_v4_n(&GROUP_IPV4, &InterfaceIndexOrAddress::Index(index))?;
    socket.set_priority(PRIORITY_CONTROL)?;
    bound_receive_buffer(&socket, RECEIVE_BUFFER)?;
    Ok(socket)
}

/// Sets the receive buffer, past the limit of the host where the right allows.
pub(super) fn bound_receive_buffer(socket: impl AsFd, bytes: usize) -> io::Result<()> {
    let fd = socket.as_fd();
    set_socket_recv_buffer_size_force(fd, bytes)
        .or_else(|_| set_socket_recv_buffer_size(fd, bytes))?;
    Ok(())
}

/// Room for some 1,300 advertisements; when it is full the kernel drops the newest, and the
/// election lives with lost advertisements by design.
const RECEIVE_BUFFER: usize = 1 << 20;

/// `TC_PRIO_CONTROL`: queued before everything else on the link.
const PRIORITY_CONTROL: u32 = 7;
