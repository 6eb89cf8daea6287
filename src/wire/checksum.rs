//! The Internet checksum (RFC 1071).

/// Returns the ones' complement sum of the parts, as if they stood one behind the other.
///
/// An odd number of octets counts as if a zero followed (RFC 1071 §4.1).
#[must_use]
pub fn sum(parts: &[&[u8]]) -> u16 {
    let octets = parts.iter().copied().flatten();
    let total: u64 = octets
        .enumerate()
        .map(|(at, &octet)| if at % 2 == 0 { u64::from(octet) << 8 } else { u64::from(octet) })
        .sum();
    fold(total)
}

/// Returns the checksum of parts in which the checksum field is zero.
///
/// It goes on the wire as it is: VRRP, unlike UDP, does not replace 0x0000 by 0xffff.
#[must_use]
pub fn checksum(parts: &[&[u8]]) -> u16 {
    !sum(parts)
}

/// Tells whether parts that include their checksum field are intact.
#[must_use]
pub fn is_intact(parts: &[&[u8]]) -> bool {
    sum(parts) == 0xffff
}

fn fold(mut total: u64) -> u16 {
    loop {
        match u16::try_from(total) {
            Ok(folded) => return folded,
            Err(_) => total = (total >> 16) + (total & 0xffff),
        }
    }
}
