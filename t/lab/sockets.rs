//! The sockets and the view of another process, against the real kernel.

use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::process::Command;
use std::time::Duration;

use harness::{Host, Lab, Signal};
use resty_vrrp::net::{Process, SendSocket, VrrpSocket};
use resty_vrrp::types::{Family, HOP_LIMIT};
use resty_vrrp::wire::ip::{Datagram, Endpoints, Envelope};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

#[test]
fn what_one_host_sends_the_others_hear_and_it_does_not() {
    let lab = Lab::new("sockets");
    let (a, b) =
        (lab.host("worker-01", "192.168.56.101/24"), lab.host("worker-02", "192.168.56.102/24"));
    a.ip("address add fe80::101/64 dev eth0 nodad");
    let runtime = runtime();
    for (source, family) in [(a.address(), Family::Ipv4), (ip("fe80::101"), Family::Ipv6)] {
        let (from, to) = (open(&runtime, &a, family), open(&runtime, &b, family));
        let endpoints = Endpoints::new(source, family.group()).expect("both are of one family");
        let envelope = Envelope { endpoints, hop_limit: HOP_LIMIT };
        let heard_at =
            |socket| runtime.block_on(async { timeout(TENTH, receive(socket)).await.ok() });

        from.send(Datagram { envelope, payload: MESSAGE }).unwrap();

        let received = runtime.block_on(receive(&to)).unwrap();
        assert_eq!(received, (envelope, MESSAGE.to_vec()));
        assert!(heard_at(&from).is_none(), "it hears itself over {family}");

        let trial = Envelope { hop_limit: 0, ..envelope };
        from.send(Datagram { envelope: trial, payload: MESSAGE }).unwrap();
        assert!(heard_at(&to).is_none(), "a trial over {family} has left the host");
        assert!(heard_at(&from).is_none(), "a trial over {family} has come back");

        let other = Envelope { hop_limit: 64, ..envelope };
        let sender = a.enter(|| SendSocket::open().expect("root may open it"));
        let index = index_of_eth0(&a);
        sender.send(index, Datagram { envelope: other, payload: MESSAGE }).unwrap();
        let received = runtime.block_on(receive(&to)).unwrap();
        assert_eq!(received, (other, MESSAGE.to_vec()));
    }
}

/// The address may have gone from the link a moment ago: a resignation still has to leave.
#[test]
fn a_datagram_over_ipv6_leaves_from_an_address_that_is_not_there() {
    let lab = Lab::new("source");
    let (a, b) =
        (lab.host("worker-01", "192.168.56.101/24"), lab.host("worker-02", "192.168.56.102/24"));
    let runtime = runtime();
    let (from, to) = (open(&runtime, &a, Family::Ipv6), open(&runtime, &b, Family::Ipv6));
    let endpoints = Endpoints::new(ip("fe80::77"), Family::Ipv6.group()).expect("of one family");
    let envelope = Envelope { endpoints, hop_limit: HOP_LIMIT };

    from.send(Datagram { envelope, payload: MESSAGE }).unwrap();

    let received = runtime.block_on(receive(&to)).unwrap();
    assert_eq!(received, (envelope, MESSAGE.to_vec()));
}

/// The kernel puts fragments together and reads extension headers: what arrives is the message.
#[test]
fn fragments_and_extension_headers_are_no_part_of_what_is_heard() {
    let lab = Lab::new("fragments");
    let (a, b) =
        (lab.host("worker-01", "192.168.56.101/24"), lab.host("worker-02", "192.168.56.102/24"));
    a.ip("address add fe80::101/64 dev eth0 nodad");
    let runtime = runtime();
    let [begin, end] = [&LONG[..8], &LONG[8..]];
    for (name, source, datagrams) in [
        ("fragments", "192.168.56.101", vec![ipv4(0x2000, begin), ipv4(0x0001, end)]),
        ("fragments, the last one first", "192.168.56.101", {
            vec![ipv4(0x0001, end), ipv4(0x2000, begin)]
        }),
        ("hop-by-hop options", "fe80::101", vec![ipv6(0, PADDING, LONG)]),
        ("destination options", "fe80::101", vec![ipv6(60, PADDING, LONG)]),
        ("one fragment", "fe80::101", vec![ipv6(44, fragment(0), LONG)]),
        ("fragments", "fe80::101", {
            vec![ipv6(44, fragment(1), begin), ipv6(44, fragment(8), end)]
        }),
        ("fragments, the last one first", "fe80::101", {
            vec![ipv6(44, fragment(8), end), ipv6(44, fragment(1), begin)]
        }),
    ] {
        let family = Family::of(ip(source));
        let to = open(&runtime, &b, family);
        let endpoints = Endpoints::new(ip(source), family.group()).expect("both are of one family");
        let envelope = Envelope { endpoints, hop_limit: HOP_LIMIT };
        let heard = || runtime.block_on(async { timeout(TENTH, receive(&to)).await.ok() });

        let (last, first) = datagrams.split_last().expect("there is one");
        for datagram in first {
            send_raw(&a, family, datagram);
        }
        if !first.is_empty() {
            assert!(heard().is_none(), "{name} over {family}: a part is heard");
        }
        send_raw(&a, family, last);

        let received = heard().unwrap_or_else(|| panic!("{name} over {family}: not heard"));
        assert_eq!(received.expect("it can be read"), (envelope, LONG.to_vec()), "{name}");
    }
}

/// Returns a datagram of VRRP from 192.168.56.101 to the group, with these flags and this offset.
fn ipv4(fragment: u16, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(20 + payload.len()).expect("it is short");
    let [high, low] = fragment.to_be_bytes();
    let header = [0x45, 0xc0, 0, length, 7, 7, high, low, HOP_LIMIT, 112, 0, 0];
    [&header[..], &[192, 168, 56, 101], &[224, 0, 0, 18], payload].concat()
}

/// Returns a datagram from `fe80::101` to the group, with one extension header.
fn ipv6(kind: u8, extension: [u8; 8], payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(extension.len() + payload.len()).expect("it is short");
    let addresses = ["fe80::101", "ff02::12"].map(|it| it.parse::<Ipv6Addr>().expect("valid"));
    let [source, group] = addresses.map(|it| it.octets());
    let header = [0x6c, 0, 0, 0, 0, length, kind, HOP_LIMIT];
    [&header[..], &source, &group, &extension, payload].concat()
}

/// Returns a fragment header before VRRP: offset in octets, plus 1 where more follows.
fn fragment(offset_and_more: u8) -> [u8; 8] {
    [112, 0, 0, offset_and_more, 7, 7, 7, 7]
}

/// Sends a datagram that has its header.
fn send_raw(host: &Host, family: Family, datagram: &[u8]) {
    let index = index_of_eth0(host);
    let (domain, group) = match family.group() {
        IpAddr::V4(group) => (Domain::IPV4, SocketAddr::from((group, 0))),
        IpAddr::V6(group) => (Domain::IPV6, SocketAddrV6::new(group, 0, 0, index).into()),
    };
    host.enter(|| {
        let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(255)))?;
        socket.bind_device(Some(b"eth0"))?;
        if family == Family::Ipv6 {
            socket.set_header_included_v6(true)?;
        }
        socket.send_to(datagram, &group.into())
    })
    .expect("root may send it");
}

#[test]
fn reading_an_empty_socket_would_block_and_waiting_for_it_waits() {
    let lab = Lab::new("empty");
    let a = lab.host("worker-01", "192.168.56.101/24");
    let runtime = runtime();
    let socket = open(&runtime, &a, Family::Ipv4);
    let mut buffer = [0; 100];

    let read = socket.try_recv(&mut buffer);

    assert_eq!(read.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    runtime.block_on(async { timeout(TENTH, receive(&socket)).await.unwrap_err() });
}

#[test]
fn the_end_of_another_process_is_noticed_though_somebody_else_reaps_it() {
    let lab = Lab::new("process");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let sleeper = host.spawn(Command::new("sleep").arg("60"));
    let runtime = runtime();

    runtime.block_on(async {
        let process = Process::watch(u32::try_from(sleeper.pid()).unwrap()).unwrap();
        timeout(TENTH, process.exited()).await.unwrap_err();
        sleeper.signal(Signal::SIGKILL);
        timeout(SECOND, process.exited()).await.unwrap().unwrap();
    });
}

/// Waits for a datagram, as the driver does.
async fn receive(socket: &VrrpSocket) -> io::Result<(Envelope, Vec<u8>)> {
    let mut buffer = [0; 1_500];
    loop {
        poll_fn(|cx| socket.poll_recv_ready(cx)).await?;
        match socket.try_recv(&mut buffer) {
            Ok(received) => {
                let Datagram { envelope, payload } = received.expect("it is whole");
                return Ok((envelope, payload.to_vec()));
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn open(runtime: &Runtime, host: &Host, family: Family) -> VrrpSocket {
    let index = index_of_eth0(host);
    let opened = host.enter(|| {
        let _context = runtime.enter();
        let socket = VrrpSocket::open(index, family)?;
        socket.join_group().map(|()| socket)
    });
    opened.expect("root may open it and join")
}

fn index_of_eth0(host: &Host) -> u32 {
    let index = host.exec("cat", &["/sys/class/net/eth0/ifindex"]);
    index.trim().parse().expect("an index is a number")
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("a valid address")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

const MESSAGE: &[u8] = b"anything";
const LONG: &[u8] = b"anything, and more of it";
/// An extension header with nothing but padding, before VRRP.
const PADDING: [u8; 8] = [112, 0, 1, 4, 0, 0, 0, 0];
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
