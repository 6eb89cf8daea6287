//! The door of this engine, and its connections to others.

use std::io;
use std::task::{Context, Poll};

use super::place::Door;
use super::{Peer, Place};
use crate::guard::DoorId;
use crate::succession::{DoorOpening, DoorState, HandoverMessage, Incident, PeerId};

/// The connections of an engine to others of its host. Decides nothing.
pub(in crate::runtime) struct Meeting {
    /// Where engines meet; `None` if they cannot.
    place: Option<Place>,
    /// Why engines cannot meet.
    problem: Option<String>,
    door: Option<Door>,
    /// The door at which this engine knocked.
    knocked_at: Option<DoorId>,
    peers: Vec<(PeerId, Peer)>,
    /// How many connections there have been.
    connections: u64,
    /// No connection is accepted before the next beat.
    rests: bool,
    /// Why a connection was refused, as last logged.
    refusal: Option<String>,
}

impl Meeting {
    /// Creates it for a place, if there is one. `holder` is a connection of the loop's previous
    /// run.
    pub(in crate::runtime) fn new(
        place: io::Result<Place>,
        holder: Option<(PeerId, Peer)>,
    ) -> Self {
        let problem = place.as_ref().err().map(ToString::to_string);
        let place = place.ok();
        Self {
            knocked_at: place.as_ref().and_then(Place::door_id),
            place,
            problem,
            door: None,
            connections: holder.as_ref().map_or(0, |(id, _)| id.0),
            peers: holder.into_iter().collect(),
            rests: false,
            refusal: None,
        }
    }

    /// Returns why engines cannot meet.
    pub(in crate::runtime) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Tells whether engines can meet.
    pub(in crate::runtime) fn is_possible(&self) -> bool {
        self.place.is_some()
    }

    /// Connects to the engine that has a door open.
    pub(in crate::runtime) fn knock(&mut self) -> Incident {
        self.knocked_at = self.place.as_ref().and_then(Place::door_id);
        match self.place.as_ref().and_then(Place::knock) {
            Some(peer) => Incident::Answered(self.add(peer)),
            None => Incident::NobodyAnswered,
        }
    }

    /// Opens the door of this engine, unless another engine has opened one.
    pub(in crate::runtime) fn open_door(&mut self) -> DoorOpening {
        let Some(place) = &self.place else { return DoorOpening::Refused };
        let found = place.door_id();
        if found.is_some() && found != self.door_id() && found != self.knocked_at {
            return DoorOpening::Foreign;
        }
        match place.open() {
            Ok(door) => {
                (self.door, self.problem) = (Some(door), None);
                DoorOpening::Opened
            }
            Err(error) => {
                self.problem = Some(error.to_string());
                DoorOpening::Refused
            }
        }
    }

    /// Returns which door is this engine's.
    pub(in crate::runtime) fn door_id(&self) -> Option<DoorId> {
        self.door.as_ref().map(Door::id)
    }

    /// Checks which door is at the place.
    pub(in crate::runtime) fn look_at_the_door(&self) -> DoorState {
        let known = self.door_id().or(self.knocked_at);
        match self.place.as_ref().and_then(Place::door_id) {
            None => DoorState::Missing,
            found if found == known => DoorState::Own,
            Some(_) => DoorState::Foreign,
        }
    }

    /// Sends a message, if the connection still exists.
    pub(in crate::runtime) fn send(&mut self, to: PeerId, message: &HandoverMessage) {
        if let Some((_, peer)) = self.peers.iter_mut().find(|(id, _)| *id == to) {
            peer.send(message);
        }
    }

    /// Takes a connection out.
    pub(in crate::runtime) fn take(&mut self, id: PeerId) -> Option<(PeerId, Peer)> {
        let index = self.peers.iter().position(|(known, _)| *known == id)?;
        Some(self.peers.swap_remove(index))
    }

    /// Closes the door and every connection but one.
    pub(in crate::runtime) fn keep_only(&mut self, holder: PeerId) {
        self.door = None;
        self.peers.retain(|(id, _)| *id == holder);
    }

    /// Returns the connections whose last message is not yet sent, and accepts connections again.
    pub(in crate::runtime) fn beat(&mut self) -> Vec<PeerId> {
        self.rests = false;
        let unsent = self.peers.iter().filter(|(_, peer)| !peer.is_flushed());
        unsent.map(|(id, _)| *id).collect()
    }

    /// Waits for a connection, a message, or the end of a connection.
    pub(in crate::runtime) fn poll_incident(&mut self, cx: &mut Context<'_>) -> Poll<Incident> {
        for index in 0..self.peers.len() {
            let (id, peer) = &mut self.peers[index];
            match (*id, peer.poll_receive(cx)) {
                (id, Poll::Ready(Ok(message))) => return Poll::Ready(Incident::Heard(id, message)),
                (id, Poll::Ready(Err(_))) => {
                    self.peers.remove(index);
                    return Poll::Ready(Incident::Lost(id));
                }
                (_, Poll::Pending) => {}
            }
        }
        match &self.door {
            Some(door) if !self.rests => match door.poll_visitor(cx) {
                Poll::Ready(Ok(peer)) => {
                    self.refusal = None;
                    Poll::Ready(Incident::Visited(self.add(peer)))
                }
                Poll::Ready(Err(error)) => {
                    self.refuse(&error);
                    Poll::Pending
                }
                Poll::Pending => Poll::Pending,
            },
            Some(_) | None => Poll::Pending,
        }
    }

    fn add(&mut self, peer: Peer) -> PeerId {
        self.connections += 1;
        let id = PeerId(self.connections);
        self.peers.push((id, peer));
        id
    }

    /// Accepts no connection for a while. Without file descriptors, say, every attempt would fail
    /// at once.
    fn refuse(&mut self, error: &io::Error) {
        self.rests = true;
        let refusal = error.to_string();
        if self.refusal.as_ref() != Some(&refusal) {
            tracing::warn!("turned away: {refusal}");
            self.refusal = Some(refusal);
        }
    }
}
