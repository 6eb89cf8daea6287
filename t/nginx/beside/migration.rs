//! A `keepalived.conf` as the options of `setup`.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{Carrier, Host, Nginx, wait_until};
use resty_vrrp::keepalived::{ConfFiles, translate};
use serde_json::Value;

use super::checked::checked_as_prepared;
use crate::{PATIENCE, conf_with, get, lua, on_every_nginx, start_active, status_when};

const CONF: &str = "global_defs {
    router_id from-keepalived
    notification_email {
        ops@example.net
    }
}
vrrp_script chk_nginx {
    script \"killall -0 nginx\"
    weight -20
}
vrrp_instance VI_1 {
    state MASTER
    interface eth0
    virtual_router_id 77
    priority 150
    version 3
    advert_int 0.1
    virtual_ipaddress {
        192.168.56.100
    }
    track_script {
        chk_nginx
    }
}
";

#[test]
fn nginx_starts_with_a_keepalived_conf() {
    on_every_nginx("keepalived.conf", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with("'conf/keepalived.conf'"));
        nginx.write("keepalived.conf", CONF);

        nginx.launch().expect("the options are right");

        let status = status_when(host, "active");
        assert_eq!(status["node"]["router_id"], "from-keepalived");
        let instance = &status["instances"][0];
        assert_eq!((&instance["vrid"], &instance["priority"]), (&77.into(), &150.into()));
        assert_eq!(instance["addresses"][0]["address"], "192.168.56.100/32");
        let log = nginx.error_log();
        let mail = "conf/keepalived.conf:3:5: notification_email: nothing here sends mail";
        assert!(log.contains(mail), "{log}");

        nginx.write("keepalived.conf", &CONF.replace("priority 150", "priority 300"));
        let said = nginx.try_reload().expect_err("it is refused");
        assert!(said.contains("instances[1].priority"), "{said}");
        let refused = "conf/keepalived.conf:15:14: instances[1].priority: expected a whole number";
        wait_until("the reload is refused", PATIENCE, || nginx.error_log().contains(refused));
        assert_eq!(status_when(host, "active")["node"]["generation"], 1);
    });
}

#[test]
fn a_check_prints_the_call_of_setup_that_does_the_same() {
    on_every_nginx("check", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with("'conf/keepalived.conf'"));
        nginx.write("keepalived.conf", CONF);

        let checked = checked_as_prepared(&nginx, host);

        assert_eq!(checked.status.code(), Some(0), "{}", checked.said);
        for words in [
            "resty.vrrp: warning: ",
            "keepalived.conf:3:5: notification_email: nothing here sends mail",
            "resty.vrrp: note: ",
            "vrrp_script chk_nginx (killall -0 nginx): built in",
            "resty.vrrp: configuration is valid: 1 instances, 1 addresses",
        ] {
            assert!(checked.said.contains(words), "{}", checked.said);
        }
        assert!(checked.printed.starts_with("require(\"resty.vrrp\").setup {\n"));

        let call = "require('resty.vrrp').setup('conf/keepalived.conf')";
        let pasted = conf_with("'conf/keepalived.conf'").replace(call, &checked.printed);
        assert!(pasted.contains("vrid = 77"), "it is pasted");
        let read = plan_of(host, carrier, &conf_with("'conf/keepalived.conf'"));
        assert_eq!(read["vrid"], 77);

        assert_eq!(plan_of(host, carrier, &pasted), read, "the same plan");
    });
}

/// Starts nginx, and returns what the status says of the configuration.
fn plan_of(host: &Host, carrier: &Carrier, conf: &str) -> Value {
    let nginx = Nginx::prepare(host, carrier, conf);
    nginx.write("keepalived.conf", CONF);
    nginx.launch().expect("the options are right");
    let status = status_when(host, "active");
    nginx.stop();
    let instance = &status["instances"][0];
    let names =
        ["name", "interface", "vrid", "version", "priority", "preempt", "advert_interval_ms"];
    let plan = names.into_iter().map(|name| (name.to_owned(), instance[name].clone()));
    let router_id = ("router_id".to_owned(), status["node"]["router_id"].clone());
    plan.chain([router_id]).collect()
}

#[test]
fn what_is_wrong_with_a_keepalived_conf_is_named_by_file_line_and_column() {
    on_every_nginx("wrong", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with("'conf/ha.conf'"));
        for (text, words) in [
            (CONF.replace("virtual_router_id", "virtual_router"), "ha.conf:14:5: unknown word"),
            (CONF.replace("    track_script {", ""), "ha.conf:24:1: expected no }"),
            ("include ha.conf".to_owned(), "ha.conf:1:1: include loop: "),
            ("include *.none\n".to_owned(), "ha.conf:1:1: there is no vrrp_instance in it"),
            ("\0".to_owned(), "ha.conf:1:1: this is no text: octet 0x00"),
            ("# x\n".repeat(3 << 20), "4 MiB are the limit"),
            (String::new(), "there is no vrrp_instance in it"),
        ] {
            nginx.write("ha.conf", &text);
            let failure = nginx.launch().expect_err("nginx must not start");
            let said = failure.output + &failure.error_log;
            assert!(said.contains(words), "{said}");
        }
        fs::remove_file(nginx.prefix().join("conf/ha.conf")).expect("it was written");
        fs::create_dir(nginx.prefix().join("conf/ha.conf")).expect("the name is free");
        let failure = nginx.launch().expect_err("nginx must not start");
        let said = failure.output + &failure.error_log;
        assert!(said.contains("cannot read the options: ") && said.contains("not a regular file"));
    });
}

#[test]
fn every_printed_call_is_lua_with_the_same_options() {
    on_every_nginx("samples", |host, carrier| {
        let _nginx = start_active(host, carrier);
        let samples = fs::read_dir("t/keepalived").expect("it is there").flatten();
        let samples = samples.map(|file| file.path());
        let samples: Vec<_> =
            samples.filter(|path| path.extension().is_some_and(|it| it == "conf")).collect();
        assert!(samples.len() >= 20, "they are found");
        for sample in samples {
            let translation = translate(&sample, "worker-01", &Disk).expect("it is right");

            let chunk = format!(
                "local got
                 local real = package.loaded['resty.vrrp']
                 package.loaded['resty.vrrp'] = {{ setup = function(options) got = options end }}
                 local ran, err = pcall(function() {} end)
                 package.loaded['resty.vrrp'] = real
                 return ran and require('resty.vrrp.json').encode(got) or err",
                translation.to_lua()
            );
            let read: Value = serde_json::from_str(&lua(host, &chunk)).expect("it ran");

            let expected: Value = serde_json::from_str(&translation.to_json()).expect("JSON");
            assert_eq!(read, expected, "{}", sample.display());
        }
        assert_eq!(get(host, "/ha/healthz").status, 200);
    });
}

/// The files of the working directory.
struct Disk;

impl ConfFiles for Disk {
    fn read(&self, path: &Path, _limit: usize) -> Result<Vec<u8>, String> {
        fs::read(path).map_err(|error| error.to_string())
    }

    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let pattern = pattern.to_str().ok_or("not valid UTF-8")?;
        let found = glob::glob(pattern).map_err(|error| error.to_string())?;
        Ok(found.flatten().collect())
    }
}
