//! What `setup` and the engine know of the interfaces of the host: their names and networks.

use std::time::{Duration, Instant};

use harness::{AddressWatch, Host, Nginx, Role, eventually};

use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, start_active, status_when};

#[test]
fn another_name_of_an_interface_is_refused_with_its_real_name() {
    on_every_nginx("altname", |host, carrier| {
        let nginx = start_active(host, carrier);
        host.ip("link property add dev eth0 altname lan0");
        let words = "instances[1].interface: lan0 is another name of \"eth0\": write that";

        nginx.write("nginx.conf", &conf_with(&ONE.replace("eth0", "lan0")));
        let said = nginx.try_reload().expect_err("the reload must be refused");
        assert!(said.contains(words), "{said}");
        nginx.stop();
        let said = nginx.launch().expect_err("nginx must not start").error_log;
        assert!(said.contains(words), "{said}");
    });
}

#[test]
fn a_prefix_that_is_not_that_of_the_network_is_named_while_it_differs() {
    on_every_nginx("prefix", |host, carrier| {
        let options = ONE.replace("110/24", "110/25");
        let words = "192.168.56.110/25 does not have the prefix of 192.168.56.101/24 on eth0: a \
                     host that has it speaks to 192.168.56.0/25 from it. Write 192.168.56.110/24";
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");

        let log = nginx.error_log();
        assert!(log.contains(&format!("instances[1].addresses: {words}")), "{log}");
        eventually("the status says so", PATIENCE, || {
            let text = warned(host).unwrap_or_default();
            if text.starts_with(words) { Ok(()) } else { Err(text) }
        });
        host.ip("address add 192.168.56.9/25 dev eth0");
        eventually("it is that of a network", PATIENCE, || warned(host).map_or(Ok(()), Err));
    });
}

fn warned(host: &Host) -> Option<String> {
    let instance = get(host, "/ha/status").json()["instances"][0].clone();
    let mut warnings = instance["warnings"].as_array().expect("a list").iter();
    let found = warnings.find(|it| it["name"] == "prefix_differs");
    found.and_then(|it| it["text"].as_str()).map(str::to_owned)
}

/// The kernel takes some 15 ms for each that is deleted or switched off alone, and an engine that
/// stops has 300 ms.
#[test]
fn forty_interfaces_of_virtual_routers_are_gone_when_nginx_is() {
    on_every_nginx("forty macvlans", |host, carrier| {
        let instance = |vrid| {
            format!(
                "{{ name = 'VI_{vrid}', interface = 'eth0', vrid = {vrid}, priority = 150,
                    addresses = {{ '192.168.57.{vrid}/32', '2001:db8::{vrid}/128' }},
                    advert_interval_ms = 100, virtual_mac = true }},"
            )
        };
        let instances: Vec<_> = (1..=40).map(instance).collect();
        let options = format!("{{ instances = {{ {} }} }}", instances.concat());
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        all_active(host);
        assert_eq!(macvlans(host), 40);

        let watch = AddressWatch::start(host);
        let start = Instant::now();
        nginx.quit();
        nginx.wait_for_the_end();
        let removed = watch.all_since(start).into_iter().filter(|event| event.removed);
        let removed: Vec<_> = removed.map(|event| event.at).collect();
        let took = removed[removed.len() - 1] - removed[0];
        println!("{} addresses removed within {took:.1?}", removed.len());
        assert!(took < Duration::from_millis(350), "{took:.1?}");
        assert_eq!(macvlans(host), 0);
        let log = nginx.error_log();
        assert!(!log.contains("addresses are not released yet"), "{log}");

        nginx.launch().expect("it starts again");
        all_active(host);
        nginx.kill9(Role::All);
        eventually("the guard has removed them", PATIENCE, || match macvlans(host) {
            0 => Ok(()),
            left => Err(left.to_string()),
        });
    });
}

fn all_active(host: &Host) {
    eventually("all routers are active", PATIENCE, || {
        let status = host.get("127.0.0.1:80", "/ha/status").map_err(|error| error.to_string())?;
        let status = status.json();
        let instances = status["instances"].as_array().cloned().unwrap_or_default();
        let is_active = |one: &serde_json::Value| {
            one["state"] == "active" && one["addresses"][0]["assigned"] == true
        };
        if instances.iter().all(is_active) { Ok(()) } else { Err(status.to_string()) }
    });
}

fn macvlans(host: &Host) -> usize {
    host.ip("-o link show type macvlan").lines().count()
}
