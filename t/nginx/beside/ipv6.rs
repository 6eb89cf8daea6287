//! What a node of IPv6 needs of its interface.

use harness::{Host, Lab, Nginx, carriers, eventually, wait_until};

use crate::ipv6::{ADDRESS, IPV6, conf};
use crate::{PATIENCE, get, status_when};

/// A router of IPv6 needs a link-local address: what is wrong is told by name, and ends by itself.
#[test]
fn a_node_without_a_link_local_address_says_why_and_takes_part_when_it_has_one() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("link-local, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let other = lab.host("worker-02", "192.168.56.102/24");
        other.ip("address add fe80::101/64 dev eth0 nodad");
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1");
        let _nginx = Nginx::start(&host, carrier, &conf(150, IPV6, 100));
        fault_when(&host, "net.ipv6.conf.eth0.disable_ipv6 to 0");

        // The kernel makes none by itself.
        host.sysctl("net.ipv6.conf.eth0.addr_gen_mode", "1");
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0");
        fault_when(&host, "interface eth0 has no link-local IPv6 address");
        host.ip("address add fe80::101/64 dev eth0");
        fault_when(&host, "another host has fe80::101, too");

        host.ip("address delete fe80::101/64 dev eth0");
        host.ip("address add fe80::103/64 dev eth0");
        fault_when(&host, "fe80::103 is tentative until no other host claims it");

        let status = status_when(&host, "active");
        let instance = &status["instances"][0];
        assert_eq!(instance["family"], "ipv6");
        assert_eq!(instance["active"]["address"], "fe80::103");
        assert_eq!(instance["addresses"][1]["address"], "2001:db8::100/64");

        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1");
        status_when(&host, "fault");
        host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0");
        host.ip("address add fe80::103/64 dev eth0 nodad");
        status_when(&host, "active");
        wait_until("the address is back", PATIENCE, || host.has(ADDRESS));
    }
}

/// Waits until the instance is in fault, and healthz says why.
#[track_caller]
fn fault_when(host: &Host, why: &str) {
    eventually(why, PATIENCE, || {
        let health = get(host, "/ha/healthz");
        if health.status == 503 && health.body.contains(why) { Ok(()) } else { Err(health.body) }
    });
    let status = status_when(host, "fault");
    assert_eq!(status["instances"][0]["reason"], "no_primary_address");
}
