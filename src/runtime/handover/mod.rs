//! How engines of one host connect to each other. [`succession`](crate::succession) decides what
//! they send.

mod claims;
mod look;
mod meeting;
mod neighbours;
mod peer;
mod place;

pub(super) use look::Outlook;
pub(super) use meeting::Meeting;
pub(super) use neighbours::Neighbours;
pub(super) use peer::Peer;
pub(super) use place::Place;
