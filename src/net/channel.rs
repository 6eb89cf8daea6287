//! A connection between two processes of this host.

use std::io;
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

use crate::net::watched::Watched;

/// One end of a connection that keeps the boundaries of messages and never waits to send.
#[derive(Debug)]
pub struct Channel {
    socket: Watched,
}

impl Channel {
    /// Makes a connection: this end, and the one to give away. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// When the process has no file descriptor left.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (here, there) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        Ok((Self::of(here)?, there))
    }

    /// Continues with an end that another process made. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be waited on.
    pub fn of(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self { socket: Watched::new(socket)? })
    }

    /// Sends one message.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when the other end does not read, and
    /// [`BrokenPipe`](io::ErrorKind::BrokenPipe) when there is none any more.
    pub fn send(&self, message: &[u8]) -> io::Result<()> {
        send(&self.socket, message, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Tells whether there may be something to receive, without a system call.
    ///
    /// A task that waits in [`recv`](Self::recv) has to call it again.
    #[must_use]
    pub fn may_have_news(&self) -> bool {
        self.socket.may_be_readable()
    }

    /// Receives one message into `buffer`, cut off at its capacity; an empty one is the end.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) when there is none.
    pub fn try_recv(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        let mut received = self.receive(buffer);
        // The other end has closed without having read everything. The kernel reports that once;
        // what it sent before is there still.
        if received.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset) {
            received = self.receive(buffer);
        }
        received
    }

    fn receive(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        buffer.clear();
        let space = spare_capacity(buffer);
        self.socket.read(|fd| recv(fd, space, RecvFlags::empty()))?;
        Ok(())
    }

    /// Receives one message, as [`try_recv`](Self::try_recv), and waits for it. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the connection broke.
    pub async fn recv(&self, buffer: &mut Vec<u8>) -> io::Result<()> {
        loop {
            self.socket.readable().await?;
            match self.try_recv(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_words_of_who_did_not_listen_are_heard() {
        let (here, there) = Channel::pair().unwrap();
        let there = Channel::of(there).unwrap();
        here.send(b"are you there?").unwrap();
        there.send(b"bye").unwrap();
        drop(there);

        let mut message = Vec::with_capacity(16);
        here.recv(&mut message).await.unwrap();
        assert_eq!(message, b"bye");
        here.recv(&mut message).await.unwrap();
        assert_eq!(message, b"");
    }
}
