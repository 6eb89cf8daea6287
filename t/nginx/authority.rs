//! What a worker can do that somebody else has taken over: it serves nobody's addresses but ours,
//! and takes down nothing but itself.

use std::time::Instant;

use harness::{CarrierKind, Host, Nginx, Role, eventually, holds_for};

use crate::guard::guards;
use crate::pair::{
    INTERVAL, PATIENCE, Pair, VRID, conf, instance, on_every_pair_of, on_pairs_carried_by,
};
use crate::{get, logs, lua, on_every_nginx, start_active};

#[test]
fn a_worker_that_lies_about_a_dead_engine_makes_nobody_active_and_has_no_address_removed() {
    let both = |number: u8| {
        let one = instance("VI_1", VRID, 200 - 50 * number, &["192.168.56.100/24", OF_THE_HOST]);
        conf(&format!("{{ instances = {{ {one} }} }}"))
    };
    on_every_pair_of("lies", both, |pair, _| {
        let Pair { two, sniffer, .. } = pair;
        // Somebody else has put it there.
        two.host.ip(&format!("address add {OF_THE_HOST} dev eth0"));
        let carrier = two.nginx.carrier_pid();
        write_all_the_time(&two.host, &two.nginx, LIES);

        let killed = Instant::now();
        two.nginx.kill9(Role::Carrier);

        eventually("there is another carrier", PATIENCE, || {
            let pids = two.nginx.pids(Role::Carrier);
            if pids.iter().any(|pid| *pid != carrier) { Ok(()) } else { Err(format!("{pids:?}")) }
        });
        holds_for("it stays a backup", INTERVAL * 10, || {
            let has = (two.has(), two.host.has("192.168.56.110"));
            if has == (false, true) { Ok(()) } else { Err(format!("{has:?}")) }
        });
        let mut adverts = sniffer.adverts_since(killed);
        adverts.retain(|advert| advert.source == two.source());
        assert!(adverts.is_empty(), "{adverts:?}");
    });
}

#[test]
fn whatever_a_worker_writes_the_master_reloads_and_goes_on() {
    on_every_nginx("scribbled", |host, carrier| {
        let nginx = start_active(host, carrier);
        let master = nginx.master();
        for (round, chunk) in SCRIBBLES.iter().enumerate() {
            let written = format!(
                "local board = require('resty.vrrp.board').find()
                 {chunk}
                 return 'written'"
            );
            assert_eq!(lua(host, &written), "written", "{chunk}");

            nginx.reload();

            assert_eq!(nginx.master(), master, "{chunk}");
            eventually("the next configuration answers", PATIENCE, || {
                let status = get(host, "/ha/status");
                let carries = nginx.pids(Role::Carrier).len() == 1;
                let is_active = status.body.contains("\"state\":\"active\"");
                if carries && is_active { Ok(()) } else { Err(status.body) }
            });
            println!("round {round} is over");
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

/// Has a worker that is not the carrier write on the board every two milliseconds, for as long as
/// it lives.
#[track_caller]
fn write_all_the_time(host: &Host, nginx: &Nginx, chunk: &str) {
    let carrier = nginx.carrier_pid();
    let chunk = format!(
        "if ngx.worker.pid() == {carrier} then return 'carrier' end
        local function write()
            local board = require('resty.vrrp.board').find()
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
    for _, slot in ipairs(board.instances) do
        slot.state, slot.since_ms, slot.active_is_self = 2, now, 1
        for index = 0, slot.addresses - 1 do
            local address = board.addresses[slot.first_address + index]
            address.assigned, address.ours = 1, 1
        end
    end";
/// What the master could follow to its death.
const SCRIBBLES: &[&str] = &[
    "board.header.instances = 0xffffffff",
    "board.header.addresses = 0xffffffff",
    "board.header.length = 2 ^ 60",
    "board.header.events_offset, board.header.workers_offset = 0xfffffff0, 0xfffffff0",
    "board.header.instances_offset, board.header.addresses_offset = 0xfffffff0, 0xfffffff0",
    "board.header.event_size, board.header.instance_size = 0x7fffffff, 0x7fffffff",
    "for _, slot in ipairs(board.instances) do
        slot.first_address, slot.addresses = 0xffffffff, 0xffffffff
    end",
    "board.header.generation = 0xffffffff",
    "board.header.warnings, board.header.warnings_offset = 0xffffffff, 0xfffffff0",
    "local ffi = require('ffi')
     local start = ffi.cast('char *', board.header) + ffi.sizeof('resty_vrrp_header')
     ffi.fill(start, tonumber(board.header.length) - ffi.sizeof('resty_vrrp_header'), 0x41)",
];
const OF_THE_HOST: &str = "192.168.56.110/24";
