//! The thread that keeps the addresses, against the real kernel.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use harness::{Host, Lab, Sniffer, eventually, holds_for, wait_until};
use resty_vrrp::config::AnnounceConfig;
use resty_vrrp::net::address::{self, Changes, Target};
use resty_vrrp::net::{LinkSignal, Links, Netlink, Rights};
use resty_vrrp::runtime::kernel::{
    Facts, KernelPlan, KernelThread, LinkView, PlannedAddress, PlannedRouter, Site,
};
use resty_vrrp::types::{HeldAddress, LinkName, VirtualAddress};
use tokio::runtime::{Builder, Runtime};

#[test]
fn a_release_removes_what_is_ours_and_nothing_else() {
    let (_lab, host) = one_host("release");
    host.ip("address add 192.168.56.77/24 dev eth0");
    let kernel = start(&host, plan(&[&[VIP], &["192.168.56.200/24"]]));
    claim(&kernel, &[0, 1]);
    assert_eq!(sorted(&host), ["192.168.56.100", OWN, "192.168.56.200", "192.168.56.77"]);

    kernel.claim(0, false);

    wait_until("the address is gone", SECOND, || !host.has("192.168.56.100"));
    assert_eq!(sorted(&host), [OWN, "192.168.56.200", "192.168.56.77"]);
}

#[test]
fn an_identical_address_of_somebody_else_serves_and_stays_theirs() {
    let (_lab, host) = one_host("somebody else");
    host.ip(&format!("address add {VIP} dev eth0"));
    let mut kernel = start(&host, plan(&[&[VIP]]));

    claim(&kernel, &[0]);
    assert!(kernel.stop(SECOND));

    assert!(host.has("192.168.56.100"));
    assert_eq!(tag(&host, VIP), 0);
}

#[test]
fn an_address_that_somebody_removes_is_back_within_a_tenth_of_a_second_and_announced() {
    let (_lab, host) = one_host("removed");
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);
    let sniffer = Sniffer::start(&host);
    let removed = Instant::now();

    host.ip(&format!("address del {VIP} dev eth0"));

    wait_until("it is back", TENTH, || host.has("192.168.56.100"));
    sniffer.wait_for_announcement("192.168.56.100", removed, TENTH);
    wait_until("the loss is counted", TENTH, || lost(&kernel) == 1);
}

#[test]
fn the_virtual_addresses_stay_when_the_primary_one_of_their_network_goes() {
    let (_lab, host) = one_host("primary");
    host.sysctl("net.ipv4.conf.all.promote_secondaries", "0");
    host.sysctl("net.ipv4.conf.eth0.promote_secondaries", "0");
    let kernel = start(&host, plan(&[&[VIP, "192.168.56.200/24"]]));
    claim(&kernel, &[0]);

    host.ip("address del 192.168.56.101/24 dev eth0");

    wait_until("there is none to speak from", SECOND, || view(&kernel).sources.ipv4.is_none());
    assert_eq!(sorted(&host), ["192.168.56.100", "192.168.56.200"]);
    assert_eq!(lost(&kernel), 0);
    host.ip("address add 192.168.56.101/24 dev eth0");
    let own = Some(Ipv4Addr::new(192, 168, 56, 101));
    wait_until("there is one again", SECOND, || view(&kernel).sources.ipv4 == own);
}

#[test]
fn a_link_that_is_deleted_and_made_again_gets_its_addresses_back() {
    let (_lab, host) = one_host("link");
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);
    let before = view(&kernel);

    host.delete_link();
    wait_until("it is missing", SECOND, || view(&kernel).index.is_none());
    assert_eq!(assigned(&kernel, 0), 0);
    host.make_link();

    wait_until("the address is back", SECOND, || host.has("192.168.56.100"));
    wait_until("and known to be", SECOND, || assigned(&kernel, 0) == 1);
    let after = view(&kernel);
    assert_ne!(after.index, before.index);
    assert_eq!(after.sources.ipv4, before.sources.ipv4);
}

#[test]
fn a_link_that_gives_its_name_away_keeps_no_address_of_ours() {
    let (_lab, host) = one_host("rename");
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);

    host.ip("link set eth0 name eth9");

    let text = || host.ip("-4 -o address show dev eth9");
    wait_until("it is gone", SECOND, || !text().contains("192.168.56.100"));
    assert!(text().contains(OWN));
    assert_eq!(view(&kernel).index, None);
    host.ip("link set eth9 name eth0");
    wait_until("it is back", SECOND, || host.has("192.168.56.100"));
}

#[test]
fn the_carrier_follows_the_switch_and_the_administrator() {
    let (_lab, host) = one_host("carrier");
    let kernel = start(&host, plan(&[&[VIP]]));
    let carrier_is = |wanted| move |kernel: &KernelThread| view(kernel).carrier == wanted;
    let (up, down) = (carrier_is(LinkSignal::Up), carrier_is(LinkSignal::Down));
    wait_until("it is up at the start", SECOND, || up(&kernel));

    host.link_down();
    wait_until("the administrator took it down", SECOND, || down(&kernel));
    host.link_up();
    wait_until("the administrator took it up", TWO_SECONDS, || up(&kernel));
    host.unplug();
    wait_until("the cable was pulled", TWO_SECONDS, || down(&kernel));
    host.plug();
    wait_until("the cable was put back", TWO_SECONDS, || up(&kernel));
}

#[test]
fn what_a_dead_predecessor_left_is_removed_and_what_others_left_is_not() {
    let (_lab, host) = one_host("leftovers");
    host.ip("address add 192.168.56.152/24 dev eth0");
    leave(&host, VIP);
    leave(&host, "192.168.56.150/24");
    leave(&host, "192.168.56.154/24");

    let kernel = start(&host, plan(&[&[VIP, "192.168.56.152/24"]]));
    kernel.clear_leftovers(vec![held("192.168.56.154/24")]);

    wait_until("what is planned and bears our tag is removed", SECOND, || {
        !host.has("192.168.56.100")
    });
    wait_until("what it told of is removed", SECOND, || !host.has("192.168.56.154"));
    // One may belong to another nginx, the other one bears no tag.
    assert_eq!(sorted(&host), [OWN, "192.168.56.150", "192.168.56.152"]);
}

#[test]
fn what_another_engine_may_still_hold_is_left_alone_and_adopted_when_claimed() {
    let (_lab, host) = one_host("adoption");
    leave(&host, "192.168.56.100/24");
    leave(&host, "192.168.56.150/24");

    let mut kernel = start(&host, plan(&[&[VIP], &["192.168.56.150/24"]]));
    claim(&kernel, &[0]);
    assert_eq!(sorted(&host), ["192.168.56.100", OWN, "192.168.56.150"]);
    kernel.clear_leftovers(Vec::new());

    wait_until("the other one is removed", SECOND, || !host.has("192.168.56.150"));
    assert_eq!(sorted(&host), ["192.168.56.100", OWN]);
    assert!(kernel.stop(SECOND), "the adopted address is ours to remove");
    assert_eq!(sorted(&host), [OWN]);
}

#[test]
fn what_an_engine_hands_over_is_kept_although_the_kernel_keeps_no_tag() {
    let (_lab, host) = one_host("no tag");
    // The kernel has tagged the link-local address.
    host.sysctl("net.ipv6.conf.all.disable_ipv6", "1");
    for address in [VIP, "192.168.56.150/24", "192.168.56.152/24"] {
        host.ip(&format!("address add {address} dev eth0 valid_lft 2 preferred_lft 2"));
    }
    let lifetime = Some(TWO_SECONDS);
    let routers: &[&[&str]] = &[&[VIP], &["192.168.56.150/24"]];

    let mut kernel = start(&host, KernelPlan { lifetime, ..plan(routers) });
    claim(&kernel, &[0]);
    kernel.clear_leftovers(vec![held(VIP), held("192.168.56.150/24")]);

    wait_until("what nobody claims is removed", SECOND, || !host.has("192.168.56.150"));
    wait_until("the others expire", TWO_SECONDS * 2, || !host.has("192.168.56.152"));
    assert_eq!(sorted(&host), ["192.168.56.100", OWN]);
    assert_eq!(kernel.facts().routers[0].addresses[0].lost, 0);
    assert!(kernel.stop(SECOND));
    assert_eq!(sorted(&host), [OWN]);
}

#[test]
fn an_engine_that_hands_over_leaves_every_address_that_it_has_not_released() {
    let (_lab, host) = one_host("abandon");
    let mut kernel = start(&host, plan(&[&[VIP], &["192.168.56.200/24"]]));
    claim(&kernel, &[0, 1]);

    kernel.claim(1, false);
    kernel.abandon();
    kernel.claim(0, false);

    assert!(kernel.stop(SECOND), "the thread ends");
    assert_eq!(sorted(&host), ["192.168.56.100", OWN]);
}

#[test]
fn addresses_carry_our_tag() {
    let (_lab, host) = one_host("tag");
    let kernel = start(&host, plan(&[&[VIP]]));

    claim(&kernel, &[0]);

    assert_eq!(tag(&host, VIP), 112);
}

#[test]
fn an_announcement_is_a_request_whose_target_is_our_own_mac() {
    let (lab, host) = one_host("form");
    let watcher = lab.host("watcher", "192.168.56.99/24");
    let sniffer = Sniffer::start(&watcher);
    let start_of_test = Instant::now();
    let kernel = start(&host, plan(&[&[VIP]]));

    kernel.claim(0, true);

    let heard = sniffer.wait_for_announcement("192.168.56.100", start_of_test, SECOND);
    let mac = host.mac();
    assert!(!heard.reply);
    assert_eq!((heard.mac, heard.target_mac), (mac, mac));
    assert_eq!(heard.frame, ([0xff; 6], mac));
}

#[test]
fn announcements_come_at_0_and_1_seconds_on_demand_and_not_after_a_release() {
    let (_lab, host) = one_host("announcements");
    let sniffer = Sniffer::start(&host);
    let kernel = start(&host, plan(&[&[VIP]]));
    let count = || sniffer.announcements().len();
    kernel.claim(0, true);
    wait_until("the first", TENTH, || count() == 1);

    kernel.announce(0);
    wait_until("on demand", TENTH, || count() == 2);
    wait_until("after a second", TWO_SECONDS, || count() == 3);
    let heard = sniffer.announcements();
    let pause = heard[2].at - heard[0].at;
    assert!((SECOND..SECOND + 2 * TENTH).contains(&pause), "{pause:?}");
    kernel.claim(0, false);
    wait_until("it is released", SECOND, || !host.has("192.168.56.100"));

    kernel.announce(0);
    holds_for("nothing more is heard", SECOND, || match count() {
        3 => Ok(()),
        more => Err(format!("{more} announcements")),
    });
    assert_eq!(kernel.facts().routers[0].announcements_sent, 3);
}

#[test]
fn an_address_with_a_lifetime_outlives_it_while_the_thread_lives() {
    let (_lab, host) = one_host("lifetime");
    let lifetime = Some(Duration::from_secs(2));
    let kernel = start(&host, KernelPlan { lifetime, ..plan(&[&[VIP]]) });

    claim(&kernel, &[0]);

    let shown = host.ip("-4 -o address show dev eth0");
    assert!(shown.contains("valid_lft 2sec") || shown.contains("valid_lft 1sec"), "{shown}");
    holds_for("it is here", Duration::from_millis(3_500), || {
        host.has("192.168.56.100").then_some(()).ok_or("it is gone")
    });
    assert_eq!(lost(&kernel), 0);
}

#[test]
fn a_stop_releases_everything_in_time_and_so_does_the_loss_of_the_handle() {
    let (_lab, host) = one_host("stop");
    let mut kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);

    assert!(kernel.stop(3 * TENTH));
    assert!(!host.has("192.168.56.100"));
    assert_eq!(assigned(&kernel, 0), 0);

    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);
    drop(kernel);
    wait_until("it is released", SECOND, || !host.has("192.168.56.100"));
}

#[test]
fn a_refusal_is_told_by_name_and_does_not_end_the_thread() {
    let (_lab, host) = one_host("refused");
    let kernel = host.enter(|| {
        // The thread inherits what its maker is allowed to do.
        Rights::NONE.keep_only().expect("rights can be given away");
        KernelThread::start(plan(&[&[VIP], &["192.168.56.200/24"]]))
    });
    let kernel = kernel.expect("the kernel gives a thread");

    kernel.claim(0, true);

    let refused = "cannot add 192.168.56.100/24 to eth0: Operation not permitted (os error 1)";
    eventually("it is refused", SECOND, || {
        let Facts { routers, .. } = kernel.facts();
        let problems: Vec<_> = routers.iter().map(|router| router.problem.clone()).collect();
        let expected = [Some(refused.to_owned()), None];
        if problems == expected { Ok(()) } else { Err(format!("{problems:?}")) }
    });
    assert_eq!(view(&kernel).sources.ipv4, Some(Ipv4Addr::new(192, 168, 56, 101)));
    kernel.claim(0, false);
    wait_until("it is forgotten", SECOND, || kernel.facts().routers[0].problem.is_none());
}

#[test]
fn the_owner_of_an_address_speaks_from_it_and_keeps_it() {
    let (_lab, host) = one_host("owner");
    let mut kernel = start(&host, plan(&[&["192.168.56.101/24"]]));

    claim(&kernel, &[0]);

    assert_eq!(view(&kernel).sources.ipv4, Some(Ipv4Addr::new(192, 168, 56, 101)));
    assert!(kernel.stop(SECOND));
    assert!(host.has(OWN));
}

#[test]
fn a_link_that_changes_its_mac_is_announced_with_the_new_one() {
    let (_lab, host) = one_host("mac");
    let sniffer = Sniffer::start(&host);
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);
    wait_until("it is announced", TENTH, || sniffer.announcements().len() == 1);

    host.ip("link set eth0 address 02:00:00:00:00:07");

    wait_until("it is announced again", TENTH, || sniffer.announcements().len() == 2);
    assert_eq!(sniffer.announcements()[1].mac, [2, 0, 0, 0, 0, 7]);
}

/// Adds an address as a process that died has left it.
pub(crate) fn leave(host: &Host, address: &str) {
    let (runtime, mut netlink) = netlink(host);
    let _context = runtime.enter();
    let index =
        host.enter(|| fs::read_to_string("/sys/class/net/eth0/ifindex")).expect("eth0 is there");
    let index = index.trim().parse().expect("an index is a number");
    let changes = Changes { add: vec![parse(address)], ..Changes::default() };
    let applied = address::apply(
        &mut netlink,
        Target { index, name: "eth0", is_virtual: false, looks: None },
        &changes,
        None,
    )
    .expect("the kernel answers");
    assert_eq!(applied.gained, changes.add);
}

/// Returns the tag of an address, 0 for none.
fn tag(host: &Host, address: &str) -> u8 {
    let found = table(host).into_iter().find(|(held, _)| *held == parse(address));
    found.expect("the address is there").1
}

/// Returns the addresses of `eth0` and their tags.
pub(crate) fn table(host: &Host) -> Vec<(VirtualAddress, u8)> {
    let (runtime, mut netlink) = netlink(host);
    let _context = runtime.enter();
    let mut links = Links::default();
    links.reset(netlink.dump().expect("the kernel answers"));
    let (_, link) =
        links.named(&LinkName::new("eth0").expect("a valid name")).expect("eth0 is there");
    link.addresses().iter().map(|(held, present)| (*held, present.protocol)).collect()
}

pub(crate) fn netlink(host: &Host) -> (Runtime, Netlink) {
    let runtime = Builder::new_current_thread().enable_io().build().expect("a runtime can be made");
    let opened = host.enter(|| {
        let _context = runtime.enter();
        Netlink::open()
    });
    (runtime, opened.expect("a socket can be opened"))
}

pub(crate) fn one_host(name: &str) -> (Lab, Host) {
    let lab = Lab::new(name);
    let host = lab.host("worker-01", "192.168.56.101/24");
    (lab, host)
}

pub(crate) fn plan(routers: &[&[&str]]) -> KernelPlan {
    let router = |addresses: &&[&str]| PlannedRouter {
        site: Site::on(0),
        addresses: addresses.iter().map(|text| PlannedAddress::on(0, parse(text))).collect(),
        endpoints: Arc::new([]),
        accepts: true,
        patience: Duration::MAX,
    };
    KernelPlan {
        links: vec![LinkName::new("eth0").expect("a valid name")],
        routers: routers.iter().map(router).collect(),
        announce: AnnounceConfig { count: 3, refresh: None },
        lifetime: None,
        filter: None,
        place: "lab".to_owned(),
    }
}

fn held(address: &str) -> HeldAddress {
    let link = LinkName::new("eth0").expect("a valid name");
    HeldAddress { link, address: parse(address) }
}

pub(crate) fn parse(text: &str) -> VirtualAddress {
    let (address, prefix) = text.split_once('/').expect("an address has a prefix");
    VirtualAddress {
        address: address.parse().expect("a valid address"),
        prefix: prefix.parse().expect("a valid prefix"),
    }
}

pub(crate) fn start(host: &Host, plan: KernelPlan) -> KernelThread {
    let started: io::Result<KernelThread> = host.enter(|| KernelThread::start(plan));
    let kernel = started.expect("the kernel gives a thread");
    wait_until("the kernel was asked", SECOND, || !kernel.facts().links.is_empty());
    kernel
}

pub(crate) fn claim(kernel: &KernelThread, routers: &[usize]) {
    for router in routers {
        kernel.claim(*router, true);
    }
    eventually("everything claimed is assigned", SECOND, || {
        let Facts { routers: facts, .. } = kernel.facts();
        let here = |router: &usize| facts[*router].addresses.iter().all(|held| held.assigned);
        routers.iter().all(here).then_some(()).ok_or_else(|| format!("{facts:?}"))
    });
}

pub(crate) fn assigned(kernel: &KernelThread, router: usize) -> usize {
    kernel.facts().routers[router].addresses.iter().filter(|held| held.assigned).count()
}

fn lost(kernel: &KernelThread) -> u64 {
    kernel.facts().routers[0].addresses[0].lost
}

fn view(kernel: &KernelThread) -> LinkView {
    kernel.facts().links[0]
}

pub(crate) fn sorted(host: &Host) -> Vec<String> {
    let v4 = host.addresses().into_iter().filter(IpAddr::is_ipv4);
    let mut all: Vec<_> = v4.map(|address| address.to_string()).collect();
    all.sort();
    all
}

const VIP: &str = "192.168.56.100/24";
pub(crate) const OWN: &str = "192.168.56.101";
const TENTH: Duration = Duration::from_millis(100);
pub(crate) const SECOND: Duration = Duration::from_secs(1);
const TWO_SECONDS: Duration = Duration::from_secs(2);
