//! The addresses of this host on which programs listen.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::net::file_of_thread;

/// Returns the addresses on which a program listens (TCP), in the network namespace of the calling
/// thread.
///
/// # Errors
///
/// When `/proc` cannot be read.
pub fn addresses_listened_on() -> io::Result<BTreeSet<IpAddr>> {
    let mut found = BTreeSet::new();
    for table in ["net/tcp", "net/tcp6"].map(file_of_thread) {
        match File::open(table) {
            Ok(file) => found.extend(listeners(BufReader::new(file))),
            // A host without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Reads a table: `sl local_address rem_address st …`. The kernel lists first who listens: of a
/// million connections after that one is read.
fn listeners(table: impl io::BufRead) -> impl Iterator<Item = IpAddr> {
    let lines = table.lines().skip(1).map_while(Result::ok);
    lines.map_while(|line| listener(&line))
}

/// Returns the address of a line, if a program listens there.
fn listener(line: &str) -> Option<IpAddr> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (address, _) = columns.next()?.split_once(':')?;
    if columns.nth(1)? != LISTENS {
        return None;
    }
    // Words in the order of the machine, each of four octets in the order of the network.
    let mut octets = Vec::new();
    for at in (0..address.len()).step_by(8) {
        let word = u32::from_str_radix(address.get(at..at + 8)?, 16).ok()?;
        octets.extend(word.to_ne_bytes());
    }
    let ipv4 = || Some(IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(&*octets).ok()?)));
    let ipv6 = || Some(IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&*octets).ok()?)));
    ipv4().or_else(ipv6)
}

const LISTENS: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_is_told_from_connections() {
        let word = |octets: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(octets));
        let line = |local: &str, state| format!("   0: {local}:0050 0:0000 {state} 0:0 00:0 0");
        let ipv4 = word([192, 0, 2, 1]);
        let ipv6 = [0x2001_0db8_u32, 0, 0, 1].map(|it| word(it.to_be_bytes())).concat();
        let header = "  sl  local_address rem_address   st".to_owned();
        let lines = [header, line(&ipv4, "0A"), line(&ipv6, "0A"), line(&ipv4, "01")];

        let found: Vec<_> = listeners(lines.join("\n").as_bytes()).collect();

        assert_eq!(found, ["192.0.2.1", "2001:db8::1"].map(|it| it.parse::<IpAddr>().unwrap()));
        assert_eq!(listener(&line(&ipv4, "01")), None);
        assert_eq!(listener(&line("zz", "0A")), None);
    }

    #[test]
    fn a_socket_of_this_process_is_found() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

        let found = addresses_listened_on().unwrap();

        assert!(found.contains(&socket.local_addr().unwrap().ip()), "{found:?}");
    }
}
