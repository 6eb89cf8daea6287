//! Connections between engines: what was said arrives in order, late at times, or not at all.

use std::collections::VecDeque;
use std::time::Duration;

use resty_vrrp::succession::{HandoverMessage, Incident, PeerId};
use resty_vrrp::types::Instant;

use super::world::{EngineIndex, Happening, LoopEvent, World};
use crate::setup::us;

pub(super) struct ConnectionModel {
    pub(super) ends: [EndModel; 2],
}

pub(super) struct EndModel {
    pub(super) engine: EngineIndex,
    /// What the engine calls it; `None` before the visitor was let in, and after the end is closed.
    pub(super) peer: Option<PeerId>,
    is_closed: bool,
    /// What is under way to this end, and when the last of it arrives.
    pub(super) inbox: VecDeque<Parcel>,
    last_arrival: Instant,
}

pub(super) enum Parcel {
    Said(HandoverMessage),
    Closed,
}

impl World {
    /// Connects an engine to the one that has the door open, if its process exists.
    pub(super) fn connect(&mut self, from: EngineIndex) -> Option<PeerId> {
        let (_, to) = self.door.filter(|(id, owner)| {
            self.engines[*owner].is_alive() && self.engines[*owner].door == Some(*id)
        })?;
        let peer = self.engines[from].next_peer();
        let end = |engine, peer| EndModel {
            engine,
            peer,
            is_closed: false,
            inbox: VecDeque::new(),
            last_arrival: self.now,
        };
        let ends = [end(from, Some(peer)), end(to, None)];
        self.connections.push(ConnectionModel { ends });
        let connection = self.connections.len() - 1;
        let delay = self.latency();
        self.connections[connection].ends[1].last_arrival = self.now + delay;
        self.post(delay, to, LoopEvent::Visited { connection });
        Some(peer)
    }

    /// Lets a visitor in, or (`None`) shuts the door in front of it.
    pub(super) fn accept(&mut self, connection: usize, peer: Option<PeerId>) {
        self.connections[connection].ends[1].peer = peer;
        match peer {
            Some(_) => {
                let waiting = self.connections[connection].ends[1].inbox.len();
                for _ in 0..waiting {
                    self.schedule(Duration::ZERO, Happening::Deliver { connection, end: 1 });
                }
            }
            None => self.close_end(connection, 1),
        }
    }

    pub(super) fn send(&mut self, from: EngineIndex, to: PeerId, message: &HandoverMessage) {
        let Some((connection, end)) = self.end_of(from, to) else { return };
        let doubled = self.rng.chance(self.weather.doubled_percent);
        for _ in 0..=usize::from(doubled) {
            let text = message.emit().expect("the state can be written");
            let read = HandoverMessage::parse(&text).expect("it can be read again");
            self.put(connection, 1 - end, Parcel::Said(read));
        }
    }

    pub(super) fn disconnect(&mut self, engine: EngineIndex, peer: PeerId) {
        if let Some((connection, end)) = self.end_of(engine, peer) {
            self.close_end(connection, end);
        }
    }

    /// Closes all connections of an engine but one.
    pub(super) fn keep_only(&mut self, engine: EngineIndex, kept: Option<PeerId>) {
        for connection in 0..self.connections.len() {
            for end in 0..2 {
                let it = &self.connections[connection].ends[end];
                let is_kept = kept.is_some() && it.peer == kept;
                if it.engine == engine && !it.is_closed && !is_kept {
                    self.close_end(connection, end);
                }
            }
        }
    }

    /// Breaks a connection: what is under way is lost.
    pub(super) fn sever(&mut self, connection: usize) {
        for end in 0..2 {
            if !self.connections[connection].ends[end].is_closed {
                self.connections[connection].ends[end].inbox.clear();
                self.put(connection, end, Parcel::Closed);
            }
        }
    }

    /// Lets the first thing that is under way to an end arrive there.
    pub(super) fn deliver(&mut self, connection: usize, end: usize) {
        let it = &self.connections[connection].ends[end];
        let engine = it.engine;
        // It stays in the socket while the engine hangs, and before it let the visitor in.
        let Some(peer) = it.peer else { return };
        if it.is_closed || !self.engines[engine].is_alive() {
            return;
        }
        if self.engines[engine].is_hung() {
            return self.engines[engine].put_off(Happening::Deliver { connection, end });
        }
        let Some(parcel) = self.connections[connection].ends[end].inbox.pop_front() else { return };
        let incident = match parcel {
            Parcel::Said(message) => Incident::Heard(peer, message),
            Parcel::Closed => {
                self.close_end(connection, end);
                Incident::Lost(peer)
            }
        };
        self.turn_with(engine, incident);
    }

    /// Tells whether an engine is about to hear that another one took the routers over, or that one
    /// has died which had opened its door.
    pub(super) fn is_about_to_hear(&self, engine: EngineIndex) -> bool {
        self.connections.iter().flat_map(|it| &it.ends).any(|end| {
            let matters = |it: &Parcel| match it {
                Parcel::Said(message) => matches!(message, HandoverMessage::Took { .. }),
                Parcel::Closed => true,
            };
            end.engine == engine && !end.is_closed && end.inbox.iter().any(matters)
        })
    }

    fn put(&mut self, connection: usize, end: usize, parcel: Parcel) {
        // The kernel itself closes the connections of the dead.
        let delay = match parcel {
            Parcel::Said(_) => self.latency(),
            Parcel::Closed => us(50),
        };
        let it = &mut self.connections[connection].ends[end];
        if it.is_closed {
            return;
        }
        it.last_arrival = it.last_arrival.max(self.now + delay);
        let delay = it.last_arrival.since(self.now);
        it.inbox.push_back(parcel);
        self.schedule(delay, Happening::Deliver { connection, end });
    }

    fn close_end(&mut self, connection: usize, end: usize) {
        let it = &mut self.connections[connection].ends[end];
        it.is_closed = true;
        it.inbox.clear();
        self.put(connection, 1 - end, Parcel::Closed);
    }

    pub(super) fn open_connections(&self) -> Vec<usize> {
        let is_open = |it: &ConnectionModel| it.ends.iter().all(|end| !end.is_closed);
        (0..self.connections.len()).filter(|it| is_open(&self.connections[*it])).collect()
    }

    fn end_of(&self, engine: EngineIndex, peer: PeerId) -> Option<(usize, usize)> {
        for (connection, it) in self.connections.iter().enumerate().rev() {
            for (end, one) in it.ends.iter().enumerate() {
                if one.engine == engine && one.peer == Some(peer) && !one.is_closed {
                    return Some((connection, end));
                }
            }
        }
        None
    }
}
