//! The metrics: what Prometheus reads, and that reading them keeps nobody waiting.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use harness::{Role, Signal, eventually};

use crate::{ONE, conf_with, get, lua, on_every_nginx, start_active, status_when};

#[test]
fn promtool_finds_nothing_to_say_about_the_metrics_whatever_the_names_are() {
    on_every_nginx("promtool", |host, carrier| {
        let name = r#"V "1" \ é → x{y="z"}"#;
        let options = ONE.replace("'VI_1'", &format!("[[{name}]]"));
        let nginx = harness::Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");

        let answer = get(host, "/ha/metrics");

        let kind = "text/plain; version=0.0.4; charset=utf-8";
        assert_eq!(answer.header("content-type"), Some(kind));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let escaped = r#"{name="V \"1\" \\ é → x{y=\"z\"}",interface="eth0",vrid="51","#;
        assert_eq!(sample(&answer.body, &format!("vrrp_state{escaped}")), "2");
        for page in [answer.body, get(host, "/ha/metrics?compat=keepalived").body] {
            assert_eq!(promtool(&page), "", "{page}");
        }
        let label = |value| {
            lua(host, &format!("return require('resty.vrrp.exposition').label('a', {value})"))
        };
        assert_eq!(label(r#"'b"c\\d\ne\255'"#), r#"a="b\"c\\d\ne?""#);
        nginx.assert_no_complaints();
    });
}

#[test]
fn the_metrics_are_those_of_the_status() {
    on_every_nginx("metrics", |host, carrier| {
        let nginx = start_active(host, carrier);
        eventually("both addresses are there", Duration::from_secs(5), || {
            let page = get(host, "/ha/metrics").body;
            let assigned = samples(&page, "vrrp_address_assigned{");
            if assigned == ["1", "1"] { Ok(()) } else { Err(page) }
        });

        let page = get(host, "/ha/metrics").body;
        let status = get(host, "/ha/status").json();

        assert_eq!(sample(&page, "vrrp_up "), "1");
        assert_eq!(sample(&page, "vrrp_workers "), "2");
        let one = |name: &str| sample(&page, &format!("{name}{{name=\"VI_1\","));
        assert_eq!(one("vrrp_state"), "2");
        assert_eq!(one("vrrp_priority"), "150");
        assert_eq!(one("vrrp_active_priority"), "150");
        assert_eq!(one("vrrp_advert_interval_seconds"), "0.1");
        assert_eq!(samples(&page, "vrrp_state_info{"), ["0", "0", "1", "0"], "{page}");
        let is_active = line(&page, "vrrp_active_info{");
        assert!(is_active.contains("address=\"192.168.56.101\""), "{is_active}");
        assert!(samples(&page, "vrrp_check_ok{").iter().all(|it| *it == "1"), "{page}");
        let instance = &status["instances"][0];
        assert_eq!(one("vrrp_transitions_total"), instance["transitions"].to_string());
        let errors = instance["counters"]["errors"].as_object().unwrap();
        for kind in errors.keys() {
            assert!(page.contains(&format!("family=\"ipv4\",kind=\"{kind}\"}}")), "{kind}");
        }
        assert_eq!(samples(&page, "vrrp_receive_errors_total{").len(), errors.len());
        let since = number(&page, "vrrp_last_transition_timestamp_seconds{");
        let now = host.exec("date", &["+%s.%N"]).trim().parse::<f64>().unwrap();
        assert!((0.0..60.0).contains(&(now - since)), "{since}, now {now}");
        nginx.assert_no_complaints();
    });
}

#[test]
fn why_a_router_was_active_is_counted_over_reloads_and_told_of_a_dead_engine() {
    on_every_nginx("counted", |host, carrier| {
        let nginx = start_active(host, carrier);
        assert_eq!(lua(host, "return vrrp.drain()"), "true");
        status_when(host, "initialize");
        assert_eq!(lua(host, "return vrrp.undrain()"), "true");
        status_when(host, "active");
        let counted = |page: &str| {
            assert_eq!(sample_of(page, "vrrp_become_active_total", "no_response"), "2");
            assert_eq!(sample_of(page, "vrrp_leave_active_total", "drained"), "1");
            assert_eq!(sample_of(page, "vrrp_leave_active_total", "unhealthy"), "0");
            (number(page, "vrrp_advertisements_sent_total{"), number(page, "vrrp_engine_start"))
        };
        let before = counted(&get(host, "/ha/metrics").body);

        nginx.reload();
        let page = eventually("the next engine runs", Duration::from_secs(10), || {
            let page = get(host, "/ha/metrics").body;
            let is_new = sample(&page, "vrrp_config_generation ") == "2";
            let runs = sample(&page, "vrrp_up ") == "1";
            let is_other = is_new && runs && number(&page, "vrrp_engine_start") > before.1;
            if is_other { Ok(page) } else { Err(page) }
        });
        let after = counted(&page);
        assert!(after.0 >= before.0, "{before:?}, then {after:?}");

        // The carrier of a stock nginx is one of two workers: the other one answers.
        harness::signal(nginx.carrier_pid(), Signal::SIGSTOP);
        let page = eventually("the engine is missed", Duration::from_secs(5), || {
            match host.get("127.0.0.1:80", "/ha/metrics") {
                Ok(answer) if sample(&answer.body, "vrrp_up ") == "0" => Ok(answer.body),
                other => Err(format!("{other:?}")),
            }
        });
        harness::signal(nginx.carrier_pid(), Signal::SIGCONT);
        assert!(page.contains("\nvrrp_warning{warning=\"engine_not_running\"} 1\n"), "{page}");
        assert_eq!(samples(&page, "vrrp_state_info{"), ["0", "0", "0", "1"], "{page}");
        assert!(counted(&page).0 >= after.0, "{page}");
        assert_eq!(promtool(&page), "");
    });
}

#[test]
fn dashboards_for_keepalived_find_every_name_that_they_ask_for() {
    on_every_nginx("compat", |host, carrier| {
        let _nginx = start_active(host, carrier);

        let page = get(host, "/ha/metrics?compat=keepalived").body;

        let names: BTreeSet<_> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
        let expected: BTreeSet<_> = KEEPALIVED.lines().map(str::trim).collect();
        assert_eq!(names, expected);
        let labels = r#"{iname="VI_1",intf="eth0",vrid="51","#;
        let state = format!(r#"keepalived_vrrp_state{labels}ip_address="192.168.56.100/24"}} 2"#);
        assert!(page.lines().any(|line| line == state), "{page}");
        let master = r#"keepalived_become_master_total{iname="VI_1",intf="eth0",vrid="51"} 1"#;
        assert!(page.lines().any(|line| line == master), "{page}");
        let answer = get(host, "/ha/metrics?compat=nagios");
        assert_eq!(answer.status, 400);
        assert!(answer.json()["error"].as_str().unwrap().contains("keepalived"));
    });
}

/// The answers take far longer than that to write; the event loop turns in between.
#[test]
fn a_thousand_instances_are_shown_without_keeping_the_event_loop_for_5_ms() {
    on_every_nginx("thousand", |host, carrier| {
        let conf = conf_with(THOUSAND).replace("worker_processes 2", "worker_processes 1");
        let nginx = harness::Nginx::start(host, carrier, &conf);
        eventually("the engine runs", Duration::from_secs(20), || {
            let answer = host.get("127.0.0.1:80", "/ha/healthz").map_err(|it| it.to_string())?;
            if answer.body.contains("is in fault") { Ok(()) } else { Err(answer.body) }
        });
        lua(host, PROBE);

        for path in ["/ha/status", "/ha/metrics", "/ha/metrics?compat=keepalived", "/ha/healthz"] {
            get(host, path);
            lua(
                host,
                "local probe = package.loaded.probe; probe.turns, probe.long = 0, 0 return true",
            );
            for _ in 0..5 {
                get(host, path);
            }
            let long = lua(host, "return package.loaded.probe.long");
            // Now and then the kernel takes its time on this thread's account.
            assert!(long.parse::<u32>().unwrap() <= 2, "{path}: {long} turns took longer");
        }
        let status = get(host, "/ha/status").json();
        assert_eq!(status["instances"].as_array().map(Vec::len), Some(1000));
        assert_eq!(promtool(&get(host, "/ha/metrics").body), "");
        assert_eq!(nginx.pids(Role::Worker).len(), 1);
    });
}

/// Returns the values of all samples that begin like this.
fn samples<'a>(page: &'a str, begin: &str) -> Vec<&'a str> {
    let lines = page.lines().filter(|line| line.starts_with(begin));
    lines.filter_map(|line| line.rsplit(' ').next()).collect()
}

/// Returns the value of the first sample that begins like this.
#[track_caller]
fn sample<'a>(page: &'a str, begin: &str) -> &'a str {
    samples(page, begin).first().unwrap_or_else(|| panic!("no {begin} in {page}"))
}

/// Returns it as a number.
#[track_caller]
fn number(page: &str, begin: &str) -> f64 {
    sample(page, begin).parse().expect("a number")
}

#[track_caller]
fn sample_of<'a>(page: &'a str, name: &str, reason: &str) -> &'a str {
    sample(page, &format!("{name}{{{ONE_LABELS},reason=\"{reason}\"}}"))
}

#[track_caller]
fn line<'a>(page: &'a str, begin: &str) -> &'a str {
    page.lines().find(|line| line.starts_with(begin)).expect("there is one")
}

/// Returns what promtool has to say about a page.
fn promtool(page: &str) -> String {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped());
    let mut promtool =
        promtool.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it is installed");
    let mut stdin = promtool.stdin.take().expect("it is piped");
    stdin.write_all(page.as_bytes()).expect("it reads all of it");
    drop(stdin);
    let output = promtool.wait_with_output().expect("it ends");
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success() || !said.is_empty());
    String::from_utf8_lossy(&said).into_owned()
}

const ONE_LABELS: &str = r#"name="VI_1",interface="eth0",vrid="51",family="ipv4""#;

/// A thousand instances, on interfaces that do not exist.
const THOUSAND: &str = "(function()
        local instances = {}
        for n = 0, 999 do
            instances[n + 1] = {
                name = 'VI_' .. n, interface = 'none' .. math.floor(n / 250), vrid = n % 250 + 1,
                addresses = { '10.' .. math.floor(n / 250) .. '.' .. n % 250 .. '.1/24' },
            }
        end
        return { instances = instances }
    end)()";

/// Counts the turns of the event loop in which its thread ran for more than 5 ms.
const PROBE: &str = "
    local ffi = require 'ffi'
    local time = ffi.new('resty_vrrp_timespec')
    local function used_ms()
        ffi.C.resty_vrrp_clock_gettime(3, time)
        return tonumber(time.sec) * 1e3 + tonumber(time.nsec) / 1e6
    end
    local probe = { turns = 0, long = 0 }
    package.loaded.probe = probe
    ngx.timer.at(0, function()
        while not ngx.worker.exiting() do
            local before = used_ms()
            ngx.sleep(0.001)
            probe.turns = probe.turns + 1
            probe.long = probe.long + (used_ms() - before > 5 and 1 or 0)
        end
    end)
    return true";

/// The names and types of keepalived-exporter, but for the script that it runs itself, and for
/// what only an excluded address has.
const KEEPALIVED: &str = "keepalived_up gauge
    keepalived_vrrp_state gauge
    keepalived_script_status gauge
    keepalived_script_state gauge
    keepalived_advertisements_received_total counter
    keepalived_advertisements_sent_total counter
    keepalived_become_master_total counter
    keepalived_release_master_total counter
    keepalived_packet_length_errors_total counter
    keepalived_advertisements_interval_errors_total counter
    keepalived_ip_ttl_errors_total counter
    keepalived_invalid_type_received_total counter
    keepalived_address_list_errors_total counter
    keepalived_authentication_invalid_total counter
    keepalived_authentication_mismatch_total counter
    keepalived_authentication_failure_total counter
    keepalived_priority_zero_received_total counter
    keepalived_priority_zero_sent_total counter
    keepalived_gratuitous_arp_delay_total counter";
