//! A node that was paused, as virtual machines and starved hosts are: a peer serves by then.

use std::thread;
use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Carrier, Host, Lab, Nginx, Probe, Signal, Sniffer, Traffic, carriers, holds_for,
    wait_until,
};

use crate::pair::{ADDRESS, Node, PATIENCE, SERVER, VRID, conf, instance};

#[test]
fn a_node_that_was_paused_listens_before_it_takes_the_address_back() {
    on_every_pausable("paused", true, |paused| {
        for _ in 0..PAUSES {
            let woken = paused.pause_one();

            let Paused { one, two, sniffer, .. } = paused;
            sniffer.wait_for_advert("it takes the address back", woken, PATIENCE, |it| {
                it.source == one.source()
            });
            one.wait_for("active");
            two.wait_for("backup");
            wait_until("it has the address", PATIENCE, || one.host.has(ADDRESS));
            one.assert_quiet(sniffer, woken..woken + ACTIVE_DOWN_INTERVAL);
        }
    });
}

#[test]
fn a_node_that_was_paused_and_does_not_preempt_leaves_the_address_where_it_is() {
    on_every_pausable("paused, no preempt", false, |paused| {
        let woken = paused.pause_one();
        let Paused { one, two, sniffer, client, .. } = paused;
        let probe = Probe::start(client, SERVER, "/");
        probe.wait_for("worker-02", PATIENCE);

        one.wait_for("backup");
        holds_for("the second node alone has the address", Duration::from_secs(1), || {
            let owners = (one.host.has(ADDRESS), two.host.has(ADDRESS));
            if owners == (false, true) { Ok(()) } else { Err(format!("{owners:?}")) }
        });

        one.assert_quiet(sniffer, woken..Instant::now());
        let report = probe.finish();
        assert!(report.failures().is_empty(), "{:?}", report.failures());
        let servers: Vec<_> = report.served_by().into_iter().map(|(who, ..)| who).collect();
        assert_eq!(servers, ["worker-02"]);
    });
}

/// As in a virtual machine whose host takes a snapshot: what is sent meanwhile is lost.
#[test]
fn a_backup_that_missed_what_was_sent_while_it_was_paused_listens_first() {
    on_every_pausable("deaf", true, |paused| {
        let Paused { two, sniffer, .. } = paused;
        for _ in 0..PAUSES {
            let carrier = two.nginx.carrier_pid();
            two.host.drop_received(Traffic::Vrrp);
            harness::signal(carrier, Signal::SIGSTOP);
            let asleep = Asleep(carrier);
            thread::sleep(ACTIVE_DOWN_INTERVAL * 5 / 3);
            two.host.heal();
            let woken = Instant::now();
            drop(asleep);

            let heard = sniffer.adverts().len();
            wait_until("the first node goes on", PATIENCE, || sniffer.adverts().len() > heard + 8);
            two.assert_quiet(sniffer, woken..Instant::now());
            two.wait_for("backup");
        }
    });
}

/// Two nodes; the carrier of the first can be paused.
struct Paused {
    one: Node,
    two: Node,
    sniffer: Sniffer,
    client: Host,
    _lab: Lab,
}

fn on_every_pausable(name: &str, preempt: bool, test: impl Fn(&Paused)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let client = lab.host("client", "192.168.56.10/24");
        let sniffer = Sniffer::start(&client);
        let one = start(&lab, 1, preempt, carrier);
        one.wait_for("active");
        let two = start(&lab, 2, preempt, carrier);
        two.wait_for("backup");
        test(&Paused { one, two, sniffer, client, _lab: lab });
    }
}

/// Starts a node whose addresses the kernel removes soon when nobody refreshes them.
fn start(lab: &Lab, number: u8, preempt: bool, carrier: &Carrier) -> Node {
    let host = lab.host(&format!("worker-0{number}"), &format!("192.168.56.10{number}/24"));
    let addresses = AddressWatch::start(&host);
    let one = instance("VI_1", VRID, 200 - 50 * number, &["192.168.56.100/24"]);
    let one = one.replacen('{', &format!("{{ preempt = {preempt}, "), 1);
    let options = format!("{{ address_lifetime_s = 1, instances = {{ {one} }} }}");
    let nginx = Nginx::start(&host, carrier, &conf(&options));
    Node { nginx, addresses, host }
}

impl Paused {
    /// Pauses the first node until the second serves and the kernel has removed the address from
    /// the first; returns when it went on.
    #[track_caller]
    fn pause_one(&self) -> Instant {
        let Self { one, two, .. } = self;
        let carrier = one.nginx.carrier_pid();
        harness::signal(carrier, Signal::SIGSTOP);
        let paused = Asleep(carrier);
        two.wait_for("active");
        wait_until("the kernel has removed it", PATIENCE, || !one.host.has(ADDRESS));
        let woken = Instant::now();
        drop(paused);
        woken
    }
}

/// A process that goes on when this is dropped.
struct Asleep(i32);

impl Drop for Asleep {
    fn drop(&mut self) {
        harness::signal(self.0, Signal::SIGCONT);
    }
}

const PAUSES: usize = 5;
/// Of priority 150 at an interval of 100 ms, without `Skew_Time`.
const ACTIVE_DOWN_INTERVAL: Duration = Duration::from_millis(300);
