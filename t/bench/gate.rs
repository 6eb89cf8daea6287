//! What it costs to ask `is_active()`: in a loop, and in front of a location.

use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use harness::{Host, Lab, Nginx, wait_until};

use crate::figures::Figures;
use crate::options::Options;
use crate::report::{Line, Section};
use crate::requests::requests_at_full_speed;

pub(crate) fn is_active(options: &Options) -> Section {
    let mut section = Section::new("Asking is_active()");
    let lab = Lab::new("gate");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let nginx = Nginx::start(&host, &options.carrier, &conf());
    wait_until("the first of the instances is active", PATIENCE, || {
        host.get("127.0.0.1:80", "/gated").is_ok_and(|answer| answer.status == 200)
    });

    measure_loops(&mut section, &host, options.runs(9));
    if is_installed("wrk") {
        measure_requests(&mut section, &host, options);
    } else {
        section.remark("requests/s: not measured: wrk is not installed");
    }
    drop(nginx);
    section
}

fn measure_loops(section: &mut Section, host: &Host, runs: u32) {
    let looped = |path: &str| host.get("127.0.0.1:80", path).ok()?.body.trim().parse::<f64>().ok();
    // Compiled by the JIT when it is first run.
    looped("/calls");
    looped("/nothing");

    let pairs: Vec<(f64, f64)> =
        (0..runs).filter_map(|_| Some((looped("/calls")?, looped("/nothing")?))).collect();
    let whole = Figures::new(pairs.iter().map(|(calls, _)| *calls));
    let net = Figures::new(pairs.iter().map(|(calls, nothing)| calls - nothing));
    section.push(
        Line::new(format!("is_active(), {NAMES} names in turn, with the loop around it"), "ns")
            .ours(whole),
    );
    section.push(Line::new("is_active(), without the loop", "ns").ours(net).limit("target", 10.0));
}

/// Loads the three locations in turn, and compares within each round.
fn measure_requests(section: &mut Section, host: &Host, options: &Options) {
    let seconds = if options.quick { 1 } else { 2 };
    let mut rounds = Vec::new();
    for _ in 0..options.runs(6) {
        let [plain, empty, gated] =
            ["/plain", "/empty", "/gated"].map(|path| load(host, path, seconds));
        match (plain, empty, gated) {
            (Ok(plain), Ok(empty), Ok(gated)) => rounds.push([plain, empty, gated]),
            (plain, empty, gated) => {
                let failed = [plain, empty, gated].into_iter().find_map(Result::err);
                section.remark(format!("requests/s: {}", failed.unwrap_or_default()));
            }
        }
    }
    let figures = |of: fn(&[f64; 3]) -> f64| Figures::new(rounds.iter().map(of));
    let lines = [
        ("requests/s, content_by_lua", figures(|it| it[0])),
        ("requests/s, the same behind access_by_lua that asks is_active()", figures(|it| it[2])),
        ("with is_active() ÷ with an empty access_by_lua", figures(|it| it[2] / it[1])),
        ("with is_active() ÷ without access_by_lua", figures(|it| it[2] / it[0])),
    ];
    for (what, ours) in lines {
        section.push(Line::new(what, "").ours(ours));
    }
    section.remark(format!("wrk: one worker, 32 connections, rounds of {seconds} s in turn."));
}

/// Returns requests per second.
fn load(host: &Host, path: &str, seconds: u64) -> Result<f64, String> {
    requests_at_full_speed(host, &format!("http://127.0.0.1{path}"), seconds)
}

fn is_installed(program: &str) -> bool {
    Command::new(program).arg("-v").output().is_ok()
}

fn conf() -> String {
    let mut instances = String::new();
    for vrid in 1..=NAMES {
        writeln!(
            instances,
            "{{ name = \"VI_{vrid}\", interface = \"eth0\", vrid = {vrid}, priority = 255, \
             addresses = {{ \"10.77.0.{vrid}/32\" }} }},"
        )
        .expect("a string takes all");
    }
    CONF.replace("INSTANCES", &instances)
        .replace("CALLS", &LOOP.replace("CONDITION", "is_active(names[band(i, MASK) + 1])"))
        .replace("NOTHING", &LOOP.replace("CONDITION", "names[band(i, MASK) + 1] ~= is_active"))
        .replace("MASK", &(NAMES - 1).to_string())
}

/// A power of two.
const NAMES: u8 = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// Prints nanoseconds per round. What is counted is printed, too, so that it must be computed.
const LOOP: &str = r#"
    local is_active = require("resty.vrrp").is_active
    local band = bit.band
    local names = {}
    for i = 1, MASK + 1 do
        names[i] = "VI_" .. i
    end
    local function run(rounds)
        local count = 0
        for i = 1, rounds do
            if CONDITION then
                count = count + 1
            end
        end
        return count
    end
    local rounds = 2e7
    run(1e5)
    local begin = now_ns()
    local count = run(rounds)
    local took = now_ns() - begin
    ngx.header["X-Count"] = count
    ngx.say(took / rounds)
"#;

const CONF: &str = r#"
worker_processes 1;
events {}
http {
    init_by_lua_block {
        require("resty.vrrp").setup { instances = { INSTANCES } }
        local ffi = require "ffi"
        ffi.cdef [[
            typedef struct { long s, ns; } bench_time;
            int bench_gettime(int, bench_time *) __asm__("clock_gettime");
        ]]
        local time = ffi.new "bench_time"
        function _G.now_ns()
            ffi.C.bench_gettime(1, time)
            return tonumber(time.s) * 1e9 + tonumber(time.ns)
        end
    }
    init_worker_by_lua_block { require("resty.vrrp").init_worker() }
    server {
        listen 80;
        location /calls { content_by_lua_block { CALLS } }
        location /nothing { content_by_lua_block { NOTHING } }
        location /plain { content_by_lua_block { ngx.print("page\n") } }
        location /empty {
            access_by_lua_block { local none = nil }
            content_by_lua_block { ngx.print("page\n") }
        }
        location /gated {
            access_by_lua_block {
                if not require("resty.vrrp").is_active("VI_1") then
                    return ngx.exit(403)
                end
            }
            content_by_lua_block { ngx.print("page\n") }
        }
    }
}
"#;
