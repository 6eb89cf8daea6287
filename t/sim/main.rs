//! Whole nodes on a simulated LAN: what peers, switches and operators can see them do.
//!
//! A failure prints the end of the trace and the command that shows it again.

#![expect(clippy::unchecked_time_subtraction, reason = "time that runs backwards fails a test")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod codec;
mod election;
mod endurance;
mod host;
mod lan;
mod life;
mod links;
mod model;
mod network;
mod oracle;
mod packet;
mod partition;
mod preempt;
mod priority;
mod random;
mod release;
mod reports;
mod scale;
mod setup;
mod succession;
mod sync;
mod timers;
mod trace;
mod unicast;
mod unity;
mod view;
mod wake;
