//! The module inside real nginx: what Lua does with its processes, and what an operator sees.
//!
//! Takes root. Tests run two at a time, those in [`beside`] four, those in [`alone`] one.
#![expect(clippy::disallowed_methods, reason = "a test reads clocks and starts processes")]

mod alone;
mod authority;
mod beside;
mod board;
mod chaos;
mod claims;
mod drain;
mod failures;
mod fight;
mod guard;
mod handover;
mod hung;
mod ipv6;
mod last_resort;
mod migration;
mod neighbours;
mod old_kernel;
mod ownership;
mod packages;
mod pair;
mod pause;
mod readme;
mod starved;
mod successors;
mod unicast;
mod upgrade;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::{Carrier, CarrierKind, Host, Lab, Nginx, Response, carriers, eventually};
use resty_vrrp::status::Board;
use serde_json::Value;

/// Runs a test on a fresh host, with each nginx of this machine.
fn on_every_nginx(name: &str, test: impl Fn(&Host, &Carrier)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        test(&lab.host("worker-01", "192.168.56.101/24"), carrier);
    }
}

/// Returns a configuration of two workers, with `setup(…)` called as written.
fn conf_with(options: &str) -> String {
    format!(
        "worker_processes 2;
        events {{}}
        http {{
            init_by_lua_block {{ require('resty.vrrp').setup({options}) }}
            init_worker_by_lua_block {{ require('resty.vrrp').init_worker() }}
            server {{
                listen 80;
                location /ha/ {{ content_by_lua_block {{ require('resty.vrrp').serve() }} }}
                location /lua {{ content_by_lua_block {{
                    local vrrp = require 'resty.vrrp'
                    local chunk = ngx.unescape_uri(ngx.var.args)
                    ngx.print(tostring(setfenv(loadstring(chunk), setmetatable(
                        {{ vrrp = vrrp }}, {{ __index = _G }}))()))
                }} }}
            }}
        }}"
    )
}

/// One instance on `eth0`, with short intervals.
const ONE: &str = "{ instances = { { name = 'VI_1', interface = 'eth0', vrid = 51, priority = 150, \
    addresses = { '192.168.56.100/24', '192.168.56.110/24' }, advert_interval_ms = 100 } }, \
    health = { worker_timeout_ms = 400 } }";

/// Asks nginx on its own host.
fn get(host: &Host, path: &str) -> Response {
    host.get("127.0.0.1:80", path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// Runs a chunk of Lua in a worker and returns what it returns, as text.
fn lua(host: &Host, chunk: &str) -> String {
    let escaped: Vec<_> = chunk.bytes().map(|octet| format!("%{octet:02x}")).collect();
    let escaped = escaped.concat();
    let answer = get(host, &format!("/lua?{escaped}"));
    assert_eq!(answer.status, 200, "{chunk}: {}", answer.body);
    answer.body
}

/// Opens the board of an nginx, as only root may.
#[track_caller]
fn board_of(nginx: &Nginx) -> Board {
    let master = nginx.master().expect("it runs");
    let files = fs::read_dir(format!("/proc/{master}/fd")).expect("it runs").flatten();
    let is_board = |path: &PathBuf| {
        fs::read_link(path).is_ok_and(|target| target == Path::new("/memfd:resty.vrrp (deleted)"))
    };
    let path = files.map(|file| file.path()).find(is_board).expect("it has a board");
    Board::open(&path).expect("it is of this version")
}

/// Returns the status once the first instance is in a state.
#[track_caller]
fn status_when(host: &Host, state: &str) -> Value {
    eventually(&format!("the first instance is {state}"), PATIENCE, || {
        let answer = host.get("127.0.0.1:80", "/ha/status").map_err(|error| error.to_string())?;
        let status = answer.json();
        if status["instances"][0]["state"] == state { Ok(status) } else { Err(answer.body) }
    })
}

/// Returns what the status says of the first instance, once it says so.
#[track_caller]
fn instance_when(host: &Host, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually("the status shows it", PATIENCE, || {
        let one = get(host, "/ha/status").json()["instances"][0].clone();
        if is_so(&one) { Ok(one) } else { Err(one.to_string()) }
    })
}

/// Starts nginx with one instance and waits until it is active.
fn start_active(host: &Host, carrier: &Carrier) -> Nginx {
    let nginx = Nginx::start(host, carrier, &conf_with(ONE));
    status_when(host, "active");
    nginx
}

/// Waits until the error log says something.
#[track_caller]
fn logs(nginx: &Nginx, words: &str) {
    eventually(&format!("the log says {words:?}"), PATIENCE, || {
        let log = nginx.error_log();
        if log.contains(words) { Ok(()) } else { Err(log) }
    });
}

/// Checks that the median keeps to a bound; a single one may come late on a busy machine.
#[track_caller]
fn assert_mostly_within(bound: Duration, mut all: Vec<Duration>) {
    all.sort_unstable();
    assert!(all[all.len() / 2] <= bound, "{all:.1?}, not within {bound:.1?}");
    assert!(all.last() <= Some(&(bound + LATE)), "{all:.1?}, not within {bound:.1?}");
}

/// Returns what the status calls the process that carries the engine.
fn carrier_name(carrier: &Carrier) -> &'static str {
    match carrier.kind {
        CarrierKind::Agent => "privileged agent",
        CarrierKind::Worker => "worker",
    }
}

const PATIENCE: Duration = Duration::from_secs(15);
/// How long a busy machine may keep somebody waiting, once in a while.
const LATE: Duration = Duration::from_millis(200);
