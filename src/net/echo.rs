//! ICMP echo (RFC 792; RFC 4443 §4).

use std::fs::File;
use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use rustix::io::Errno;
use rustix::net::netdevice::name_to_index;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustix::rand::{GetRandomFlags, getrandom};
use socket2::{Domain, Protocol, Socket, Type};

use crate::net::watched::Watched;
use crate::types::LinkName;
use crate::wire::checksum::checksum;

/// Sends one echo request, on the given link or wherever the routes say, and waits for the answer.
///
/// The socket lives no longer, and is connected: only that address can wake the thread.
/// Cancel-safe. Must be called within a tokio runtime. Needs `CAP_NET_RAW`.
///
/// # Errors
///
/// When the link does not exist, or the kernel knows no way to the address.
pub async fn echo(address: IpAddr, link: Option<&LinkName>) -> io::Result<()> {
    let token = random_token()?;
    let socket = Watched::new(connect(address, link)?)?;
    send(&socket, &request(address, &token), SendFlags::empty())?;
    let mut buffer = [0; LARGEST_READ];
    loop {
        socket.readable().await?;
        match socket.read(|fd| recv(fd, &mut buffer[..], RecvFlags::empty())) {
            Ok((received, _)) if is_answer(address, &buffer[..received], &token) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

fn random_token() -> io::Result<[u8; TOKEN]> {
    let mut token = [0; TOKEN];
    match getrandom(&mut token, GetRandomFlags::empty()) {
        // Before Linux 3.17.
        Err(Errno::NOSYS) => File::open("/dev/urandom")?.read_exact(&mut token)?,
        got => drop(got?),
    }
    Ok(token)
}

fn connect(address: IpAddr, link: Option<&LinkName>) -> io::Result<Socket> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::RAW.nonblocking().cloexec(), Some(protocol))?;
    let mut scope = 0;
    if let Some(link) = link {
        scope = name_to_index(&socket, link.as_str())?;
        socket.bind_device(Some(link.as_str().as_bytes()))?;
    }
    let target = match address {
        IpAddr::V4(_) => SocketAddr::new(address, 0),
        IpAddr::V6(address) => SocketAddrV6::new(address, 0, 0, scope).into(),
    };
    socket.connect(&target.into())?;
    Ok(socket)
}

/// Identifier, sequence number and data are one token: nothing else tells two requests apart.
fn request(address: IpAddr, token: &[u8; TOKEN]) -> Vec<u8> {
    let kind = if address.is_ipv4() { ECHO_REQUEST_V4 } else { ECHO_REQUEST_V6 };
    let mut message = [&[kind, 0, 0, 0], token.as_slice()].concat();
    // Over IPv6 the kernel computes it itself (RFC 3542 §3.1).
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

fn is_answer(address: IpAddr, received: &[u8], token: &[u8; TOKEN]) -> bool {
    // A raw socket of IPv4 delivers the header, too.
    let (kind, header) = match address {
        IpAddr::V4(_) => (0, received.first().map_or(0, |first| usize::from(first & 0xf) * 4)),
        IpAddr::V6(_) => (129, 0),
    };
    let message = received.get(header..).unwrap_or_default();
    message.starts_with(&[kind, 0]) && message.get(4..) == Some(token)
}

const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const TOKEN: usize = 20;
/// More than an answer has, with the longest IPv4 header.
const LARGEST_READ: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_bears_the_token_of_the_request() {
        let token = [7; TOKEN];
        for (address, header, kind) in
            [("192.0.2.1", &IPV4_HEADER[..], 0), ("2001:db8::1", &[][..], 129)]
        {
            let address = address.parse().unwrap();
            let message =
                |kind: u8, code: u8| [header, &[kind, code, 0, 0], token.as_slice()].concat();

            assert!(is_answer(address, &message(kind, 0), &token));
            assert!(!is_answer(address, &message(kind, 1), &token));
            assert!(!is_answer(address, &message(3, 0), &token));
            assert!(!is_answer(address, &message(kind, 0), &[8; TOKEN]));
            let whole = message(kind, 0);
            for length in 0..whole.len() {
                assert!(!is_answer(address, &whole[..length], &token), "{length}");
            }
        }
    }

    #[test]
    fn a_request_is_intact() {
        let message = request(IpAddr::from([192, 0, 2, 1]), &[7; TOKEN]);

        assert_eq!(message[..2], [8, 0]);
        assert!(crate::wire::checksum::is_intact(&[&message]));
    }

    /// With one word of options.
    const IPV4_HEADER: [u8; 24] = {
        let mut header = [0; 24];
        header[0] = 0x46;
        header
    };
}
