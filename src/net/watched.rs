//! A descriptor that a task can wait on.

use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor and tokio's belief about whether it is readable.
///
/// The belief lasts until a [`read`](Self::read) would block.
#[derive(Debug)]
pub(super) struct Watched {
    fd: AsyncFd<OwnedFd>,
}

impl Watched {
    /// Watches the descriptor. Must be called within a tokio runtime.
    pub(super) fn new(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` is open, and the same, until it is dropped.
        let fd = unsafe { AsyncFd::register_with_interest(fd.into(), Interest::READABLE) }?;
        Ok(Self { fd })
    }

    /// Waits until the descriptor may be readable.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.fd.poll_read_ready(cx))?.retain_ready();
        Poll::Ready(Ok(()))
    }

    /// Waits until the kernel says that the descriptor has become readable, once for each time.
    pub(super) fn poll_edge(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.fd.poll_read_ready(cx))?.clear_ready();
        Poll::Ready(Ok(()))
    }

    /// Tells whether the descriptor may be readable, without a system call. A task that waits for
    /// it has to wait anew.
    pub(super) fn may_be_readable(&self) -> bool {
        self.poll_readable(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Waits until the descriptor may be readable. Cancel-safe.
    pub(super) async fn readable(&self) -> io::Result<()> {
        poll_fn(|cx| self.poll_readable(cx)).await
    }

    /// Reads, whatever tokio believes: what a request has just caused is there before tokio knows.
    pub(super) fn read<R>(
        &self,
        read: impl FnOnce(BorrowedFd<'_>) -> rustix::io::Result<R>,
    ) -> io::Result<R> {
        let result = read(self.fd.as_fd()).map_err(io::Error::from);
        if result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.forget();
        }
        result
    }

    /// Has tokio ask the kernel again.
    fn forget(&self) {
        // The outcome says nothing: this call exists to be seen to block.
        let blocked: io::Result<()> =
            self.fd.try_io(Interest::READABLE, |_| Err(io::ErrorKind::WouldBlock.into()));
        debug_assert!(blocked.is_err(), "the closure fails");
    }
}

impl AsFd for Watched {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
