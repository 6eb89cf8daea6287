//! What somebody can do who has taken a worker over, or another program of its user: take down what
//! is his, and nothing else.

use std::time::Instant;

use harness::{CarrierKind, Host, Nginx, Role, Sniffer, eventually, holds_for};

use crate::guard::guards;
use crate::pair::{
    INTERVAL, Node, PATIENCE, Pair, VRID, conf, instance, on_every_pair_of, on_pairs_carried_by,
};
use crate::{get, logs, lua, on_every_nginx, start_active};

#[test]
fn a_worker_beside_an_agent_cannot_write_on_the_board_whatever_it_tries() {
    on_every_nginx("locked", |host, carrier| {
        let nginx = start_active(host, carrier);
        let is_locked = carrier.kind == CarrierKind::Agent;

        let status = get(host, "/ha/status").json();

        assert_eq!(status["node"]["board_locked"], is_locked);
        if is_locked {
            assert_eq!(lua(host, BREAK_IN), "tried 5, succeeded in nothing");
            assert_eq!(writes(host, ""), "cannot open the board: Permission denied");
            nginx.assert_no_complaints();
        } else {
            assert_eq!(writes(host, ""), "written");
        }
    });
}

#[test]
fn a_worker_that_lies_about_a_dead_engine_makes_nobody_active_and_has_no_address_removed() {
    for lies in [LIES, LIES_ABOUT_OTHERS] {
        assert_nobody_believes(lies);
    }
}

/// Has a worker of a backup write lies while its carrier is killed.
#[track_caller]
fn assert_nobody_believes(lies: &str) {
    // Beside an agent only root can lie.
    let conf = |number| format!("user root;\n{}", with_an_address_of_the_host(number));
    on_every_pair_of("lies", conf, |pair, _| {
        let Pair { two, sniffer, .. } = pair;
        assert_eq!(two.status().expect("it serves")["node"]["board_locked"], false);
        two.host.ip(&format!("address add {OF_THE_HOST} dev eth0"));
        let before = two.nginx.carrier_pid();
        write_all_the_time(&two.host, &two.nginx, lies);

        let killed = Instant::now();
        two.nginx.kill9(Role::Carrier);

        wait_for_another_carrier(&two.nginx, before);
        holds_for("it stays a backup", INTERVAL * 10, || is_backup(two));
        assert_no_adverts(two, sniffer, killed);
    });
}

#[test]
fn a_worker_that_writes_anything_anywhere_takes_down_nothing_but_its_own_node() {
    on_every_pair_of("anything", with_an_address_of_the_host, |pair, carrier| {
        let Pair { two, sniffer, .. } = pair;
        two.host.ip(&format!("address add {OF_THE_HOST} dev eth0"));
        let (master, before) = (two.nginx.master(), two.nginx.carrier_pid());
        let begun = Instant::now();
        write_all_the_time(
            &two.host,
            &two.nginx,
            match carrier.kind {
                CarrierKind::Agent => ANYTHING_ON_THE_PAGE,
                CarrierKind::Worker => ANYTHING_ANYWHERE,
            },
        );

        holds_for("it stays a backup", INTERVAL * 20, || {
            // Whatever stands there, whoever reads it lives on.
            two.host.get("127.0.0.1:80", "/ha/status").ok();
            is_backup(two)
        });
        assert_eq!(two.nginx.carrier_pid(), before, "the carrier has died");
        assert_eq!(guards(&two.host).len(), 1);
        two.nginx.kill9(Role::Carrier);
        if carrier.kind == CarrierKind::Agent {
            wait_for_another_carrier(&two.nginx, before);
        }
        holds_for("it stays a backup", INTERVAL * 10, || is_backup(two));
        two.nginx.reload();

        holds_for("it stays a backup", INTERVAL * 10, || is_backup(two));
        assert_eq!(two.nginx.master(), master);
        let log = two.nginx.error_log();
        assert!(!log.contains("exited on signal 11"), "{log}");
        assert_no_adverts(two, sniffer, begun);
        pair.one.wait_for("active");
        // Only the workers that wrote all that are gone.
        two.wait_for("backup");
    });
}

#[test]
fn whatever_a_worker_writes_the_master_reloads_and_goes_on() {
    on_every_nginx("scribbled", |host, carrier| {
        let nginx = start_active(host, carrier);
        let master = nginx.master();
        let on_the_board = SCRIBBLES.iter().filter(|_| carrier.kind == CarrierKind::Worker);
        for chunk in on_the_board.chain(&[PAGE_OF_ONES]) {
            let chunk = format!("{MAP_FOR_WRITING} {chunk} return 'written'");
            assert_eq!(lua(host, &chunk), "written", "{chunk}");

            nginx.reload();

            assert_eq!(nginx.master(), master, "{chunk}");
            eventually("the next configuration answers", PATIENCE, || {
                let status = get(host, "/ha/status");
                let carries = nginx.pids(Role::Carrier).len() == 1;
                let is_active = status.body.contains("\"state\":\"active\"");
                if carries && is_active { Ok(()) } else { Err(status.body) }
            });
        }
        nginx.quit();
    });
}

#[test]
fn another_program_of_the_same_user_is_turned_away_at_the_door_and_gets_nothing() {
    on_pairs_carried_by(CarrierKind::Worker, "same user", |pair| {
        let (nginx, host) = (&pair.one.nginx, &pair.one.host);
        let calm = pair.calm();
        let door = host.exec("find", &["/run/resty-vrrp", "-name", "*.sock"]);

        for _ in 0..3 {
            assert_eq!(knock_as_www_data(host, door.trim()), "");
        }

        let told = "turned away: a process of our own user without CAP_NET_ADMIN and CAP_NET_RAW \
                    wants to take the routers over";
        logs(nginx, told);
        pair.assert_calm(&calm);
        // An engine of our own is let in as ever.
        nginx.reload();
        pair.one.wait_for_generation(2);
        pair.assert_calm(&calm);
        assert_eq!(nginx.error_log().matches(told).count(), 1);
    });
}

#[test]
fn another_program_of_the_same_user_cannot_open_the_memory_of_the_carrier_nor_of_the_guard() {
    on_pairs_carried_by(CarrierKind::Worker, "memory", |pair| {
        let one = &pair.one;
        let memory_of = |pid| {
            let open = format!("(exec 3<>/proc/{pid}/mem) 2>&1 && echo open || echo refused");
            let command = [&AS_WWW_DATA[..], &["sh", "-c", &open]].concat();
            let said = one.host.exec("setpriv", &command);
            said.lines().last().unwrap_or_default().to_owned()
        };

        let workers = one.nginx.pids(Role::Worker);
        let other = workers.iter().find(|pid| **pid != one.nginx.carrier_pid());
        assert_eq!(memory_of(*other.expect("there are two workers")), "open");
        assert_eq!(memory_of(one.nginx.carrier_pid()), "refused");
        for guard in guards(&one.host) {
            assert_eq!(memory_of(guard), "refused");
        }
    });
}

/// Asks for the routers as a program of www-data, and returns all that is answered.
#[track_caller]
fn knock_as_www_data(host: &Host, door: &str) -> String {
    let ask = r#"$SIG{PIPE} = "IGNORE";
        my $door = IO::Socket::UNIX->new(Peer => shift) or die "closed";
        syswrite $door, "\0\0\0\x07\"Hello\"\0\0\0\x06\"Take\"";
        print while <$door>"#;
    let program = ["perl", "-MIO::Socket::UNIX", "-e", ask, door];
    host.exec("setpriv", &[&AS_WWW_DATA[..], &program].concat())
}

/// A node that is to have an address which somebody else has put on the host.
fn with_an_address_of_the_host(number: u8) -> String {
    let one = instance("VI_1", VRID, 200 - 50 * number, &["192.168.56.100/24", OF_THE_HOST]);
    conf(&format!("{{ instances = {{ {one} }} }}"))
}

fn is_backup(node: &Node) -> Result<(), String> {
    let has = (node.has(), node.host.has("192.168.56.110"));
    if has == (false, true) { Ok(()) } else { Err(format!("{has:?}")) }
}

#[track_caller]
fn wait_for_another_carrier(nginx: &Nginx, before: i32) {
    eventually("there is another carrier", PATIENCE, || {
        let pids = nginx.pids(Role::Carrier);
        if pids.iter().any(|pid| *pid != before) { Ok(()) } else { Err(format!("{pids:?}")) }
    });
}

#[track_caller]
fn assert_no_adverts(node: &Node, sniffer: &Sniffer, since: Instant) {
    let mut adverts = sniffer.adverts_since(since);
    adverts.retain(|advert| advert.source == node.source());
    assert!(adverts.is_empty(), "{adverts:?}");
}

/// Has a worker map the board for writing and do something to it.
#[track_caller]
fn writes(host: &Host, chunk: &str) -> String {
    lua(
        host,
        &format!("{MAP_FOR_WRITING} if not board then return err end {chunk} return 'written'"),
    )
}

/// Has a worker that is not the carrier write every two milliseconds, for as long as it lives.
#[track_caller]
fn write_all_the_time(host: &Host, nginx: &Nginx, chunk: &str) {
    let carrier = nginx.carrier_pid();
    let chunk = format!(
        "if ngx.worker.pid() == {carrier} then return 'carrier' end
        {MAP_FOR_WRITING}
        local function write()
            local now = require('resty.vrrp.clock').now_ms()
            {chunk}
        end
        write()
        ngx.timer.every(0.002, write)
        return 'writes'"
    );
    eventually("a worker writes", PATIENCE, || match lua(host, &chunk).as_str() {
        "writes" => Ok(()),
        other => Err(other.to_owned()),
    });
}

/// What is found is mapped for reading; what is made of it, for writing, if it can be.
const MAP_FOR_WRITING: &str = "
    local ffi = require('ffi')
    local found = require('resty.vrrp.board').find()
    local board, err = found:writable()
    local page, slots = found.page, {}
    for index = 1, board and board.count.instances or 0 do
        slots[index] = board.slots + (index - 1)
    end";
/// Every way to the memory of the board that a worker has without rights.
const BREAK_IN: &str = "
    local ffi, C = require('ffi'), require('ffi').C
    local found = require('resty.vrrp.board').find()
    pcall(ffi.cdef, [[
        int mprotect(void *, size_t, int);
        int flock(int, int);
        int fchmod(int, unsigned);
    ]])
    local path = '/proc/self/fd/' .. found.fd
    local page = ffi.cast('void *', found.header)
    local succeeded = {}
    local function try(name, result)
        if result >= 0 then succeeded[#succeeded + 1] = name end
    end
    try('mprotect', C.mprotect(page, 4096, 3))
    try('flock', C.flock(found.fd, 6))
    try('fchmod', C.fchmod(found.fd, 511))
    try('open to read', C.resty_vrrp_open(path, 0))
    try('open to write', C.resty_vrrp_open(path, 2))
    local all = table.concat(succeeded, ', ')
    return 'tried 5, succeeded in ' .. (all == '' and 'nothing' or all)";
const PAGE_OF_ONES: &str = "ffi.fill(page, ffi.sizeof('resty_vrrp_page'), 0xff)";
/// Random words on the page, but for the one request that any worker may make: to drain.
const ANYTHING_ON_THE_PAGE: &str = "
    local words = ffi.cast('uint32_t *', page)
    local length = ffi.sizeof('resty_vrrp_page') / 4
    for _ = 1, 100 do
        words[math.random(1, length - 1)] = math.random(0, 2 ^ 31 - 1)
    end
    page.request = math.random(3, 2 ^ 31 - 1)";
/// The same, and random words in each table of the board.
const ANYTHING_ANYWHERE: &str = "
    local function spoil(start, length)
        local words = ffi.cast('uint32_t *', start)
        for _ = 1, 100 do
            words[math.random(0, length / 4 - 1)] = math.random(0, 2 ^ 31 - 1)
        end
    end
    spoil(page, ffi.sizeof('resty_vrrp_page'))
    page.request = math.random(3, 2 ^ 31 - 1)
    spoil(board.header, ffi.sizeof('resty_vrrp_header'))
    spoil(board.events, 1024 * ffi.sizeof('resty_vrrp_event'))
    spoil(board.lines, 200 * ffi.sizeof('resty_vrrp_line'))
    spoil(board.warnings, 256 * ffi.sizeof('resty_vrrp_warning'))
    spoil(slots[1], ffi.sizeof('resty_vrrp_instance'))
    spoil(board.addresses, board.count.addresses * ffi.sizeof('resty_vrrp_address'))";
/// As a worker that has given away what only the engine needs.
const AS_WWW_DATA: [&str; 5] = [
    "--reuid=www-data",
    "--regid=www-data",
    "--clear-groups",
    "--inh-caps=+net_bind_service",
    "--ambient-caps=+net_bind_service",
];
/// That the engine was alive just now, was Active, and had put the addresses there.
const LIES: &str = "
    board.header.engine_beat_ms = now
    for _, slot in ipairs(slots) do
        slot.state, slot.since_ms, slot.active_is_self = 2, now, 1
        for index = 0, slot.addresses - 1 do
            local address = board.addresses[slot.first_address + index]
            address.assigned, address.ours = 1, 1
        end
    end";
/// That the engine was alive just now, and a backup of priority 254 to whom nobody has ever spoken.
const LIES_ABOUT_OTHERS: &str = "
    board.header.engine_beat_ms = now
    for _, slot in ipairs(slots) do
        slot.state, slot.since_ms, slot.active_family = 1, 1, 0
        slot.active_last_advert_ms, slot.active_down_interval_us = 0, 0
        slot.priority, slot.effective_priority = 1, 254
    end";
/// What the master could follow to its death.
const SCRIBBLES: &[&str] = &[
    "board.header.instances = 0xffffffff",
    "board.header.addresses = 0xffffffff",
    "board.header.length = 2 ^ 60",
    "board.header.events_offset, board.header.board_fd = 0xfffffff0, 0x7ffffff0",
    "board.header.page = 0xfffffff0",
    "board.header.instances_offset, board.header.addresses_offset = 0xfffffff0, 0xfffffff0",
    "board.header.event_size, board.header.instance_size = 0x7fffffff, 0x7fffffff",
    "for _, slot in ipairs(slots) do
        slot.first_address, slot.addresses = 0xffffffff, 0xffffffff
    end",
    "board.header.generation = 0xffffffff",
    "board.header.warnings, board.header.warnings_offset = 0xffffffff, 0xfffffff0",
    "local start = ffi.cast('char *', board.header) + ffi.sizeof('resty_vrrp_header')
     ffi.fill(start, tonumber(board.header.length) - ffi.sizeof('resty_vrrp_header'), 0x41)",
];
const OF_THE_HOST: &str = "192.168.56.110/24";
