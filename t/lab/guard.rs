//! The guard as a process of its own, with two others that stand for nginx's master and carrier.

mod death;
mod hung;

use std::fs;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::{Host, Lab, Process, Signal, Sniffer, eventually, holds_for, wait_until};
use resty_vrrp::guard::{self, Claim, ClaimedPlace, DoorId, Kept, Order, Resignation};
use resty_vrrp::net::spawn::Program;
use resty_vrrp::net::{Channel, HeldMutex, Lock};
use resty_vrrp::status::{Board, Plan};
use resty_vrrp::types::{
    Centiseconds, ChecksumForm, Family, GROUP_IPV4, HOP_LIMIT, LinkName, Priority, Version,
    VirtualAddress, Vrid,
};
use resty_vrrp::wire::advertisement::Outgoing;
use resty_vrrp::wire::ip::{Endpoints, Envelope};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
use tokio::runtime::{Builder, Runtime};

use crate::kernel::leave;

#[test]
fn everything_is_withdrawn_within_milliseconds_when_all_of_nginx_is_killed() {
    let lab = Lab::new("guard: all killed");
    let mut nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    nginx.claim(0, &["192.168.56.100/24"]);
    nginx.claim(1, &["192.168.56.110/24"]);

    let killed = Instant::now();
    nginx.kill_master();
    nginx.kill_carrier();

    wait_until("the addresses have gone", PATIENCE, || nginx.virtual_addresses().is_empty());
    let gone = killed.elapsed();
    for vrid in [51, 52] {
        let advert = sniffer.wait_for_advert("it resigns", killed, PATIENCE, |it| it.vrid == vrid);
        assert_eq!((advert.priority, advert.ttl), (0, 255));
        println!("vrid {vrid} resigned after {:?}", advert.at - killed);
    }
    println!("addresses gone after {gone:?}");
    nginx.guard_ends();
}

#[test]
fn only_addresses_that_are_claimed_and_ours_are_removed() {
    let lab = Lab::new("guard: ours");
    let mut nginx = Nginx::start(&lab);
    nginx.host.ip("address add 192.168.56.77/24 dev eth0");
    leave(&nginx.host, "192.168.56.78/24");
    nginx.claim(0, &["192.168.56.100/24"]);
    nginx.order(&claim_of(&nginx.host, 1, &["192.168.56.77/24"]));

    nginx.kill_master();
    nginx.kill_carrier();

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.77", "192.168.56.78"]);
}

#[test]
fn nothing_happens_when_another_engine_is_in_charge_in_time() {
    let lab = Lab::new("guard: respawn");
    let mut nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    nginx.claim(0, &["192.168.56.100/24"]);

    nginx.kill_carrier();
    nginx.respawn();

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

#[test]
fn nothing_happens_while_an_engine_of_another_nginx_has_the_routers() {
    let lab = Lab::new("guard: upgrade");
    let mut nginx = Nginx::start(&lab);
    nginx.claim(0, &["192.168.56.100/24"]);
    let _other = UnixListener::bind(nginx.door()).expect("the path is free");

    nginx.kill_master();
    nginx.kill_carrier();

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
}

#[test]
fn a_guard_leaves_as_soon_as_another_engine_has_the_routers() {
    let lab = Lab::new("guard: replaced");
    let mut nginx = Nginx::start(&lab);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");

    nginx.kill_carrier();
    let _other = UnixListener::bind(nginx.door()).expect("the path is free");

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
}

#[test]
fn everything_is_withdrawn_when_a_carrier_is_not_replaced_in_time() {
    let lab = Lab::new("guard: no respawn");
    let mut nginx = Nginx::start(&lab);
    nginx.claim(0, &["192.168.56.100/24"]);

    let killed = Instant::now();
    nginx.kill_carrier();

    holds_for("it waits", ACTIVE_DOWN_INTERVAL * 3 / 4, || {
        let held = nginx.virtual_addresses();
        if held == ["192.168.56.100"] { Ok(()) } else { Err(format!("{held:?}")) }
    });
    wait_until("the address has gone", PATIENCE, || nginx.virtual_addresses().is_empty());
    assert!(killed.elapsed() < ACTIVE_DOWN_INTERVAL + PATIENCE);
    nginx.guard_ends();
}

#[test]
fn a_master_that_dies_while_another_carrier_is_awaited_ends_the_waiting() {
    let lab = Lab::new("guard: then the master");
    let mut nginx = Nginx::start(&lab);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");

    nginx.kill_carrier();
    nginx.kill_master();

    wait_until("the address has gone", PATIENCE, || nginx.virtual_addresses().is_empty());
}

#[test]
fn what_was_released_and_what_follows_a_bye_is_left_alone() {
    let lab = Lab::new("guard: bye");
    let mut nginx = Nginx::start(&lab);
    nginx.claim(0, &["192.168.56.100/24"]);
    nginx.order(&Order::Release { router: 0 });
    nginx.kill_master();
    nginx.kill_carrier();
    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
    drop(nginx);

    let mut nginx = Nginx::on(&lab, lab.host("worker-02", "192.168.56.102/24"));
    nginx.claim(0, &["192.168.56.120/24"]);
    nginx.order(&Order::Bye);
    nginx.guard_ends();
    nginx.kill_master();
    nginx.kill_carrier();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.120"]);
}

#[test]
fn a_guard_that_had_no_descriptor_left_tells_the_next_engine_again() {
    let lab = Lab::new("guard: no descriptor");
    let nginx = Nginx::start(&lab);
    let door = nginx.door();
    let _door = UnixListener::bind(&door).expect("the path is free");
    nginx.order(&Order::Door(DoorId::at(&door).expect("it is there")));
    nginx.claim(0, &["192.168.56.100/24"]);
    let told = || {
        let recalled = guard::recall(&door).len();
        if recalled == 1 { Ok(()) } else { Err(recalled) }
    };
    eventually("it tells", PATIENCE, told);
    let pid = nginx.find_guard().and_then(Pid::from_raw);
    let before = getrlimit(Resource::Nofile);
    let limit = |limit| prlimit(pid, Resource::Nofile, limit).expect("it lives");

    limit(Rlimit { current: Some(0), ..before });
    assert_eq!(told(), Err(0));
    limit(before);

    eventually("it tells again", PATIENCE, told);
}

#[test]
fn a_guard_without_an_engine_ends_and_does_nothing() {
    let lab = Lab::new("guard: no engine");
    let mut nginx = Nginx::start(&lab);
    nginx.claim(0, &["192.168.56.100/24"]);

    nginx.orders = None;

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
}

#[test]
fn a_guard_is_nobodys_child_and_has_two_rights_and_nothing_of_nginx() {
    let lab = Lab::new("guard: process");
    // As nginx's listening sockets, it is not closed by an exec.
    let file = fs::File::open(INHERITED).expect("the tests run in the root of the package");
    fcntl_setfd(&file, FdFlags::empty()).expect("the flag can be cleared");
    let nginx = Nginx::start(&lab);
    let pid = nginx.find_guard().expect("it lives");

    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGQUIT] {
        harness::signal(pid, signal);
    }

    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a field");
        line.trim().to_owned()
    };
    assert_ne!(field("PPid:"), std::process::id().to_string());
    assert_eq!(field("NSsid:"), pid.to_string());
    for rights in ["CapEff:", "CapPrm:"] {
        assert_eq!(u64::from_str_radix(&field(rights), 16), Ok(1 << 12 | 1 << 13));
    }
    assert_eq!(u64::from_str_radix(&field("CapAmb:"), 16), Ok(0));
    for task in fs::read_dir(format!("/proc/{pid}/task")).expect("it lives").flatten() {
        // It has its name before it guards.
        eventually("it has given up what it does not need", PATIENCE, || {
            let status = fs::read_to_string(task.path().join("status")).expect("it lives");
            let is_confined = status.contains("NoNewPrivs:\t1") && status.contains("Seccomp:\t2");
            if is_confined { Ok(()) } else { Err(status) }
        });
    }
    let open = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten();
    let open: Vec<_> = open.filter_map(|file| fs::read_link(file.path()).ok()).collect();
    assert!(!open.contains(&Path::new(INHERITED).to_owned()), "{open:?}");
}

/// Two processes that stand for nginx, and the guard of the second.
struct Nginx {
    host: Host,
    master: Process,
    carrier: Process,
    engine: Engine,
    runtime: Runtime,
    orders: Option<Channel>,
    lock_file: PathBuf,
    lock: Option<Lock>,
}

impl Nginx {
    fn start(lab: &Lab) -> Self {
        Self::on(lab, lab.host("worker-01", "192.168.56.101/24"))
    }

    fn on(lab: &Lab, host: Host) -> Self {
        let idle = || host.spawn(Command::new("sleep").arg("1000"));
        let (master, carrier) = (idle(), idle());
        let engine = Engine::start();
        let lock_file = lab.directory().join(host.name());
        fs::write(&lock_file, "").expect("there is room for a file");
        let plan = Plan {
            router_id: "worker-01".to_owned(),
            worker_timeout: WORKER_TIMEOUT,
            control: false,
            token: String::new(),
            shutdown_timeout_ms: 0,
            instances: Vec::new(),
            addresses: Vec::new(),
            peers: Vec::new(),
        };
        Board::create(&lock_file, &plan).expect("there is room for a board");
        let runtime = Builder::new_current_thread().enable_io().build().expect("it can be made");
        let mut nginx =
            Self { host, master, carrier, engine, runtime, orders: None, lock_file, lock: None };
        nginx.respawn();
        nginx.orders = Some(nginx.start_guard());
        eventually("the guard is there", PATIENCE, || nginx.find_guard().ok_or("it is not"));
        nginx
    }

    fn start_guard(&self) -> Channel {
        let (carrier, master) = (number(&self.carrier), number(&self.master));
        let lock = Lock::open(&self.lock_file).expect("the file is there");
        self.host.enter(|| {
            let _context = self.runtime.enter();
            let mutex = self.engine.memory.try_clone().expect("there is a descriptor");
            let door = self.door();
            let program = Program { path: PROGRAM.into(), held: None };
            let kept = Kept { mutex, lock, filter: None };
            let (orders, start) = guard::prepare(program, carrier, master, kept, Some(&door))
                .expect("the processes are there");
            start.run().expect("it can be executed");
            orders
        })
    }

    /// Where engines meet.
    fn door(&self) -> PathBuf {
        self.lock_file.with_extension("sock")
    }

    /// Opens the board, whose lock says that an engine is in charge.
    fn board(&self) -> Board {
        Board::open(&self.lock_file).expect("it is there")
    }

    /// Lets an engine take the lock.
    fn respawn(&mut self) {
        let lock = Lock::open(&self.lock_file).expect("the file is there");
        assert!(lock.try_take().expect("the file system has locks"));
        self.lock = Some(lock);
    }

    fn kill_master(&mut self) {
        self.master.signal(Signal::SIGKILL);
    }

    fn kill_carrier(&mut self) {
        if self.engine.lives() {
            self.engine.die();
        }
        self.carrier.signal(Signal::SIGKILL);
        self.orders = None;
        self.lock = None;
    }

    /// Adds addresses as an engine does, and has the guard told.
    fn claim(&self, router: u8, addresses: &[&str]) {
        for address in addresses {
            leave(&self.host, address);
        }
        self.order(&claim_of(&self.host, router, addresses));
    }

    /// Claims an address of a router that peers wait for so long.
    fn claim_for(&self, down_interval: Duration, address: &str) {
        self.claim_for_peers([down_interval; 2], address);
    }

    /// Claims an address of a router whose most eager and most patient peers wait for so long.
    fn claim_for_peers(&self, down_intervals: [Duration; 2], address: &str) {
        let [active_down_interval, longest_down_interval] = down_intervals;
        leave(&self.host, address);
        if let Order::Claim { router, claim } = claim_of(&self.host, 0, &[address]) {
            let claim = Claim { active_down_interval, longest_down_interval, ..claim };
            self.order(&Order::Claim { router, claim });
        }
    }

    fn order(&self, order: &Order) {
        let mut message = Vec::new();
        order.emit(&mut message);
        let orders = self.orders.as_ref().expect("there is a guard");
        orders.send(&message).expect("it listens");
    }

    fn virtual_addresses(&self) -> Vec<String> {
        let own = self.host.address();
        let mut all: Vec<_> = self.host.addresses();
        all.retain(|address| address.is_ipv4() && *address != own);
        all.sort();
        all.iter().map(ToString::to_string).collect()
    }

    fn find_guard(&self) -> Option<i32> {
        self.host.pids().into_iter().find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "vrrp-guard\n")
        })
    }

    #[track_caller]
    fn guard_ends(&self) {
        wait_until("the guard ends", Duration::from_secs(5), || self.find_guard().is_none());
    }
}

/// A thread that stands for the engine of the carrier, although it is of this process: so it can
/// die as long before the rest of the carrier as a test likes.
struct Engine {
    memory: OwnedFd,
    end: Option<Sender<fn(HeldMutex)>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    fn start() -> Self {
        let (give, given) = channel();
        let (end, told) = channel::<fn(HeldMutex)>();
        let thread = thread::spawn(move || {
            let mutex = HeldMutex::new().expect("there is memory");
            give.send(mutex.memory().expect("there is a descriptor")).expect("it is waited for");
            // A test that ends lets go.
            if let Ok(end) = told.recv() {
                end(mutex);
            }
        });
        let memory = given.recv().expect("the thread has begun");
        Self { memory, end: Some(end), thread: Some(thread) }
    }

    fn lives(&self) -> bool {
        self.thread.is_some()
    }

    /// Ends the thread, which still holds its mutex, as a kill does.
    fn die(&mut self) {
        self.end(mem::forget);
    }

    /// Ends the thread in peace.
    fn leave(&mut self) {
        self.end(drop);
    }

    fn end(&mut self, how: fn(HeldMutex)) {
        self.end.take().expect("it ends once").send(how).expect("it listens");
        self.thread.take().expect("it ends once").join().expect("it does not panic");
    }
}

fn claim_of(host: &Host, router: u8, addresses: &[&str]) -> Order {
    let addresses: Vec<_> = addresses.iter().map(|text| parse(text)).collect();
    let claim = Claim {
        interface: LinkName::new("eth0").expect("a valid name"),
        family: Family::Ipv4,
        vrid: Vrid::new(51 + router).expect("it is not 0"),
        speaks_on: index(host),
        virtual_mac: None,
        active_down_interval: ACTIVE_DOWN_INTERVAL,
        longest_down_interval: ACTIVE_DOWN_INTERVAL,
        resignations: vec![resignation(51 + router, &addresses)],
        places: vec![ClaimedPlace {
            link: index(host),
            name: LinkName::new("eth0").expect("a valid name"),
            addresses,
        }],
    };
    Order::Claim { router: router.into(), claim }
}

fn resignation(vrid: u8, addresses: &[VirtualAddress]) -> Resignation {
    let outgoing = Outgoing {
        version: Version::V3,
        vrid: Vrid::new(vrid).expect("it is not 0"),
        priority: Priority::RESIGN,
        adver_interval: Centiseconds::new(10).expect("it is not 0"),
        auth: None,
        addresses,
        checksum: ChecksumForm::PseudoHeader,
    };
    let source = Ipv4Addr::new(192, 168, 56, 101);
    let endpoints = Endpoints::V4 { source, destination: GROUP_IPV4 };
    let mut message = Vec::new();
    outgoing.emit(endpoints, &mut message);
    Resignation { envelope: Envelope { endpoints, hop_limit: HOP_LIMIT }, message }
}

fn parse(text: &str) -> VirtualAddress {
    let (address, prefix) = text.split_once('/').expect("an address has a prefix");
    VirtualAddress {
        address: address.parse().expect("a valid address"),
        prefix: prefix.parse().expect("a valid prefix"),
    }
}

fn index(host: &Host) -> u32 {
    let text = host.ip("-o link show dev eth0");
    let (index, _) = text.split_once(':').expect("ip begins with the index");
    index.parse().expect("an index is a number")
}

fn number(process: &Process) -> u32 {
    process.pid().try_into().expect("it is positive")
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_resty-vrrp-guard");
const INHERITED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
const ACTIVE_DOWN_INTERVAL: Duration = Duration::from_millis(400);
const PATIENCE: Duration = Duration::from_millis(500);
const WORKER_TIMEOUT: Duration = Duration::from_millis(400);
