//! Other programs of this host that speak VRRP.

use std::collections::BTreeSet;
use std::fs;
use std::io;

use crate::net::file_of_thread;
use crate::types::IP_PROTOCOL;

/// A raw socket for protocol 112 that another process has.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Speaker {
    /// The socket, which keeps the number for life.
    pub inode: u64,
    /// The user who opened it.
    pub uid: u32,
}

/// Returns the raw sockets for protocol 112 in this network namespace that are not this process's.
///
/// # Errors
///
/// When `/proc` cannot be read.
pub fn other_speakers() -> io::Result<Vec<Speaker>> {
    let mut speakers = Vec::new();
    for table in ["net/raw", "net/raw6"].map(file_of_thread) {
        match fs::read_to_string(table) {
            Ok(text) => speakers.extend(speakers_in(&text)),
            // A host without IPv6.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    if !speakers.is_empty() {
        let own = own_sockets()?;
        speakers.retain(|speaker| !own.contains(&speaker.inode));
    }
    Ok(speakers)
}

/// Reads the sockets for protocol 112 in a table of raw sockets; the kernel shows the protocol as
/// the local port.
fn speakers_in(table: &str) -> impl Iterator<Item = Speaker> {
    table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (_, protocol) = fields.get(1)?.rsplit_once(':')?;
        let is_vrrp = u8::from_str_radix(protocol, 16) == Ok(IP_PROTOCOL);
        let speaker =
            Speaker { uid: fields.get(7)?.parse().ok()?, inode: fields.get(9)?.parse().ok()? };
        is_vrrp.then_some(speaker)
    })
}

/// Returns the sockets of this process.
fn own_sockets() -> io::Result<BTreeSet<u64>> {
    let open = fs::read_dir("/proc/self/fd")?.filter_map(Result::ok);
    let names = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    let inodes = names.filter_map(|name| {
        name.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    });
    Ok(inodes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_for_protocol_112_are_found_in_the_table_of_raw_sockets() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                     uid  timeout inode ref pointer drops\n\
            1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        \
            0 11 2 0000000000000000 0\n\
          112: 00000000:0070 00000000:0000 07 00000000:00000000 00:00000000 00000000    33        \
            0 4711 2 0000000000000000 0\n\
          112: 00000000000000000000000000000000:0070 00000000000000000000000000000000:0000 07 \
            00000000:00000000 00:00000000 00000000     0        0 4712 2 0000000000000000 0\n";

        let found: Vec<_> = speakers_in(table).collect();

        let expected = [Speaker { inode: 4711, uid: 33 }, Speaker { inode: 4712, uid: 0 }];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_that_is_cut_is_none() {
        let lines = ["112: 00000000:0070 00000000:0000 07", "", ":", "112: 0070"];

        assert_eq!(speakers_in(&lines.join("\n")).count(), 0);
    }
}
