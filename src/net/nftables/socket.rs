//! The socket through which tables are changed, and which owns them.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname, recv, send,
    socket_with,
};

use super::batch::{self, Batch};

/// A netlink socket. With its last descriptor, wherever that is, go the tables that it owns.
#[derive(Debug)]
pub(super) struct TableSocket {
    socket: OwnedFd,
    /// The name of our tables, unique in this network namespace.
    pub(super) name: String,
}

impl TableSocket {
    pub(super) fn open() -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = SocketType::RAW;
        let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(NETFILTER))?;
        bind(&socket, &SocketAddrNetlink::new(0, 0))?;
        let port = SocketAddrNetlink::try_from(getsockname(&socket)?)?.pid();
        Ok(Self { socket, name: format!("vrrp-{port}") })
    }

    /// Sends a batch, which the kernel carries out as a whole or not at all, before `send` returns.
    pub(super) fn commit(&self, batch: Batch) -> io::Result<()> {
        send(&self.socket, &batch.end(), SendFlags::empty())?;
        let mut outcome = Ok(());
        let mut buffer = Vec::with_capacity(LARGEST_READ);
        loop {
            buffer.clear();
            match recv(&self.socket, spare_capacity(&mut buffer), RecvFlags::DONTWAIT) {
                Ok(_) => outcome = outcome.and(batch::outcome(&buffer)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return outcome,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for TableSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// An answer quotes the message that it answers, which fits.
const LARGEST_READ: usize = 1 << 16;
