//! The kernel and the LAN: every system call about the network, threads and rights is here.
//!
//! What of the kernel we touch, and who cleans it up:
//!
//! | object | made by | gone when |
//! | --- | --- | --- |
//! | raw socket, perhaps member of 224.0.0.18 or `ff02::12` | [`VrrpSocket`] | dropped |
//! | raw sockets that only send | [`SendSocket`] | dropped |
//! | raw socket for ICMP | [`echo`] | answered, or given up |
//! | packet socket | [`Announcer`], [`Observer`] | dropped |
//! | netlink socket | [`Netlink`] | dropped |
//! | addresses with tag 112 | [`address`] | released; after a crash, at the next start |
//! | tables of `nf_tables` | [`Firewall`] | dropped, or its process has ended |
//! | socket at a path | [`local`] | its owner removes the path |
//! | lock on a file | [`Lock`] | dropped, or its process has ended |
//! | memory with a mutex | [`HeldMutex`], [`HolderWatch`] | dropped in all processes |
//! | process outside of nginx's tree | [`spawn`] | it ends itself |
//! | `promote_secondaries`, `accept_local` of a link | [`sysctl`] | never: others profit too |

pub mod address;
mod announce;
mod channel;
pub mod clock;
mod confine;
mod descriptors;
mod echo;
mod error;
mod heap;
mod link;
mod listeners;
mod listening;
pub mod local;
mod lock;
pub mod macvlan;
mod message;
mod mutex;
mod netlink;
mod nftables;
mod observer;
mod privileges;
mod process;
mod realtime;
#[cfg(test)]
pub(crate) mod samples;
mod socket;
pub mod spawn;
mod speakers;
pub mod sysctl;
mod timer;
mod watched;

pub use announce::{Announcer, FrameSocket};
pub use channel::Channel;
pub use confine::{allow_only, forbid_serving, keep_owners};
pub use descriptors::make_room_for;
pub use echo::echo;
pub use error::NetError;
pub use heap::return_free_pages;
pub use link::{
    ArpSettings, DuplicateDetection, HardwareAddress, KernelChange, KernelEvent, KernelLink,
    LinkSignal, Links, Macvlan, Present, Tag, index_by_any_name,
};
pub use listeners::{ForeignListener, abstract_listeners};
pub use listening::addresses_listened_on;
pub use lock::Lock;
pub use mutex::{HeldMutex, HolderWatch, has_memfd};
pub use netlink::{HostOnLink, Netlink};
pub use nftables::{AcceptRules, Firewall, MovedAddresses, Rules};
pub use observer::Observer;
pub use privileges::{Lent, Rights, SignalsBlocked, close_memory};
pub use process::{Process, file_of_thread, has_pidfd, pidfd};
pub use realtime::{lock_memory, run_in_real_time};
pub use socket::{SendSocket, VrrpSocket};
pub use speakers::{Speaker, other_speakers};
pub use timer::Timer;
