//! All of nginx is killed, or its master alone: how soon nothing is left of the node, and a peer
//! serves.

use std::thread;
use std::time::{Duration, Instant};

use harness::{AddressWatch, Advert, Nginx, Probe, Role, Signal, eventually, urgently, wait_until};

use crate::guard::{
    SECOND, VIP, VIP_2, guards, kill, no_guard_is_left, on_a_network, start_active,
};
use crate::pair::{
    ADDRESS, PATIENCE, Pair, SERVER, SKEW, VRID, conf, instance, on_every_fallible_pair,
    on_every_pair, on_every_pair_of,
};
use crate::{assert_mostly_within, status_when};

#[test]
fn when_all_of_nginx_is_killed_its_addresses_go_and_a_peer_takes_over_within_the_skew() {
    on_every_pair("all killed", |pair, _| {
        let mut killings = Killings::of(pair);

        (0..KILLS).for_each(|_| killings.add(kill_all_of));

        let log = pair.one.nginx.error_log();
        let cleared = log.matches("resigned for 1 virtual routers, removed 1 addresses").count();
        assert_eq!(cleared, KILLS, "{log}");
        killings.assert_mostly_within(RESIGNED, GONE, SKEW + TAKEOVER);
    });
}

#[test]
fn two_nodes_of_high_priorities_move_the_address_within_twelve_milliseconds() {
    on_every_pair_of("254 and 253", conf_of_high_priority, |pair, _| {
        let mut killings = Killings::of(pair);

        (0..KILLS / 2).for_each(|_| killings.add(kill_all_of));

        killings.assert_mostly_within(RESIGNED, GONE, Duration::from_millis(12));
    });
}

#[test]
fn a_killed_master_is_a_fault_although_its_workers_live_on() {
    on_every_pair_of("master killed", large_conf, |pair, _| {
        let one = &pair.one;
        let mut killings = Killings::of(pair);

        for _ in 0..KILLS / 3 {
            killings.add(|nginx| {
                let killed = urgently(|| now_that(|| nginx.kill9(Role::Master)));
                one.wait_for("fault");
                let health = one.host.get("127.0.0.1:80", "/ha/healthz");
                let why = health.expect("workers live on").body;
                assert!(why.contains("master process has died"), "{why}");
                killed
            });
        }

        let [resigned, gone, dark] = killings.times;
        assert_mostly_within(MASTER_MISSED, resigned);
        assert_mostly_within(MASTER_MISSED + GONE, gone);
        assert_mostly_within(MASTER_MISSED + TAKEOVER, dark);
    });
}

#[test]
fn carrier_and_master_may_be_killed_in_any_order_and_some_time_apart() {
    on_every_pair("one after the other", |pair, _| {
        let mut killings = Killings::of(pair);

        for roles in [[Role::Carrier, Role::Master], [Role::Master, Role::Carrier]] {
            killings.add(|nginx| {
                let [first, second] = roles.map(|role| nginx.pids(role));
                urgently(|| {
                    let killed = now_that(|| kill(&first));
                    thread::sleep(APART);
                    kill(&second);
                    killed
                })
            });
        }

        let [_, gone, _] = killings.times;
        assert_mostly_within(UNDOUBTED, gone);
    });
}

#[test]
fn an_engine_that_panicked_before_is_guarded_as_any_other() {
    on_every_fallible_pair("panicked, then killed", "", |pair, _| {
        let one = &pair.one;
        let carrier = one.nginx.carrier_pid();
        let mut killings = Killings::of(pair);
        one.nginx.failpoints().arm("vrrp", "panic");
        one.wait_for("fault");
        one.nginx.failpoints().disarm("vrrp");
        one.wait_for("active");
        pair.wait_until_settled();
        assert_eq!(one.nginx.carrier_pid(), carrier, "it began again in the same process");

        killings.add(kill_all_of);

        let [_, gone, _] = killings.times;
        assert_mostly_within(UNDOUBTED, gone);
    });
}

#[test]
fn a_guard_that_is_killed_is_replaced_and_guards_again() {
    on_a_network("guard replaced", |_, host, carrier| {
        let nginx = start_active(host, carrier);
        let mut times = Vec::new();
        for _ in 0..5 {
            let before = guards(host);

            kill(&before);

            eventually("there is another guard", SECOND * 15, || {
                let now = guards(host);
                if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{now:?}")) }
            });
            assert!(!nginx.error_log().contains("unknown process"), "{}", nginx.error_log());
            // The next beat tells it everything.
            thread::sleep(Duration::from_millis(300));
            let watch = AddressWatch::start(host);

            let killed = kill_all_of(&nginx);

            let gone = [VIP, VIP_2].map(|vip| watch.wait_for_removal(killed, vip, SECOND) - killed);
            times.extend(gone.into_iter().max());
            nginx.wait_for_the_end();
            nginx.launch().expect("it starts again");
            status_when(host, "active");
        }
        println!("{times:.1?}");
        assert_mostly_within(UNDOUBTED, times);
    });
}

/// What happened each time that the first node of a pair was killed.
struct Killings<'a> {
    pair: &'a Pair,
    watch: AddressWatch,
    /// From the first kill until it had resigned, until its address was gone, and from the last
    /// page of it to the first one of the other node.
    times: [Vec<Duration>; 3],
}

impl<'a> Killings<'a> {
    fn of(pair: &'a Pair) -> Self {
        let watch = urgently(|| AddressWatch::start(&pair.one.host));
        Self { pair, watch, times: Default::default() }
    }

    /// Kills the first node, and starts it again. `kill` returns when it began.
    #[track_caller]
    fn add(&mut self, kill: impl FnOnce(&Nginx) -> Instant) {
        let Pair { one, two, sniffer, client, .. } = self.pair;
        let probe = urgently(|| Probe::start(client, SERVER, "/"));
        probe.wait_for("worker-01", PATIENCE);
        wait_until("the guard is here", PATIENCE, || guards(&one.host).len() == 1);

        let killed = kill(&one.nginx);

        let gone = self.watch.wait_for_removal(killed, ADDRESS, PATIENCE) - killed;
        let resigned = |it: &Advert| it.priority == 0 && it.source == one.source();
        let resigned = sniffer.wait_for_advert("it resigns", killed, PATIENCE, resigned);
        let resigned = resigned.at - killed;
        probe.wait_for("worker-02", PATIENCE);
        let dark = probe.finish().outage();
        println!("resigned {resigned:.1?}, gone {gone:.1?}, {dark:.1?} dark");
        [resigned, gone, dark].into_iter().zip(&mut self.times).for_each(|(it, all)| all.push(it));
        assert!(!one.has() && two.has());
        one.nginx.kill9(Role::All);
        one.nginx.wait_for_the_end();
        no_guard_is_left(&one.host);

        one.nginx.launch().expect("it starts again");
        one.wait_for("active");
        self.pair.wait_until_settled();
    }

    #[track_caller]
    fn assert_mostly_within(self, resigned: Duration, gone: Duration, dark: Duration) {
        let bounds = [resigned, gone, dark];
        bounds
            .into_iter()
            .zip(self.times)
            .for_each(|(bound, all)| assert_mostly_within(bound, all));
    }
}

/// Returns the configuration of a node whose priority leaves hardly any skew.
fn conf_of_high_priority(number: u8) -> String {
    let instance = instance("VI_1", VRID, 255 - number, &["192.168.56.100/24"]);
    conf(&format!("{{ instances = {{ {instance} }} }}"))
}

/// Returns the same with processes of 64 MB each.
fn large_conf(number: u8) -> String {
    let ballast = "init_by_lua_block { BALLAST = ('x'):rep(64 * 2^20)";
    conf_of_high_priority(number).replacen("init_by_lua_block {", ballast, 1)
}

/// Kills every process of nginx at once, and returns when.
pub(crate) fn kill_all_of(nginx: &Nginx) -> Instant {
    // The carrier goes first, or it might find the time to resign by itself; and the master must
    // not find the time to start another one.
    let mut processes = nginx.pids(Role::Carrier);
    processes.extend(nginx.pids(Role::All));
    nginx.signal(Role::Master, Signal::SIGSTOP);
    urgently(|| now_that(|| kill(&processes)))
}

/// Does something, and returns when it began.
fn now_that(work: impl FnOnce()) -> Instant {
    let began = Instant::now();
    work();
    began
}

const KILLS: usize = 15;
/// After that long, a node that was killed has resigned.
const RESIGNED: Duration = Duration::from_millis(2);
/// After that long, a node that was killed has none of its addresses.
const GONE: Duration = Duration::from_millis(5);
/// After that long, a node whose large master alone was killed has resigned: the kernel tells of
/// its end when all of its memory has been given back.
const MASTER_MISSED: Duration = Duration::from_millis(10);
/// A single death that was noticed by the mutex: OpenResty's process is torn down in 30 to 50 ms.
pub(crate) const UNDOUBTED: Duration = Duration::from_millis(20);
/// What a failover takes beside the skew: death, resignation, takeover, and the client's next try.
const TAKEOVER: Duration = Duration::from_millis(8);
/// How far apart the signals to the processes of one nginx may arrive.
const APART: Duration = Duration::from_millis(3);
