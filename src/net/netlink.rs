//! The netlink socket for links and addresses (rtnetlink).
//!
//! Requests and events share one socket, so that their order is known. The kernel carries out a
//! request within `send`, queues the events that it caused, then the answer. So the answer is there
//! when `send` returns, and [`Netlink::events`] then returns everything that happened before.

mod neighbours;

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST, NetlinkBuffer,
    NetlinkMessage,
};
use rtnetlink::packet_route::address::AddressMessage;
use rtnetlink::packet_route::link::LinkMessage;
use rtnetlink::packet_route::neighbour::NeighbourMessage;
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::buffer::spare_capacity;
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{
    AddressFamily as SocketFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, recv, send,
    socket_with,
};

pub use self::neighbours::HostOnLink;
use crate::net::socket::bound_receive_buffer;
use crate::net::watched::Watched;
use crate::net::{KernelEvent, NetError, message};

/// A netlink socket that receives the events of all links and addresses of this host.
///
/// After an error events may be missing: open another socket and [`dump`](Self::dump).
#[derive(Debug)]
pub struct Netlink {
    socket: Watched,
    sequence: u32,
    buffer: Vec<u8>,
    heard: VecDeque<KernelEvent>,
}

impl Netlink {
    /// Opens the socket and subscribes. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the kernel refuses the socket.
    pub fn open() -> Result<Self, NetError> {
        let groups = [MulticastGroup::Link, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv6Ifaddr];
        let socket = open(&groups)
            .and_then(Watched::new)
            .map_err(|error| NetError::new("open", "a netlink socket", error))?;
        let buffer = Vec::with_capacity(LARGEST_READ);
        Ok(Self { socket, sequence: 0, buffer, heard: VecDeque::new() })
    }

    /// Returns every link, then every address, then the events that arrived meanwhile. Applied
    /// in this order, they give the present state.
    ///
    /// # Errors
    ///
    /// When the socket failed.
    pub fn dump(&mut self) -> Result<Vec<KernelEvent>, NetError> {
        let mut records = Vec::new();
        let addresses = |family| {
            let mut ask = AddressMessage::default();
            ask.header.family = family;
            RouteNetlinkMessage::GetAddress(ask)
        };
        for request in [
            RouteNetlinkMessage::GetLink(LinkMessage::default()),
            addresses(AddressFamily::Inet),
            addresses(AddressFamily::Inet6),
        ] {
            let dumped = self.dump_whole(&request);
            let error = |error| NetError::new("read", "links and addresses", error);
            records.extend(dumped.map_err(error)?);
        }
        records.extend(std::mem::take(&mut self.heard));
        Ok(records)
    }

    /// Carries out requests, and returns the kernel's answer to each.
    ///
    /// # Errors
    ///
    /// When the socket failed. Some of the requests may have been carried out.
    pub fn request(&mut self, requests: &[Request]) -> Result<Vec<io::Result<()>>, NetError> {
        let mut answers = Vec::with_capacity(requests.len());
        for batch in requests.chunks(BATCH) {
            self.request_batch(batch, &mut answers)
                .map_err(|error| NetError::new("change", "addresses", error))?;
        }
        Ok(answers)
    }

    /// Waits until there may be events. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub async fn readable(&self) -> io::Result<()> {
        if self.heard.is_empty() {
            self.socket.readable().await?;
        }
        Ok(())
    }

    /// Returns what happened since the last call, oldest first.
    ///
    /// # Errors
    ///
    /// When events were lost, because more happened than the socket has room for.
    pub fn events(&mut self) -> Result<VecDeque<KernelEvent>, NetError> {
        for _ in 0..MOST_READS {
            match self.receive(&mut |_| {}) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(NetError::new("follow", "links and addresses", error)),
            }
        }
        Ok(std::mem::take(&mut self.heard))
    }

    /// Returns several dumps, one after the other: while addresses are added and removed, a dump
    /// may lack one that was there all the time, and the kernel does not always say so.
    ///
    /// The kernel makes one change at a time, and reports each before the next. So if two dumps of
    /// several datagrams are equal, and no event arrived since the first one began, there was one
    /// change at most, and they are complete. If something changes all the time, a record that is
    /// missing in one dump is in another.
    fn dump_whole(&mut self, ask: &RouteNetlinkMessage) -> io::Result<Vec<KernelEvent>> {
        let mut records = Vec::new();
        let mut last = None;
        for _ in 0..MOST_DUMPS {
            let (start, heard) = (records.len(), self.heard.len());
            let datagrams = self.dump_of(ask.clone(), &mut records)?;
            let is_confirmed = last.is_some_and(|(before, heard_before)| {
                heard_before == self.heard.len() && records[before..start] == records[start..]
            });
            if datagrams.is_some_and(|count| count <= 1 || is_confirmed) {
                break;
            }
            last = Some((start, heard));
        }
        Ok(records)
    }

    /// Returns how many datagrams the records took; `None` if something changed meanwhile.
    fn dump_of(
        &mut self,
        ask: RouteNetlinkMessage,
        records: &mut Vec<KernelEvent>,
    ) -> io::Result<Option<usize>> {
        let request = Request { flags: NLM_F_DUMP, message: ask };
        let sequence = self.send(&[request])?;
        let (mut end, mut whole, mut datagrams) = (None, true, 0);
        while end.is_none() {
            let before = records.len();
            self.receive(&mut |answer| match answer {
                Answer::Record(event) => records.push(event),
                Answer::Interrupted => whole = false,
                Answer::End { sequence: of, result } if of == sequence => end = Some(result),
                Answer::Neighbour(_) | Answer::End { .. } => {}
            })?;
            datagrams += usize::from(records.len() > before);
        }
        end.unwrap_or(Ok(())).map(|()| whole.then_some(datagrams))
    }

    fn request_batch(
        &mut self,
        batch: &[Request],
        answers: &mut Vec<io::Result<()>>,
    ) -> io::Result<()> {
        let mut expected = self.send(batch)?;
        let mut missing = batch.len();
        while missing > 0 {
            self.receive(&mut |answer| {
                // The kernel answers in order.
                let Answer::End { sequence, result } = answer else { return };
                if sequence == expected {
                    answers.push(result);
                    expected = expected.wrapping_add(1);
                    missing -= 1;
                }
            })?;
        }
        Ok(())
    }

    /// Sends the requests as one datagram, and returns the sequence number of the first.
    fn send(&mut self, requests: &[Request]) -> io::Result<u32> {
        let first = self.sequence.wrapping_add(1);
        let mut datagram = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            let mut message = NetlinkMessage::from(request.message.clone());
            message.header.flags = NLM_F_REQUEST | request.flags;
            message.header.sequence_number = self.sequence;
            message.finalize();
            let start = datagram.len();
            datagram.resize(start + message.buffer_len().next_multiple_of(ALIGNMENT), 0);
            message.serialize(&mut datagram[start..]);
        }
        // Without a destination it goes to the kernel.
        send(&self.socket, &datagram, SendFlags::empty())?;
        Ok(first)
    }

    /// Reads one datagram: events are kept, answers handed over.
    fn receive(&mut self, answered: &mut dyn FnMut(Answer)) -> io::Result<()> {
        self.buffer.clear();
        let buffer = spare_capacity(&mut self.buffer);
        self.socket.read(|fd| recv(fd, buffer, RecvFlags::empty()))?;
        let mut rest = self.buffer.as_slice();
        while let Ok(message) = NetlinkBuffer::new_checked(rest) {
            sort(&message, &mut self.heard, answered);
            let length = (message.length() as usize).next_multiple_of(ALIGNMENT);
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }
}

/// A request to the kernel.
#[derive(Clone, Debug)]
pub struct Request {
    flags: u16,
    message: RouteNetlinkMessage,
}

impl Request {
    /// Builds a request that the kernel answers whether it succeeds or not.
    #[must_use]
    pub fn new(flags: u16, message: RouteNetlinkMessage) -> Self {
        Self { flags: flags | NLM_F_ACK, message }
    }
}

enum Answer {
    Record(KernelEvent),
    Neighbour(NeighbourMessage),
    /// What is dumped has changed since the beginning.
    Interrupted,
    End {
        sequence: u32,
        result: io::Result<()>,
    },
}

/// Opens a socket that is told of the changes of some kinds.
fn open(groups: &[MulticastGroup]) -> io::Result<OwnedFd> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    // No protocol is protocol 0, `NETLINK_ROUTE`.
    let socket = socket_with(SocketFamily::NETLINK, SocketType::RAW, flags, None)?;
    bound_receive_buffer(&socket, RECEIVE_BUFFER)?;
    let mask = groups.iter().fold(0, |mask, group| mask | 1 << (*group as u32 - 1));
    bind(&socket, &SocketAddrNetlink::new(0, mask))?;
    Ok(socket)
}

fn sort(
    message: &NetlinkBuffer<&[u8]>,
    heard: &mut VecDeque<KernelEvent>,
    answered: &mut dyn FnMut(Answer),
) {
    if message.flags() & NLM_F_DUMP_INTR != 0 && message.flags() & NLM_F_MULTIPART != 0 {
        answered(Answer::Interrupted);
    }
    match i32::from(message.message_type()) {
        // Both begin with an error number, negative as in the kernel; 0 is success.
        libc::NLMSG_ERROR | libc::NLMSG_DONE => {
            let code = message.payload().first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            let result = match code {
                0 => Ok(()),
                code => Err(io::Error::from_raw_os_error(code.saturating_neg())),
            };
            answered(Answer::End { sequence: message.sequence_number(), result });
        }
        _ if message.message_type() == libc::RTM_NEWNEIGH => {
            neighbours::neighbour(message.payload()).map(Answer::Neighbour).map(answered);
        }
        _ => match message::event(message) {
            // An event that we caused bears the number of our request: only the flag tells a dump.
            Some(event) if message.flags() & NLM_F_MULTIPART != 0 => {
                answered(Answer::Record(event));
            }
            Some(event) => heard.push_back(event),
            None => {}
        },
    }
}

/// Most dumps in a row. One takes a millisecond for some thousand addresses.
const MOST_DUMPS: usize = 8;

/// Most requests in one datagram: their answers and events fit the receive buffer.
const BATCH: usize = 64;

/// Most datagrams read in one turn; the others are read in the next one.
const MOST_READS: usize = 1024;

/// The largest datagram that the kernel builds for a reader (`max_recvmsg_len`).
const LARGEST_READ: usize = 1 << 16;

/// Room for some 4,000 events. When it is full the kernel reports that, and everything is dumped
/// again.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Messages start at multiples of this (`NLMSG_ALIGNTO`).
const ALIGNMENT: usize = 4;
