//! One node and the octets it hears and sends: what counts, what does not, and what it says.

mod accepts;
mod discards;
mod octets;
mod sends;
mod station;
mod tells;
