//! Open connections whose address moves to another host, against the real kernel.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use harness::{Host, Lab};
use resty_vrrp::net::{Announcer, Firewall, MovedAddresses, Rules};
use resty_vrrp::types::{Families, Family, Ipv6Role, LinkName};
use resty_vrrp::wire::{arp, ndisc};

#[test]
fn a_connection_goes_on_where_it_was_opened_and_new_ones_open_where_the_address_is() {
    for (family, way) in ways() {
        let lab = Lab::new("connections");
        let mut move_ = Move::begin(&lab, family, way);
        let mut talking = move_.connect();
        assert_eq!(ask(&mut talking).unwrap(), "former");
        let mut silent = move_.connect();

        move_.go_on();

        assert_eq!(ask(&mut talking).unwrap(), "former");
        assert_eq!(ask(&mut silent).unwrap(), "former");
        for _ in 0..20 {
            assert_eq!(ask(&mut move_.connect()).unwrap(), "next");
        }
        // Both ends can still close it, and much fits into one segment that the link has to cut.
        talking.write_all(&vec![b'?'; 200_000]).unwrap();
        talking.shutdown(Shutdown::Write).unwrap();
        let mut rest = String::new();
        talking.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.len(), "former".len() * 200_000);
        // Where nobody listens, that is said at once.
        let refused = move_.client.enter(|| TcpStream::connect((vip(family), 81)));
        assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}

#[test]
fn it_is_cut_when_the_rules_have_gone_and_nothing_is_left_of_them() {
    for (family, way) in ways() {
        let lab = Lab::new("connections cut");
        let mut move_ = Move::begin(&lab, family, way);
        let mut talking = move_.connect();
        assert_eq!(ask(&mut talking).unwrap(), "former");
        move_.go_on();
        assert!(!move_.former.exec("nft", &["list", "ruleset"]).is_empty());

        move_.firewalls.clear();

        for host in [&move_.former, &move_.next] {
            assert_eq!(host.exec("nft", &["list", "ruleset"]), "");
        }
        let error = ask(&mut talking).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}

#[test]
fn a_silent_host_answers_nobody_who_looks_for_the_address_and_asks_in_its_own_name() {
    for (family, way) in ways() {
        let lab = Lab::new("silent");
        let mut move_ = Move::begin(&lab, family, way);
        let mut talking = move_.connect();
        move_.go_on();

        for _ in 0..10 {
            move_.client.ip("neigh flush all");
            assert_eq!(ask(&mut move_.connect()).unwrap(), "next");
            // The answer needs to know where the client is.
            move_.former.ip("neigh flush all");
            assert_eq!(ask(&mut talking).unwrap(), "former");
            let mac = move_.client.neighbours().into_iter().find(|it| it.address == vip(family));
            assert_eq!(mac.and_then(|it| it.mac), Some(text(move_.next.mac())));
        }
    }
}

#[test]
fn a_segment_does_not_travel_between_hosts_that_both_know_nothing_of_it() {
    for (family, way) in ways() {
        let lab = Lab::new("no loop");
        let mut move_ = Move::begin(&lab, family, way);
        let mut talking = move_.connect();
        assert_eq!(ask(&mut talking).unwrap(), "former");
        move_.go_on();
        // The former host does not linger, and passes on what is not for it.
        move_.former.sysctl("net.ipv4.ip_forward", "1");
        move_.former.sysctl("net.ipv6.conf.all.forwarding", "1");
        move_.former.ip(&format!("address del {}/{} dev eth0", vip(family), prefix(family)));

        talking.write_all(b"?").unwrap();

        talking.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        talking.read(&mut [0]).unwrap_err();
        let counters = move_.former.ip("-s -j link show eth0");
        let counters: serde_json::Value = serde_json::from_str(&counters).unwrap();
        let received = counters[0]["stats64"]["rx"]["packets"].as_u64().unwrap();
        assert!(received < 40, "{received} packets");
    }
}

#[test]
fn the_rules_are_those_of_the_documentation() {
    let lab = Lab::new("rules");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let mut firewall = host.enter(|| Firewall::open(Families::ALL).unwrap());
    assert_eq!(host.exec("nft", &["list", "ruleset"]), "");
    let eth0 = LinkName::new("eth0").unwrap();
    let host_before = [0x52, 0x54, 0, 0, 0, 1];
    let forwarded = |vip: &str| Rules {
        forwarded: [(eth0, [(vip.parse().unwrap(), host_before)].into())].into(),
        ..Rules::default()
    };
    let moved = |relayed, silent| Rules { relayed, silent, ..Rules::default() };
    let all = [
        moved(pair("192.0.2.100", "192.0.2.1"), pair("192.0.2.200", "192.0.2.2")),
        moved(pair("2001:db8::100", "fe80::1"), pair("2001:db8::200", "fe80::2")),
        forwarded("192.0.2.100"),
        forwarded("2001:db8::100"),
    ];
    for (place, rules) in all.iter().enumerate() {
        firewall.set(rules).unwrap();

        let source = include_str!("../../src/net/nftables.rs");
        let block = source.split("```text").nth(place + 1);
        let documented = block.and_then(|rest| rest.split("```").next()).unwrap();
        let documented = documented.replace("//!", "");
        let shown = host.exec("nft", &["list", "ruleset"]);
        let table = shown.split_whitespace().nth(2).unwrap();
        let name = table.split_inclusive('-').take(2).collect::<String>();
        let name = name.trim_end_matches('-');
        // The program that made a table is shown as a comment.
        let shown = shown.lines().map(|line| line.split(" #").next().unwrap_or_default());
        let mut shown = words(shown);
        let clock = shown.iter().position(|word| *word == "expires").unwrap();
        shown.drain(clock..clock + 2);
        assert_eq!(shown, words(documented.replace("vrrp-4711", name).lines()));

        firewall.set(&Rules::default()).unwrap();
        assert_eq!(host.exec("nft", &["list", "ruleset"]), "");
    }
}

/// How the next host knows the one before.
#[derive(Clone, Copy, Debug)]
enum Way {
    ByAddress,
    ByHardwareAddress,
}

/// Returns each family with each way.
fn ways() -> impl Iterator<Item = (Family, Way)> {
    let of = |family| [(family, Way::ByAddress), (family, Way::ByHardwareAddress)];
    Families::ALL.iter().flat_map(of)
}

/// An address that moves from one host to another.
struct Move {
    former: Host,
    next: Host,
    client: Host,
    family: Family,
    way: Way,
    firewalls: Vec<Firewall>,
}

impl Move {
    fn begin(lab: &Lab, family: Family, way: Way) -> Self {
        let former = lab.host("worker-01", "192.168.56.101/24");
        let next = lab.host("worker-02", "192.168.56.102/24");
        let client = lab.host("client", "192.168.56.10/24");
        for (host, number) in [(&former, "101"), (&next, "102"), (&client, "10")] {
            host.ip(&format!("address add fe80::{number}/64 dev eth0 nodad"));
            host.ip(&format!("address add 2001:db8::{number}/64 dev eth0 nodad"));
        }
        add_vip(&former, family);
        for (host, answer) in [(&former, "former"), (&next, "next")] {
            let listener = host.enter(|| TcpListener::bind("[::]:80").expect("the port is free"));
            thread::spawn(move || serve(&listener, answer));
        }
        Self { former, next, client, family, way, firewalls: Vec::new() }
    }

    /// Moves the address as two nodes do it, for as long as connections are to go on.
    fn go_on(&mut self) {
        let vip = vip(self.family);
        let former = match self.family {
            Family::Ipv4 => "192.168.56.101",
            Family::Ipv6 => "fe80::101",
        };
        let relayed = pair(&vip.to_string(), former);
        let silent = Rules { silent: relayed.clone(), ..Rules::default() };
        let passed_on = match self.way {
            Way::ByAddress => Rules { relayed, ..Rules::default() },
            Way::ByHardwareAddress => {
                let link = LinkName::new("eth0").expect("a name");
                let forwarded = [(link, [(vip, self.former.mac())].into())].into();
                Rules { forwarded, ..Rules::default() }
            }
        };
        for (host, rules) in [(&self.former, silent), (&self.next, passed_on)] {
            let mut firewall =
                host.enter(|| Firewall::open(Families::ALL).expect("the kernel has nf_tables"));
            firewall.set(&rules).expect("the kernel takes them");
            self.firewalls.push(firewall);
        }
        add_vip(&self.next, self.family);
        self.next.enter(|| {
            let index = nix::net::if_::if_nametoindex("eth0").expect("it is there");
            let announcer = Announcer::open(index).expect("we are root");
            let mac = self.next.mac();
            let sent = match vip {
                IpAddr::V4(vip) => announcer.send(&arp::gratuitous(mac, vip)),
                IpAddr::V6(vip) => announcer.send(&ndisc::unsolicited(mac, vip, Ipv6Role::Host)),
            };
            sent.expect("the link is up");
        });
    }

    fn connect(&self) -> TcpStream {
        let connect = || TcpStream::connect((vip(self.family), 80)).expect("it is answered");
        let stream = self.client.enter(connect);
        stream.set_read_timeout(Some(Duration::from_secs(3))).expect("it is open");
        stream
    }
}

/// Answers every octet with a word.
fn serve(listener: &TcpListener, answer: &'static str) {
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        thread::spawn(move || {
            let mut octets = [0; 4096];
            while let Ok(count @ 1..) = stream.read(&mut octets) {
                if stream.write_all(answer.repeat(count).as_bytes()).is_err() {
                    return;
                }
            }
        });
    }
}

fn ask(stream: &mut TcpStream) -> io::Result<String> {
    stream.write_all(b"?")?;
    let mut answer = [0; 16];
    let length = stream.read(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
}

fn pair(key: &str, value: &str) -> MovedAddresses {
    let [key, value] = [key, value].map(|it| it.parse().expect("an address"));
    BTreeMap::from([(key, value)])
}

fn add_vip(host: &Host, family: Family) {
    let nodad = if family == Family::Ipv6 { " nodad" } else { "" };
    host.ip(&format!("address add {}/{} dev eth0{nodad}", vip(family), prefix(family)));
}

fn vip(family: Family) -> IpAddr {
    let text = match family {
        Family::Ipv4 => "192.168.56.100",
        Family::Ipv6 => "2001:db8::100",
    };
    text.parse().expect("an address")
}

const fn prefix(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 24,
        Family::Ipv6 => 64,
    }
}

fn words<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    lines.flat_map(str::split_whitespace).collect()
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
