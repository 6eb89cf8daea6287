//! An application uses up what nginx has for timers: nginx serves on, and so does the node.

use std::process::Command;
use std::thread;
use std::time::Duration;

use harness::{Host, Nginx, Role, Signal, eventually, wait_until};

use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, status_when};

#[test]
fn an_application_that_uses_up_the_timers_does_not_make_nginx_look_dead() {
    on_every_nginx("starved", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &starving());
        status_when(host, "active");
        get(host, "/starve?");
        eventually("no timer runs any more", PATIENCE, || {
            let log = nginx.error_log();
            if log.contains("lua_max_running_timers are not enough") { Ok(()) } else { Err(log) }
        });

        // Several times the silence that counts as death.
        thread::sleep(WORKER_TIMEOUT * 4);

        let status = get(host, "/ha/status").json();
        assert_eq!(status["node"]["workers"]["alive"], 1, "{status}");
        assert_eq!(status["instances"][0]["transitions"], 2, "{status}");
        assert_eq!(get(host, "/is_active").body, "true");

        nginx.signal(Role::Master, Signal::SIGQUIT);
        wait_until("the addresses have gone", Duration::from_secs(2), || !holds(host));
        nginx.wait_for_the_end();
    });
}

#[test]
fn a_worker_that_leaves_does_not_say_for_ever_that_the_node_is_active() {
    on_every_nginx("leaving", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &starving());
        status_when(host, "active");
        let answer = nginx.prefix().join("answer");
        let mut curl = Command::new("curl");
        let mut client =
            host.spawn(curl.args(["-sS", "http://127.0.0.1/later", "-o"]).arg(&answer));
        eventually("the request is being served", PATIENCE, || {
            let open = host.exec("ss", &["-Htn", "state", "established", "sport", "=", ":80"]);
            if open.lines().count() == 1 { Ok(()) } else { Err(open) }
        });

        nginx.reload();
        host.link_down();
        status_when(host, "fault");

        assert!(client.is_running(), "the old worker is there still");
        assert!(client.wait(PATIENCE).success());
        assert_eq!(std::fs::read_to_string(answer).unwrap(), "false nil");
    });
}

fn holds(host: &Host) -> bool {
    host.has("192.168.56.100")
}

/// One worker whose timers an application can use up, and in which a request can outlast a reload.
fn starving() -> String {
    conf_with(ONE).replacen("worker_processes 2;", "worker_processes 1;", 1).replacen(
        "location /ha/",
        "location /starve { content_by_lua_block {
            local function work()
                for _ = 1, 1000 do
                    if ngx.worker.exiting() then return end
                    ngx.sleep(0.05)
                end
            end
            for _ = 1, 300 do ngx.timer.at(0, work) end
        } }
        location /is_active { content_by_lua_block {
            ngx.print(tostring(require('resty.vrrp').is_active('VI_1')))
        } }
        location /later { content_by_lua_block {
            local vrrp = require 'resty.vrrp'
            repeat ngx.sleep(0.05) until ngx.worker.exiting()
            ngx.sleep(2)
            ngx.print(tostring(vrrp.is_active('VI_1')), ' ', tostring(vrrp.state('VI_1')))
        } }
        location /ha/",
        1,
    )
}

/// As [`ONE`] has it.
const WORKER_TIMEOUT: Duration = Duration::from_millis(400);
