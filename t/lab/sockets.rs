//! The sockets and the view of another process, against the real kernel.

use std::future::poll_fn;
use std::io;
use std::process::Command;
use std::time::Duration;

use harness::{Host, Lab, Signal};
use resty_vrrp::net::{Process, VrrpSocket};
use resty_vrrp::types::{GROUP_IPV4, HOP_LIMIT};
use resty_vrrp::wire::ip::{Datagram, Endpoints, Envelope};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

#[test]
fn what_one_host_sends_the_others_hear_and_it_does_not() {
    let lab = Lab::new("sockets");
    let (a, b) =
        (lab.host("worker-01", "192.168.56.101/24"), lab.host("worker-02", "192.168.56.102/24"));
    let runtime = runtime();
    let (from, to) = (open(&runtime, &a), open(&runtime, &b));
    let endpoints = Endpoints::new(a.address(), GROUP_IPV4.into()).expect("both are of IPv4");
    let envelope = Envelope { endpoints, hop_limit: HOP_LIMIT };

    from.send(Datagram { envelope, payload: MESSAGE }).unwrap();

    let received = runtime.block_on(receive(&to)).unwrap();
    assert_eq!(received, (envelope, MESSAGE.to_vec()));
    let echo = runtime.block_on(async { timeout(TENTH, receive(&from)).await });
    assert!(echo.is_err(), "{echo:?}");
}

#[test]
fn reading_an_empty_socket_would_block_and_waiting_for_it_waits() {
    let lab = Lab::new("empty");
    let a = lab.host("worker-01", "192.168.56.101/24");
    let runtime = runtime();
    let socket = open(&runtime, &a);
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

fn open(runtime: &Runtime, host: &Host) -> VrrpSocket {
    let opened = host.enter(|| {
        let _context = runtime.enter();
        let index = std::fs::read_to_string("/sys/class/net/eth0/ifindex").expect("eth0 is there");
        VrrpSocket::open(index.trim().parse().expect("an index is a number"))
    });
    opened.expect("root may open it")
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime can be made")
}

const MESSAGE: &[u8] = b"anything";
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
