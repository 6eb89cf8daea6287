//! The receive ladder of RFC 9568 §7.1 and RFC 3768 §7.1.

/// Why a datagram was discarded: one variant per check, in the order of the checks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Discard {
    /// Fewer octets than a header has.
    Runt,
}
