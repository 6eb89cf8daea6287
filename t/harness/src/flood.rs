//! A host gone mad: it sends VRRP that makes no sense, as fast as it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::host::Host;

/// Sends rubbish to the group of VRRP until it is dropped.
#[derive(Debug)]
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<u64>>,
}

impl Flood {
    /// Starts sending so many datagrams a second: cut off, of unknown versions, with lying lengths,
    /// with wrong checksums.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host, per_second: u32) -> Self {
        Self::of(host, per_second, raw_socket, rubbish)
    }

    /// Starts sending so many valid advertisements a second, of VRID 51 and priority 150 with ten
    /// advertisements a second, as a clone of the host 192.168.56.101 would.
    #[must_use]
    #[track_caller]
    pub fn start_cloned(host: &Host, per_second: u32) -> Self {
        Self::of(host, per_second, cloned_socket, |_| cloned_advert())
    }

    #[track_caller]
    fn of(
        host: &Host,
        per_second: u32,
        socket: fn(&Host) -> Socket,
        datagram: fn(u64) -> Vec<u8>,
    ) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (for_thread, host) = (Arc::clone(&stop), host.clone());
        let thread = thread::spawn(move || {
            host.join();
            send(&socket(&host), per_second, &for_thread, datagram)
        });
        Self { stop, thread: Some(thread) }
    }

    /// Stops and returns how many were sent.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.thread.take().map(JoinHandle::join);
        sent.expect("it runs until now").expect("root may send rubbish")
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

/// Sends in bursts of a millisecond; what the machine cannot do is left out, not made up for.
fn send(socket: &Socket, per_second: u32, stop: &AtomicBool, datagram: fn(u64) -> Vec<u8>) -> u64 {
    let group: SockAddr = SocketAddr::from((GROUP, 0)).into();
    let burst = (per_second / 1000).max(1);
    let (mut sent, mut next) = (0, Instant::now());
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..burst {
            sent += u64::from(socket.send_to(&datagram(sent), &group).is_ok());
        }
        next = (next + BURST).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    sent
}

fn rubbish(number: u64) -> Vec<u8> {
    let noise = number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    // A checksum at random would now and then be right, and this a forged advertisement.
    let advert = [0x31, 51, 255, 1, 0, 10, 0, 0, 192, 168, 56, 100];
    match number % 4 {
        0 => advert.to_vec(),
        1 => advert[..5].to_vec(),
        2 => [&[0x41 | noise[2]], &advert[1..]].concat(),
        _ => [&advert[..3], &[200], &advert[4..], &noise].concat(),
    }
}

fn cloned_advert() -> Vec<u8> {
    let header = [0x45, 0xc0, 0, 32, 0, 0, 0, 0, 255, 112, 0, 0, 192, 168, 56, 101, 224, 0, 0, 18];
    // The checksum has a pseudo-header.
    let advert = [0x31, 51, 150, 1, 0, 10, 0x66, 0x17, 192, 168, 56, 100];
    [&header[..], &advert].concat()
}

fn cloned_socket(host: &Host) -> Socket {
    let socket = raw_socket(host);
    socket.set_header_included_v4(true).expect("a raw socket may");
    socket
}

fn raw_socket(host: &Host) -> Socket {
    let std::net::IpAddr::V4(address) = host.address() else { panic!("an IPv4 host") };
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112)));
    let socket = socket.expect("root may open a raw socket");
    socket.set_multicast_if_v4(&address).expect("it has the address");
    socket.set_multicast_ttl_v4(255).expect("any TTL goes");
    socket.set_multicast_loop_v4(false).expect("a socket need not hear itself");
    // Nobody reads here what the others send.
    socket.set_recv_buffer_size(0).expect("a buffer may be small");
    socket
}

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const BURST: Duration = Duration::from_millis(1);
