//! What goes over the wire, read without a line of the code under test.

use std::io::{self, IoSliceMut};
use std::mem::{MaybeUninit, size_of};
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{ControlMessageOwned, LinkAddr, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};

use crate::host::Host;
use crate::wait::eventually;

/// Listens on one interface or on all interfaces of a host, until it is dropped.
///
/// On a host that takes no part, it sees what the switch sends to everybody: advertisements and
/// announcements. On a router it sees also what that router sends.
#[derive(Debug)]
pub struct Sniffer {
    heard: Arc<Heard>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Heard {
    stop: AtomicBool,
    adverts: Mutex<Vec<Advert>>,
    announcements: Mutex<Vec<Announcement>>,
    /// How many frames the kernel had no room for.
    lost: AtomicU32,
}

/// A VRRP advertisement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Advert {
    /// When the kernel saw it.
    pub at: Instant,
    /// Index of the interface it was heard on.
    pub link: usize,
    /// Source address of the datagram.
    pub source: IpAddr,
    /// Destination address of the datagram.
    pub destination: IpAddr,
    /// Source address of the frame.
    pub mac: [u8; 6],
    /// Time to Live, or hop limit.
    pub ttl: u8,
    /// Protocol version.
    pub version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority; 0 resigns.
    pub priority: u8,
    /// Advertisement interval.
    pub interval: Duration,
    /// What the checksum covers.
    pub checksum: Checksum,
    /// Authentication type of version 2.
    pub auth_type: u8,
    /// Virtual addresses.
    pub addresses: Vec<IpAddr>,
}

/// What the checksum of an advertisement covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checksum {
    /// The message alone: version 2, and version 3 after RFC 9568.
    Message,
    /// A pseudo-header and the message: keepalived's version 3.
    PseudoHeader,
    /// Nothing known.
    Wrong,
}

/// A frame as it was received.
struct Frame<'a> {
    octets: &'a [u8],
    link: usize,
    /// When the kernel saw it: on a busy machine it is read much later.
    at: Instant,
    /// How many frames the kernel has dropped for want of room, up to this one.
    lost_before: u32,
}

/// A gratuitous ARP, or an unsolicited neighbor advertisement: "this address is here".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Announcement {
    /// When the kernel saw it.
    pub at: Instant,
    /// The address.
    pub address: IpAddr,
    /// Where it is now.
    pub mac: [u8; 6],
    /// Of ARP: whether it is a reply; else a request.
    pub reply: bool,
    /// Of ARP: target hardware address, without meaning in a request, so each program has its own.
    pub target_mac: [u8; 6],
    /// Of a neighbor advertisement: the octet with the flags R, S and O, and the hop limit.
    pub flags_and_hop_limit: Option<(u8, u8)>,
    /// Destination and source address of the frame.
    pub frame: ([u8; 6], [u8; 6]),
}

impl Sniffer {
    /// Listens on a host's `eth0`.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host) -> Self {
        Self::start_on(host, Some("eth0"))
    }

    /// Listens on all interfaces of a host.
    #[must_use]
    #[track_caller]
    pub fn start_on_all_links(host: &Host) -> Self {
        Self::start_on(host, None)
    }

    #[track_caller]
    fn start_on(host: &Host, interface: Option<&str>) -> Self {
        let heard = Arc::new(Heard::default());
        let socket = host.enter(|| packet_socket(interface));
        let socket = socket.expect("root may listen on an interface");
        let for_thread = Arc::clone(&heard);
        let thread = thread::spawn(move || for_thread.listen(&socket));
        Self { heard, thread: Some(thread) }
    }

    /// Returns the advertisements heard so far.
    #[must_use]
    pub fn adverts(&self) -> Vec<Advert> {
        self.heard.adverts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the advertisements heard since a moment.
    #[must_use]
    pub fn adverts_since(&self, start: Instant) -> Vec<Advert> {
        self.adverts().into_iter().filter(|advert| advert.at >= start).collect()
    }

    /// Looks at the advertisements heard so far without copying them. None is added meanwhile.
    pub fn look_at_adverts<T>(&self, look: impl FnOnce(&[Advert]) -> T) -> T {
        look(&self.heard.adverts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns how many frames were not heard because the kernel had no room for them.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.heard.lost.load(Ordering::Relaxed)
    }

    /// Returns the announcements heard so far.
    #[must_use]
    pub fn announcements(&self) -> Vec<Announcement> {
        self.heard.announcements.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an advertisement, heard since `start`, that is as wanted.
    #[track_caller]
    pub fn wait_for_advert(
        &self,
        what: &str,
        start: Instant,
        within: Duration,
        wanted: impl Fn(&Advert) -> bool,
    ) -> Advert {
        eventually(what, within, || {
            let heard = self.adverts_since(start);
            let last = heard.last().map_or("no advertisement".to_owned(), |it| format!("{it:?}"));
            heard.into_iter().find(&wanted).ok_or(last)
        })
    }

    /// Waits for an announcement of an address, heard since `start`.
    #[track_caller]
    pub fn wait_for_announcement(
        &self,
        address: &str,
        start: Instant,
        within: Duration,
    ) -> Announcement {
        let address: IpAddr = address.parse().expect("a valid address");
        eventually(&format!("{address} is announced"), within, || {
            let heard = self.announcements();
            let found = heard.iter().find(|it| it.at >= start && it.address == address);
            found.copied().ok_or_else(|| format!("{heard:?}"))
        })
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.heard.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

impl Heard {
    fn listen(&self, socket: &Socket) {
        let mut buffer = [0; 2048];
        while !self.stop.load(Ordering::Relaxed) {
            if let Ok(frame) = Frame::receive(socket, &mut buffer) {
                self.lost.fetch_max(frame.lost_before, Ordering::Relaxed);
                self.sort(&frame);
            }
        }
    }

    fn sort(&self, frame: &Frame<'_>) {
        if let Some(advert) = Advert::read(frame) {
            self.adverts.lock().unwrap_or_else(PoisonError::into_inner).push(advert);
        } else if let Some(announcement) = Announcement::read(frame) {
            let mut all = self.announcements.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(announcement);
        }
    }
}

impl Advert {
    fn read(frame: &Frame<'_>) -> Option<Self> {
        let Frame { octets: frame, link, at, .. } = *frame;
        let Packet { addresses: endpoints, hop_limit, message } = Packet::read(frame, VRRP)?;
        let size = endpoints.len() / 2;
        let count = usize::from(*message.get(3)?);
        let list = message.get(8..8 + size * count)?;
        let addresses = list.chunks_exact(size).map(ip).collect();
        let version = message[0] >> 4;
        let (auth_type, interval) = match version {
            2 => (message[4], Duration::from_secs(message[5].into())),
            _ => (0, centiseconds(message[4], message[5])),
        };
        Some(Self {
            at,
            link,
            source: ip(&endpoints[..size]),
            destination: ip(&endpoints[size..]),
            mac: frame[6..12].try_into().ok()?,
            ttl: hop_limit,
            version,
            vrid: message[1],
            priority: message[2],
            interval,
            checksum: Checksum::of(endpoints, message),
            auth_type,
            addresses,
        })
    }
}

/// What an IP header says, and what follows it.
struct Packet<'a> {
    /// Source, then destination.
    addresses: &'a [u8],
    hop_limit: u8,
    message: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a frame that carries a protocol over either family.
    fn read(frame: &'a [u8], protocol: u8) -> Option<Self> {
        let header = frame.get(14..)?;
        match frame[12..14] {
            [0x08, 0x00] if *header.get(9)? == protocol => {
                let length = usize::from(header[0] & 0x0f) * 4;
                let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
                let message = header.get(length..total)?;
                Some(Self { addresses: header.get(12..20)?, hop_limit: header[8], message })
            }
            [0x86, 0xdd] if *header.get(6)? == protocol => {
                let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
                let message = header.get(40..40 + length)?;
                Some(Self { addresses: header.get(8..40)?, hop_limit: header[7], message })
            }
            _ => None,
        }
    }
}

impl Checksum {
    fn of(source_and_destination: &[u8], message: &[u8]) -> Self {
        let alone = sum(message);
        let length = u64::try_from(message.len()).expect("a datagram is short");
        let pseudo = sum(source_and_destination) + u64::from(VRRP) + length;
        match (fold(alone), fold(alone + pseudo)) {
            (0xffff, _) => Self::Message,
            (_, 0xffff) => Self::PseudoHeader,
            _ => Self::Wrong,
        }
    }
}

impl Announcement {
    fn read(frame: &Frame<'_>) -> Option<Self> {
        Self::read_arp(frame).or_else(|| Self::read_neighbor_advertisement(frame))
    }

    fn read_neighbor_advertisement(frame: &Frame<'_>) -> Option<Self> {
        let Frame { octets: frame, at, .. } = *frame;
        let Packet { addresses, hop_limit, message } = Packet::read(frame, ICMPV6)?;
        let target = message.get(8..24)?;
        let pseudo = sum(addresses) + u64::from(ICMPV6) + u64::try_from(message.len()).ok()?;
        let is_intact = fold(sum(message) + pseudo) == 0xffff;
        let to_all = addresses[16..] == ALL_NODES;
        let has_option = message.get(24..26)? == [2, 1];
        if message[..2] != [NEIGHBOR_ADVERTISEMENT, 0] || !is_intact || !to_all || !has_option {
            return None;
        }
        Some(Self {
            at,
            address: ip(target),
            mac: message.get(26..32)?.try_into().ok()?,
            reply: false,
            target_mac: [0; 6],
            flags_and_hop_limit: Some((message[4], hop_limit)),
            frame: (frame[0..6].try_into().ok()?, frame[6..12].try_into().ok()?),
        })
    }

    fn read_arp(frame: &Frame<'_>) -> Option<Self> {
        let Frame { octets: frame, at, .. } = *frame;
        let arp = frame.get(14..42)?;
        let gratuitous = arp[14..18] == arp[24..28];
        if frame[12..14] != [0x08, 0x06] || !gratuitous {
            return None;
        }
        Some(Self {
            at,
            address: ip(&arp[14..18]),
            mac: arp[8..14].try_into().ok()?,
            reply: arp[7] == 2,
            target_mac: arp[18..24].try_into().ok()?,
            flags_and_hop_limit: None,
            frame: (frame[0..6].try_into().ok()?, frame[6..12].try_into().ok()?),
        })
    }
}

impl<'a> Frame<'a> {
    fn receive(socket: &Socket, buffer: &'a mut [u8]) -> nix::Result<Self> {
        let mut control = nix::cmsg_space!(TimeSpec, u32);
        let mut space = [IoSliceMut::new(buffer)];
        let flags = MsgFlags::empty();
        let message =
            recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut space, Some(&mut control), flags)?;
        let now = Instant::now();
        let (mut at, mut lost_before) = (now, 0);
        for extra in message.cmsgs()? {
            if let ControlMessageOwned::ScmTimestampns(stamp) = extra {
                let stamp = SystemTime::UNIX_EPOCH + Duration::from(stamp);
                let ago = stamp.elapsed().unwrap_or_default();
                at = now.checked_sub(ago).unwrap_or(now);
            } else if let ControlMessageOwned::RxqOvfl(lost) = extra {
                lost_before = lost;
            }
        }
        let (link, length) = (message.address.map_or(0, |from| from.ifindex()), message.bytes);
        Ok(Self { octets: &buffer[..length], link, at, lost_before })
    }
}

fn packet_socket(interface: Option<&str>) -> io::Result<Socket> {
    let every = u16::try_from(libc::ETH_P_ALL).expect("it is two octets").to_be();
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(every))))?;
    // Zero stands for all of them.
    let index = interface.map(if_nametoindex).transpose()?.unwrap_or_default();
    let index = i32::try_from(index).expect("interfaces are few");
    let mut address: libc::sockaddr_ll = unsafe_zeroed();
    address.sll_family = u16::try_from(libc::AF_PACKET).expect("it is small");
    address.sll_protocol = every;
    address.sll_ifindex = index;
    bind(&socket, &address)?;
    setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER)?;
    setsockopt(&socket, sockopt::RxqOvfl, &1)?;
    socket.attach_filter(&vrrp_and_announcements())?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

/// Lets the kernel drop all other frames: a client at full speed would fill the socket.
fn vrrp_and_announcements() -> [SockFilter; 12] {
    let load_half = |at| SockFilter::new(0x28, 0, 0, at);
    let load_octet = |at| SockFilter::new(0x30, 0, 0, at);
    let skip_if = |value, then, otherwise| SockFilter::new(0x15, then, otherwise, value);
    let take = |octets| SockFilter::new(0x06, 0, 0, octets);
    [
        load_half(12),
        skip_if(0x0806, 8, 0),
        skip_if(0x86dd, 3, 0),
        skip_if(0x0800, 0, 7),
        load_octet(23),
        skip_if(VRRP.into(), 4, 5),
        load_octet(20),
        skip_if(VRRP.into(), 2, 0),
        load_octet(54),
        skip_if(NEIGHBOR_ADVERTISEMENT.into(), 0, 1),
        take(u32::MAX),
        take(0),
    ]
}

fn unsafe_zeroed() -> libc::sockaddr_ll {
    // SAFETY: all fields are integers, for which zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

fn bind(socket: &Socket, address: &libc::sockaddr_ll) -> io::Result<()> {
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).expect("it is small");
    let address = std::ptr::from_ref(address).cast();
    // SAFETY: the pointer is to a whole address of that length, which outlives the call.
    match unsafe { libc::bind(socket.as_raw_fd(), address, length) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

fn sum(bytes: &[u8]) -> u64 {
    let pairs = bytes.chunks(2);
    pairs.map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u64 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum
}

fn ip(bytes: &[u8]) -> IpAddr {
    match *bytes {
        [a, b, c, d] => IpAddr::from([a, b, c, d]),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).expect("an address of IPv6")),
    }
}

fn centiseconds(high: u8, low: u8) -> Duration {
    Duration::from_millis(u64::from(u16::from_be_bytes([high & 0x0f, low])) * 10)
}

const VRRP: u8 = 112;
const ICMPV6: u8 = 58;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const ALL_NODES: [u8; 16] = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Room for some 40,000 advertisements, more than any host sends before the next look.
const RECEIVE_BUFFER: usize = 32 << 20;
