//! What the board says about a configuration before an engine runs.

use std::fs;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;

use resty_vrrp::config::{Config, InstanceConfig, Placement, RequestToken};
use resty_vrrp::runtime::BoardWord as _;
use resty_vrrp::status::Plan;
use resty_vrrp::status::layout::{AddressSlot, InstanceSlot, PeerSlot, text};
use resty_vrrp::types::{AddressLabel, Family, LinkName, VirtualAddress};

/// Plans the board of a configuration, for an nginx of this `worker_shutdown_timeout`.
pub(super) fn of(config: &Config, shutdown_timeout_ms: u32) -> Plan {
    let mut plan = Plan {
        router_id: config.router_id.clone().unwrap_or_else(host_name),
        worker_timeout: config.health.worker_timeout,
        control: config.control,
        token: config.token.as_ref().map(RequestToken::as_str).unwrap_or_default().to_owned(),
        shutdown_timeout_ms,
        instances: Vec::new(),
        addresses: Vec::new(),
        peers: Vec::new(),
    };
    for instance in &config.instances {
        let first_address = count(plan.addresses.len());
        let slot = |held| address_slot(instance, held);
        let carried = instance.addresses.iter().map(slot);
        let excluded = instance.addresses_excluded.iter().map(slot);
        let excluded = excluded.map(|slot| AddressSlot { excluded: 1, ..slot });
        plan.addresses.extend(carried.chain(excluded));
        let addresses = count(plan.addresses.len()) - first_address;
        let first_peer = count(plan.peers.len());
        plan.peers.extend(instance.peers().iter().map(peer_slot));
        let peers = count(plan.peers.len()) - first_peer;
        plan.instances.push(InstanceSlot {
            first_address,
            addresses,
            first_peer,
            peers,
            ..instance_slot(instance)
        });
    }
    for group in &config.sync_groups {
        for member in &group.members {
            plan.instances[*member].sync_group = text(&group.name);
        }
    }
    plan
}

/// Returns the name of this host, as the default of `router_id`.
fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "localhost".to_owned(),
        name => name.to_owned(),
    }
}

fn instance_slot(instance: &InstanceConfig) -> InstanceSlot {
    let family = instance.addresses.first().map_or(0, |first| Family::of(first.address).to_board());
    InstanceSlot {
        name: text(&instance.name),
        interface: text(instance.interface.as_str()),
        vrid: instance.vrid.get(),
        family,
        version: instance.version.number(),
        priority: instance.priority.get(),
        effective_priority: instance.priority.get(),
        preempt: u8::from(instance.preempt),
        adver_interval_ms: instance.adver_interval.to_board(),
        ..InstanceSlot::EMPTY
    }
}

/// Returns an address that is nowhere.
fn address_slot(instance: &InstanceConfig, held: &VirtualAddress) -> AddressSlot {
    let Placement { interface, label, .. } = instance.placement(held);
    AddressSlot {
        interface: text(interface.as_ref().map_or("", LinkName::as_str)),
        label: text(label.as_ref().map_or("", AddressLabel::as_str)),
        ..held.to_board()
    }
}

/// Returns a peer that was never heard.
fn peer_slot(address: &IpAddr) -> PeerSlot {
    let (family, address) = address.to_board();
    PeerSlot { address, family, reserved: [0; 7], heard_ms: AtomicU64::new(0) }
}

/// The board refuses what cannot be counted so.
fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
