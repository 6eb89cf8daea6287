//! How engines of one host meet and speak: what they say is [`succession`](crate::succession)'s.

mod meeting;
mod neighbours;
mod peer;
mod place;

pub(super) use meeting::Meeting;
pub(super) use neighbours::{Neighbours, Outlook};
pub(super) use peer::Peer;
pub(super) use place::Place;
