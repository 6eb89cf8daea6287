//! A virtual address that something else put on the host.

use harness::{Nginx, eventually};

use crate::{ONE, PATIENCE, conf_with, get, lua, on_every_nginx, start_active, status_when};

#[test]
fn a_virtual_address_from_elsewhere_is_named_for_as_long_as_it_is_there() {
    on_every_nginx("foreign addresses", |host, carrier| {
        let _nginx = start_active(host, carrier);
        assert_eq!(warned(host), None);

        // On another interface, with another prefix, while the node is active …
        host.ip("address add 192.168.56.110/32 dev lo");
        let text = names(host, "192.168.56.110/32 on lo of this host");
        assert!(text.contains("ip address delete 192.168.56.110/32 dev lo"), "{text}");
        host.ip("address delete 192.168.56.110/32 dev lo");
        names_nothing(host);

        // … and on its own interface while it is not.
        assert_eq!(lua(host, "return vrrp.drain()"), "true");
        status_when(host, "initialize");
        eventually("the addresses have gone", PATIENCE, || {
            if host.has("192.168.56.100") { Err("here") } else { Ok(()) }
        });
        host.ip("address add 192.168.56.100/24 dev eth0");
        names(host, "192.168.56.100/24 on eth0");
        host.ip("address add 192.168.56.110/24 dev eth0");
        names(host, "192.168.56.100/24 and 1 more on eth0");
    });
}

#[test]
fn an_address_that_was_there_before_is_named_while_the_node_is_active_and_becomes_ours() {
    on_every_nginx("foreign before", |host, carrier| {
        host.ip("address add 192.168.56.100/24 dev eth0");
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));
        status_when(host, "active");
        names(host, "192.168.56.100/24 on eth0");

        host.ip("address delete 192.168.56.100/24 dev eth0");

        names_nothing(host);
        assert!(host.has("192.168.56.100"), "it is put there by the engine");
        nginx.reload();
        names_nothing(host);
    });
}

/// Waits for the warning with these words, and returns its text.
#[track_caller]
fn names(host: &harness::Host, words: &str) -> String {
    eventually(&format!("the warning says {words:?}"), PATIENCE, || {
        warned(host)
            .filter(|text| text.contains(words))
            .ok_or_else(|| format!("{:?}", warned(host)))
    })
}

#[track_caller]
fn names_nothing(host: &harness::Host) {
    eventually("there is no such warning", PATIENCE, || warned(host).map_or(Ok(()), Err));
}

fn warned(host: &harness::Host) -> Option<String> {
    let instance = get(host, "/ha/status").json()["instances"][0].clone();
    let mut warnings = instance["warnings"].as_array().expect("a list").iter();
    let found = warnings.find(|it| it["name"] == "address_is_foreign");
    found.and_then(|it| it["text"].as_str()).map(str::to_owned)
}
