//! One connection to another engine of this host.

use std::io;
use std::task::{Context, Poll, ready};

use tokio::net::UnixStream;

use crate::net::local;
use crate::succession::HandoverMessage;

/// A connection to another engine. It buffers bytes in both directions and never blocks.
#[derive(Debug)]
pub(in crate::runtime) struct Peer {
    stream: UnixStream,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// How much of that was sent.
    written: usize,
}

impl Peer {
    /// Creates it, if the process at the other end may be an engine of this nginx.
    pub(super) fn trusted(stream: UnixStream) -> io::Result<Self> {
        local::check_peer(&stream)?;
        Ok(Self { stream, incoming: Vec::new(), outgoing: Vec::new(), written: 0 })
    }

    /// Sends a message. What the socket does not take at once is sent with the next
    /// [`poll_receive`](Self::poll_receive).
    pub(in crate::runtime) fn send(&mut self, message: &HandoverMessage) {
        match message.emit() {
            Ok(text) => {
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
                self.outgoing.extend(length.to_be_bytes());
                self.outgoing.extend(text);
                // An error shows again with the next receive.
                self.write().ok();
            }
            Err(error) => tracing::error!("cannot put the state into words: {error}"),
        }
    }

    /// Tells whether every message was sent.
    pub(in crate::runtime) fn is_flushed(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Waits for a message, and sends meanwhile what is buffered.
    ///
    /// # Errors
    ///
    /// When the connection is closed, or the message cannot be parsed.
    pub(in crate::runtime) fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<HandoverMessage>> {
        if let Poll::Ready(Err(error)) = self.poll_flush(cx) {
            return Poll::Ready(Err(error));
        }
        loop {
            if let Some(message) = self.parse()? {
                return Poll::Ready(Ok(message));
            }
            ready!(self.stream.poll_read_ready(cx))?;
            let mut chunk = [0; 4096];
            match self.stream.try_read(&mut chunk) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Ok(length) => self.incoming.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Sends what is buffered, as far as the socket takes it.
    pub(in crate::runtime) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.outgoing.is_empty() {
            ready!(self.stream.poll_write_ready(cx))?;
            self.write()?;
        }
        Poll::Ready(Ok(()))
    }

    fn write(&mut self) -> io::Result<()> {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, WouldBlock};
        while self.written < self.outgoing.len() {
            match self.stream.try_write(&self.outgoing[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == WouldBlock => break,
                // The other end has closed. What it sent before that is read first: an operator's
                // request may be among it.
                Err(error) if matches!(error.kind(), BrokenPipe | ConnectionReset) => {
                    self.written = self.outgoing.len();
                }
                Err(error) => return Err(error),
            }
        }
        // The rest of a large buffer is not moved each time a little of it was sent.
        if self.written * 2 >= self.outgoing.len() {
            self.outgoing.drain(..std::mem::take(&mut self.written));
        }
        Ok(())
    }

    fn parse(&mut self) -> io::Result<Option<HandoverMessage>> {
        let Some((length, rest)) = self.incoming.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        if length > MAX_MESSAGE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a message of absurd length"));
        }
        let Some(text) = rest.get(..length) else { return Ok(None) };
        let message = HandoverMessage::parse(text)?;
        self.incoming.drain(..4 + length);
        Ok(Some(message))
    }
}

/// Far more than the state of [`MAX_INSTANCES`](crate::config::MAX_INSTANCES) routers.
const MAX_MESSAGE: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::time::Duration;

    use super::*;

    async fn receive(peer: &mut Peer) -> io::Result<HandoverMessage> {
        poll_fn(|cx| peer.poll_receive(cx)).await
    }

    fn pair() -> (Peer, Peer) {
        let (one, other) = UnixStream::pair().unwrap();
        (Peer::trusted(one).unwrap(), Peer::trusted(other).unwrap())
    }

    #[tokio::test]
    async fn what_is_said_arrives_whole_and_in_order() {
        let (mut one, mut other) = pair();

        one.send(&HandoverMessage::Hello);
        one.send(&HandoverMessage::Took { not_inherited: Vec::new() });

        assert!(matches!(receive(&mut other).await.unwrap(), HandoverMessage::Hello));
        assert!(matches!(receive(&mut other).await.unwrap(), HandoverMessage::Took { .. }));
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_holds_nobody_up() {
        let (mut one, _other) = pair();

        for _ in 0..100_000 {
            one.send(&HandoverMessage::Hello);
        }

        let flushed = poll_fn(|cx| one.poll_flush(cx));
        assert!(tokio::time::timeout(Duration::from_millis(10), flushed).await.is_err());
    }

    #[tokio::test]
    async fn much_that_leaves_little_by_little_arrives_whole() {
        let (mut one, mut other) = pair();
        let key = r#"{"interface":"eth0","family":"ipv4","vrid":51}"#;
        let text = format!(r#"{{"Took":{{"left":[{}]}}}}"#, vec![key; 40_000].join(","));
        let message = HandoverMessage::parse(text.as_bytes()).unwrap();

        one.send(&message);
        one.send(&HandoverMessage::Hello);

        assert!(!one.is_flushed());
        let flushed = poll_fn(|cx| one.poll_flush(cx));
        let (flushed, heard) = tokio::join!(flushed, receive(&mut other));
        flushed.unwrap();
        assert_eq!(heard.unwrap().emit().unwrap(), text.as_bytes());
        assert!(matches!(receive(&mut other).await.unwrap(), HandoverMessage::Hello));
        assert!(one.is_flushed());
    }

    #[tokio::test]
    async fn nonsense_and_absurd_lengths_end_the_conversation() {
        for bytes in [&b"\0\0\0\x02{}"[..], b"\xff\xff\xff\xff", b"\0\0\0\x03[1]"] {
            let (stream, other) = UnixStream::pair().unwrap();
            let mut peer = Peer::trusted(other).unwrap();
            stream.try_write(bytes).unwrap();

            assert!(receive(&mut peer).await.is_err(), "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_the_other_said_before_its_end_is_heard_although_nothing_can_be_sent() {
        let (mut one, mut other) = pair();
        other.send(&HandoverMessage::Drain(true));
        other.send(&HandoverMessage::Delivered(7));
        drop(other);

        one.send(&HandoverMessage::Hello);

        assert!(matches!(receive(&mut one).await.unwrap(), HandoverMessage::Drain(true)));
        assert!(matches!(receive(&mut one).await.unwrap(), HandoverMessage::Delivered(7)));
        assert!(receive(&mut one).await.is_err());
    }

    #[tokio::test]
    async fn the_end_of_the_other_is_an_error() {
        let (mut one, other) = pair();
        drop(other);

        assert!(receive(&mut one).await.is_err());
    }
}
