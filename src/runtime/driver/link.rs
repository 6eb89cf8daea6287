//! The interfaces that the loop listens on.

use std::task::{Context, Poll};

use crate::net::VrrpSocket;
use crate::wire::ip::Datagram;

/// One interface, with the socket that hears it.
#[derive(Default)]
pub(super) struct Link {
    pub(super) socket: Option<VrrpSocket>,
    /// The index that the socket belongs to.
    pub(super) index: Option<u32>,
    /// What was said last, so that a failure is said once.
    pub(super) failure: Option<String>,
}

impl Link {
    /// Sends a datagram, unless there is no socket.
    pub(super) fn send(&mut self, datagram: Datagram<'_>) {
        let Some(socket) = &self.socket else { return };
        match socket.send(datagram) {
            Ok(()) => self.failure = None,
            Err(error) => self.fail(&format!("cannot send advertisements: {error}")),
        }
    }

    /// Says what failed, unless it was the last thing said.
    pub(super) fn fail(&mut self, failure: &str) {
        if self.failure.as_deref() != Some(failure) {
            tracing::error!("{failure}");
            self.failure = Some(failure.to_owned());
        }
    }
}

/// Waits for a datagram, and returns which link it came from.
pub(super) fn poll_readable(links: &[Link], cx: &mut Context<'_>) -> Poll<usize> {
    for (index, link) in links.iter().enumerate() {
        if let Some(socket) = &link.socket {
            if socket.poll_recv_ready(cx).is_ready() {
                return Poll::Ready(index);
            }
        }
    }
    Poll::Pending
}
