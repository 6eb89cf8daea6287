//! `GET …/events`: what clients are told of changes, and what they cannot do to nginx.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use harness::{Host, Nginx, Process, Role, Signal, eventually, signal, wait_until};
use serde_json::Value;

use crate::{ONE, conf_with, get, lua, on_every_nginx, start_active, status_when};

#[test]
fn a_client_is_told_all_and_then_what_changes() {
    on_every_nginx("events", |host, carrier| {
        let nginx = start_active(host, carrier);
        let listener = Listener::start(host, &nginx, "all", &["-i"]);

        let first = listener.when("all is told", |message| message["total"] == 1);
        let one = &first["instances"][0];
        assert_eq!((&one["name"], &one["state"]), (&"VI_1".into(), &"active".into()));
        assert_eq!(first["version"], 1);
        let head = listener.text();
        for header in [
            "content-type: text/event-stream",
            "cache-control: no-store",
            "x-accel-buffering: no",
            "x-content-type-options: nosniff",
        ] {
            assert!(head.to_lowercase().contains(header), "{head}");
        }

        assert_eq!(lua(host, "return vrrp.drain()"), "true");
        listener.when("the drain is told", |message| {
            message["node"]["draining"] == true
                && message["instances"][0]["state"] == "initialize"
                && message["instances"][0]["addresses"][0]["assigned"] == false
        });
        let before = listener.messages().len();
        eventually("the node goes on being told of", PATIENCE, || {
            let now = listener.messages().len();
            if now > before + 2 { Ok(()) } else { Err(now) }
        });
        nginx.assert_no_complaints();
    });
}

#[test]
fn a_reload_ends_the_connection_and_holds_up_no_worker() {
    on_every_nginx("events and reload", |host, carrier| {
        let nginx = start_active(host, carrier);
        let mut listener = Listener::start(host, &nginx, "old", &[]);
        listener.when("all is told", |message| message["total"] == 1);

        nginx.reload();

        wait_until("the connection ends", PATIENCE, || !listener.process.is_running());
        wait_until("the old workers end", PATIENCE, || nginx.pids(Role::Leaving).is_empty());
        let again = Listener::start(host, &nginx, "new", &[]);
        again.when("the new one tells", |message| message["node"]["generation"] == 2);
        nginx.assert_no_complaints();
    });
}

#[test]
fn two_hundred_clients_listen_and_no_more() {
    on_every_nginx("many listeners", |host, carrier| {
        let conf = conf_with(ONE).replacen("events {", "events { worker_connections 1024;", 1);
        let nginx = Nginx::start(host, carrier, &conf);
        let mut clients: Vec<_> = (0..200).map(|_| connect(host, "HTTP/1.1")).collect();
        for client in &mut clients {
            assert!(read_until(client, "\"instances\":[{").contains("200 OK"));
        }

        let refused = read_until(&mut connect(host, "HTTP/1.1"), "listen already");

        assert!(refused.contains(" 503 ") && refused.contains("Retry-After: 30"), "{refused}");
        assert_eq!(get(host, "/ha/status").status, 200);
        drop(clients);
        eventually("there is room again", PATIENCE, || {
            let answer = read_until(&mut connect(host, "HTTP/1.1"), "}");
            if answer.contains(" 200 ") { Ok(()) } else { Err(answer) }
        });
        nginx.assert_no_complaints();
    });
}

#[test]
fn the_clients_of_a_worker_that_was_killed_are_not_counted_any_more() {
    on_every_nginx("listeners of the dead", |host, carrier| {
        let nginx = start_active(host, carrier);
        let mut clients: Vec<_> = (0..20).map(|_| connect(host, "HTTP/1.1")).collect();
        for client in &mut clients {
            read_until(client, "\"instances\":[{");
        }
        let count = "return require('resty.vrrp.board').open():count_listeners()";
        assert_eq!(lua(host, count), "20");
        // It would start another worker, which counts anew.
        nginx.signal(Role::Master, Signal::SIGSTOP);

        let of_clients = ["-Htnp", "state", "established", "sport = :80"];
        let first = host.exec("ss", &of_clients);
        let (_, pid) = first.split_once("pid=").expect("a worker has it");
        let pid: String = pid.chars().take_while(char::is_ascii_digit).collect();
        signal(pid.parse().expect("a number"), Signal::SIGKILL);

        eventually("those of the other worker are counted", PATIENCE, || {
            let (left, counted) = (host.exec("ss", &of_clients).lines().count(), lua(host, count));
            if counted == left.to_string() { Ok(()) } else { Err(format!("{counted} of {left}")) }
        });
        nginx.signal(Role::Master, Signal::SIGCONT);
    });
}

#[test]
fn however_many_instances_have_changed_few_are_read_in_one_turn_and_none_is_missed() {
    on_every_nginx("many changes", |host, carrier| {
        let _nginx = start_active(host, carrier);

        assert_eq!(lua(host, MANY_CHANGES), "128 1000 1");
    });
}

#[test]
fn all_workers_say_the_same_of_one_moment() {
    on_every_nginx("one moment", |host, carrier| {
        let conf = conf_with(ONE).replacen("worker_processes 2", "worker_processes 8", 1).replacen(
            "listen 80;",
            "listen 80 reuseport;",
            1,
        );
        let _nginx = Nginx::start(host, carrier, &conf);
        status_when(host, "active");
        let ask = "return ngx.worker.id() .. ' ' .. vrrp.status().node.started";
        let mut said = BTreeSet::new();

        wait_until("each has answered", PATIENCE, || {
            said.insert(lua(host, ask));
            said.len() >= 8
        });

        let moments: BTreeSet<_> = said.iter().filter_map(|it| it.split(' ').nth(1)).collect();
        assert_eq!(moments.len(), 1, "{said:?}");
    });
}

#[test]
fn a_client_that_does_not_read_is_dropped_and_the_others_are_told() {
    on_every_nginx("stalled listener", |host, carrier| {
        let many: Vec<_> = (1..200).map(one_of_many).collect();
        let many = many.concat();
        let conf = conf_with(&format!("{{ instances = {{ {many} }} }}"))
            .replacen("listen 80;", "listen 80 sndbuf=4k; send_timeout 1s;", 1)
            .replacen("worker_processes 2", "worker_processes 1", 1);
        let nginx = Nginx::start(host, carrier, &conf);
        let mut stalled = connect(host, "HTTP/1.1");

        let listener = Listener::start(host, &nginx, "other", &[]);
        eventually("the other one is told of all", PATIENCE, || {
            let messages = listener.messages();
            let told: usize =
                messages.iter().map(|it| it["instances"].as_array().map_or(0, Vec::len)).sum();
            if told >= 199 { Ok(()) } else { Err(told) }
        });
        let port = stalled.local_addr().expect("it is connected").port();
        let to_it = format!("sport = :80 and dport = :{port}");
        eventually("the stalled one is given up", PATIENCE, || {
            let sockets = host.exec("ss", &["-Htn", "state", "established", &to_it]);
            if sockets.is_empty() { Ok(()) } else { Err(sockets) }
        });
        let mut rest = Vec::new();
        stalled.read_to_end(&mut rest).ok();
        assert!(rest.len() < 300_000, "{} bytes", rest.len());
    });
}

#[test]
fn events_pass_through_compression_and_http2_and_need_http_1_1() {
    on_every_nginx("events over HTTP/2", |host, carrier| {
        let conf = conf_with(ONE).replacen(
            "listen 80;",
            "listen 80; listen 81 http2; gzip on; gzip_types *; gzip_min_length 0;",
            1,
        );
        let nginx = Nginx::start(host, carrier, &conf);

        for (name, arguments, port) in
            [("gzip", &["--compressed"][..], 80), ("http2", &["--http2-prior-knowledge"], 81)]
        {
            let listener = Listener::start_at(host, &nginx, name, arguments, port);
            eventually(&format!("{name}: message after message"), PATIENCE, || {
                let count = listener.messages().len();
                if count > 2 { Ok(()) } else { Err(listener.text()) }
            });
        }
        let refused = read_until(&mut connect(host, "HTTP/1.0"), "\n}");
        assert!(refused.contains(" 505 ") && refused.contains("HTTP/1.1"), "{refused}");
        // It would never end, and nginx would keep all of it.
        assert_eq!(lua(host, "return ngx.location.capture('/ha/events').status"), "400");
        nginx.assert_no_complaints();
    });
}

/// Has all instances of a made-up board change, one of them once more when it was read, and returns
/// how many were read at most at a time, how many in one round, and how many in the next.
const MANY_CHANGES: &str = "
    local ffi, changes = require 'ffi', require 'resty.vrrp.changes'
    local count = 1000
    local board = { count = { instances = count, addresses = 0 },
                    slots = ffi.new('resty_vrrp_instance[?]', count) }
    local feed = changes.new(board)
    local function change(place)
        local slot = board.slots[place - 1]
        slot.seq, slot.state = slot.seq + 2, slot.state + 1
    end
    for place = 1, count do change(place) end
    local function round()
        local most, all = 0, 0
        repeat
            local before = #feed.pending
            feed:look_at_slots()
            local found = #feed.pending - before
            if most == 0 then change(1) end
            most, all = math.max(most, found), all + found
        until feed.next_slot == 1
        feed.pending, feed.is_pending = {}, {}
        return most, all
    end
    local most, all = round()
    local _, later = round()
    return most .. ' ' .. all .. ' ' .. later";

/// Returns a virtual router, in Lua.
fn one_of_many(vrid: u8) -> String {
    format!(
        "{{ name = 'router {vrid}', interface = 'eth0', vrid = {vrid}, priority = 150,
            addresses = {{ '192.168.57.{vrid}/32' }} }},"
    )
}

/// A client that writes down what it is told.
struct Listener {
    process: Process,
    path: PathBuf,
}

impl Listener {
    fn start(host: &Host, nginx: &Nginx, name: &str, arguments: &[&str]) -> Self {
        Self::start_at(host, nginx, name, arguments, 80)
    }

    fn start_at(host: &Host, nginx: &Nginx, name: &str, arguments: &[&str], port: u16) -> Self {
        let path = nginx.prefix().join(format!("{name}.events"));
        let mut curl = Command::new("curl");
        curl.args(["-sN", "-o"]).arg(&path).args(arguments);
        curl.arg(format!("http://127.0.0.1:{port}/ha/events"));
        Self { process: host.spawn(&mut curl), path }
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap_or_default()
    }

    fn messages(&self) -> Vec<Value> {
        let text = self.text();
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let lines = whole.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.map(|line| serde_json::from_str(line).expect("a message is JSON")).collect()
    }

    /// Returns the first message that is so.
    #[track_caller]
    fn when(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        eventually(what, PATIENCE, || {
            let found = self.messages().into_iter().find(|message| is_so(message));
            found.ok_or_else(|| self.text())
        })
    }
}

/// Asks for the events, and reads nothing.
fn connect(host: &Host, version: &str) -> TcpStream {
    let server: SocketAddr = "127.0.0.1:80".parse().expect("an address");
    host.enter(|| {
        let mut stream = TcpStream::connect(server).expect("nginx listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket has a timeout");
        let request = format!("GET /ha/events {version}\r\nHost: 127.0.0.1\r\n\r\n");
        stream.write_all(request.as_bytes()).expect("nginx reads");
        stream
    })
}

/// Reads until a text has come, or the connection ends.
fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while !text.contains(end) {
        match stream.read(&mut buffer) {
            Ok(length @ 1..) => text += &String::from_utf8_lossy(&buffer[..length]),
            Ok(0) | Err(_) => break,
        }
    }
    text
}

const PATIENCE: Duration = Duration::from_secs(10);
