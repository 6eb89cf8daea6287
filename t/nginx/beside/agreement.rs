//! `is_active` and `state` say the same, and what is so: in every process, at every moment.

use std::io::Read;
use std::net::TcpStream;
use std::thread;

use harness::{Carrier, CarrierKind, Host, Lab, Nginx, Role, Signal, carriers, eventually};

use crate::{ONE, PATIENCE, conf_with, logs, lua, on_every_nginx, start_active, status_when};

/// Says what both say, and what else is asked for.
fn ask(what: &str) -> String {
    format!(
        "return table.concat({{ tostring(vrrp.is_active('VI_1')), tostring(vrrp.state('VI_1')), \
         tostring({what}) }}, ' ')"
    )
}

#[test]
fn a_worker_knows_with_its_first_request_after_a_slow_reload_that_its_node_is_active() {
    on_every_nginx("slow reload", |host, carrier| {
        let slow = "os.execute('sleep 1.3') } init_worker_by_lua_block {";
        let conf = conf_with(ONE);
        let conf = conf.replacen("}\n            init_worker_by_lua_block {", slow, 1);
        assert!(conf.contains("sleep"));
        let nginx = Nginx::start(host, carrier, &conf);
        status_when(host, "active");

        nginx.signal(Role::Master, Signal::SIGHUP);

        let ask = ask("vrrp.status().node.generation");
        let mut of_new = 0;
        eventually("the new workers have answered", PATIENCE, || {
            let said = lua(host, &ask);
            let [active, state, generation] = words(&said);
            // The carrier of the old workers may have ended before them.
            assert!(active == "true" || generation == "1", "{said}");
            assert_eq!(active == "true", state == "active", "{said}");
            of_new += usize::from(generation == "2");
            if of_new < 50 { Err(said) } else { Ok(()) }
        });
    });
}

#[test]
fn the_two_agree_while_one_nginx_replaces_another() {
    on_every_nginx("upgrade", |host, carrier| {
        let nginx = start_active(host, carrier);
        let old = nginx.master().unwrap();

        harness::signal(old, Signal::SIGUSR2);

        let ask = ask("vrrp.status().node.master_pid");
        let (mut of_new, mut unknown) = (0, 0);
        eventually("the new workers have answered", PATIENCE, || {
            let said = lua(host, &ask);
            let [active, state, master] = words(&said);
            assert_eq!(active == "true", state == "active", "{said}");
            unknown += usize::from(active != "true");
            of_new += usize::from(master != old.to_string());
            if of_new < 50 { Err(said) } else { Ok(()) }
        });
        println!("{}: {unknown} answers of new workers came before the routers", carrier.version);
        harness::signal(old, Signal::SIGQUIT);
        eventually("the old one ends", PATIENCE, || {
            if harness::is_alive(old) { Err(String::new()) } else { Ok(()) }
        });
    });
}

#[test]
fn the_two_agree_in_a_worker_that_leaves_and_when_the_engine_hangs() {
    on_every_nginx("leaving", |host, carrier| {
        let nginx = start_active(host, carrier);
        let watch = "local seen = {}
            for _ = 1, 200 do
                ngx.sleep(0.005)
                local active, state = vrrp.is_active('VI_1'), vrrp.state('VI_1')
                if active ~= (state == 'active') then
                    return 'active: ' .. tostring(active) .. ', state: ' .. tostring(state)
                end
                seen[tostring(active)] = true
            end
            return ngx.worker.exiting() and 'leaving' or seen['false'] and 'hung' or 'nothing'";
        let watched = |host: &Host| {
            let host = host.clone();
            thread::spawn(move || lua(&host, watch))
        };

        let (first, second) = (watched(host), watched(host));
        eventually("the requests are being served", PATIENCE, || {
            let open = host.exec("ss", &["-Htn", "state", "established", "sport", "=", ":80"]);
            if open.lines().count() == 2 { Ok(()) } else { Err(open) }
        });
        nginx.reload();

        assert_eq!(first.join().unwrap(), "leaving");
        assert_eq!(second.join().unwrap(), "leaving");
        if carrier.kind == CarrierKind::Agent {
            harness::signal(nginx.carrier_pid(), Signal::SIGSTOP);
            let hung = (0..5).map(|_| watched(host).join().unwrap()).find(|said| said != "nothing");
            assert_eq!(hung.as_deref(), Some("hung"));
        }
    });
}

#[test]
fn stream_sees_the_same_as_http() {
    for carrier in with_stream() {
        let lab = Lab::new("stream");
        let host = lab.host("worker-01", "192.168.56.101/24");
        let server = "server { listen 81; content_by_lua_block {
            local vrrp = require 'resty.vrrp'
            ngx.print(tostring(vrrp.is_active('VI_1')), ' ', tostring(vrrp.state('VI_1')))
        } }";
        // Asked once before there is a board, while nginx starts.
        let early = "init_by_lua_block { require('resty.vrrp').is_active('VI_1') }";
        let hold = "{ startup_hold_ms = 500, name";
        let conf = conf_with(&ONE.replacen("{ name", hold, 1));
        let nginx = start_stream(&host, carrier, &format!("{early} {server}"), &conf);
        for _ in 0..2 {
            eventually("stream says so", PATIENCE, || said_by_stream(&host, "true active"));
            nginx.reload();
        }
        let [carrier_pid] = eventually("the old carriers are gone", PATIENCE, || {
            <[i32; 1]>::try_from(nginx.pids(Role::Carrier)).map_err(|all| format!("{all:?}"))
        });

        harness::signal(carrier_pid, Signal::SIGSTOP);
        eventually("stream misses the engine", PATIENCE, || said_by_stream(&host, "false nil"));
        harness::signal(carrier_pid, Signal::SIGCONT);

        eventually("stream says so", PATIENCE, || said_by_stream(&host, "true active"));
        nginx.stop();
        nginx.assert_no_complaints();
    }
}

#[test]
fn stream_without_http_is_refused_with_what_it_needs() {
    for carrier in with_stream() {
        let lab = Lab::new("stream alone");
        let host = lab.host("worker-01", "192.168.56.101/24");
        let setup = format!(
            "init_by_lua_block {{ require('resty.vrrp').setup({ONE}) }} server {{ listen 81; \
             return ''; }}"
        );

        let prepared = prepare_stream(&host, carrier, &setup, "events {}");
        let failure = prepared.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        assert!(said.contains("setup() must be called in the http block: it needs one"), "{said}");
    }
}

/// Debian has no package of Lua for stream.
fn with_stream() -> impl Iterator<Item = &'static Carrier> {
    carriers().iter().filter(|carrier| carrier.kind == CarrierKind::Agent)
}

fn start_stream(host: &Host, carrier: &Carrier, stream: &str, http: &str) -> Nginx {
    let nginx = prepare_stream(host, carrier, stream, http);
    nginx.launch().unwrap_or_else(|failure| panic!("{}", failure.error_log));
    logs(&nginx, "-> backup");
    nginx
}

fn prepare_stream(host: &Host, carrier: &Carrier, stream: &str, http: &str) -> Nginx {
    let nginx = Nginx::prepare(host, carrier, http);
    let lualib = nginx.prefix().parent().expect("the directory of the lab").join("lualib");
    let path = format!("lua_package_path '{}/?.lua;;';", lualib.display());
    // Before http, so that its Lua begins first.
    let conf = http.replacen("events {}", &format!("events {{}} stream {{ {path} {stream} }}"), 1);
    nginx.write("nginx.conf", &conf);
    nginx
}

fn said_by_stream(host: &Host, expected: &str) -> Result<(), String> {
    let mut said = String::new();
    let asked = host.enter(|| TcpStream::connect("127.0.0.1:81")?.read_to_string(&mut said));
    asked.map_err(|error| error.to_string())?;
    if said == expected { Ok(()) } else { Err(said) }
}

/// Returns the words of an answer.
#[track_caller]
fn words<const N: usize>(said: &str) -> [&str; N] {
    let words: Vec<_> = said.split(' ').collect();
    words.try_into().unwrap_or_else(|_| panic!("{said}"))
}
