//! Addresses in tables: what is accepted, and what is said of the rest.

use serde_json::{Value, json};

use super::placement::{Broadcast, Placement};
use crate::config::Config;
use crate::types::{AddressLabel, AddressLook};

#[test]
fn an_address_stands_alone_or_in_a_table_with_what_is_said_of_it() {
    let config = config(&json!({
        "addresses": [
            "192.0.2.1/24",
            { "address": "192.0.2.2/24" },
            { "address": "192.0.2.3/24", "label": "eth0:web", "broadcast": "-" },
        ],
        "addresses_excluded": [{ "address": "192.0.2.4/32", "broadcast": "192.0.2.255" }],
    }));

    let instance = &config.instances[0];
    let looks: Vec<_> = instance.moving().map(|it| instance.placement(it).look(it)).collect();

    let of_the_network = Some([192, 0, 2, 255].into());
    let usual = AddressLook { label: None, broadcast: of_the_network };
    let label = AddressLabel::new("eth0:web");
    assert_eq!(looks, [usual, usual, AddressLook { label, broadcast: None }, usual]);
    assert_eq!(instance.placements.len(), 2, "of two of them nothing is said");
    assert_eq!(instance.placement(&instance.addresses[0]), Placement::default());
    assert_eq!(Placement::default().broadcast, Broadcast::Network);
}

#[test]
fn what_is_wrong_with_a_table_is_said_with_its_path_and_what_is_allowed() {
    for (table, expected) in [
        (json!({ "address": "192.0.2.1" }), ".address: expected an address with prefix length"),
        (json!({ "label": "eth0:1" }), ".address: required, but not given"),
        (json!({ "address": "192.0.2.1/24", "lable": "eth0:1" }), ".lable: unknown option; did"),
        (
            json!({ "address": "192.0.2.1/24", "label": "eth0:a-long-name" }),
            ".label: expected the name of the interface with a colon and a few letters behind it, \
             such as \"eth0:web\" (1 to 15 bytes), got \"eth0:a-long-name\"",
        ),
        (
            json!({ "address": "192.0.2.1/24", "label": "web" }),
            ".label: \"web\" is not the name of the interface, \"eth0\", with a colon and a few \
             letters behind it, as ifconfig wants it: write \"eth0:web\"",
        ),
        (json!({ "address": "192.0.2.1/24", "label": "eth01" }), "write \"eth0:eth01\""),
        (json!({ "address": "192.0.2.1/24", "label": "eth1:mailserver" }), "\"eth0:mailserver\""),
        (
            json!({ "address": "2001:db8::1/64", "label": "eth0:1" }),
            ".label: 2001:db8::1/64 is of IPv6, which has none: leave it out",
        ),
        (json!({ "address": "2001:db8::1/64", "broadcast": "-" }), ".broadcast: 2001:db8::1/64 is"),
        (
            json!({ "address": "192.0.2.1/24", "broadcast": "all" }),
            ".broadcast: expected \"+\" (that of the network), \"-\" (none) or an address such as \
             \"192.168.56.255\", got \"all\"",
        ),
        (
            json!({ "address": "192.0.2.1/32", "broadcast": "+" }),
            ".broadcast: the network of 192.0.2.1/32 has none: leave it out",
        ),
        (json!({ "address": "192.0.2.1/24", "broadcast": "0.0.0.0" }), ".broadcast: expected"),
        (json!(7), ": expected an address with prefix length"),
    ] {
        let said = said(&json!({ "addresses": [table] }));

        assert!(said.starts_with("instances[1].addresses[1]"), "{said}");
        assert!(said.contains(expected) && !said.contains('\n'), "{said}");
    }
}

#[test]
fn an_address_in_a_table_is_one_as_any_other() {
    let twice = json!(["192.0.2.1/24", { "address": "192.0.2.1/24", "label": "eth0:1" }]);

    assert!(said(&json!({ "addresses": twice })).contains("192.0.2.1 is given twice"));
    assert!(said(&json!({ "addresses": [{}] })).contains("addresses[1].address: required"));
}

#[test]
fn the_interface_of_an_address_is_tracked_unless_it_is_that_of_the_instance() {
    let address = |n: u8, interface: String| {
        let address = format!("192.0.2.{n}/24");
        json!({ "address": address, "interface": interface })
    };
    let own = [address(1, "eth0".into()), address(2, "eth2".into()), address(3, "eth2".into())];
    let track = json!([{ "interface": "eth1", "weight": -5 }]);
    let instance = &config(&json!({ "addresses": own, "track": track })).instances[0];

    let tracked = instance.tracked();
    let tracked = tracked.iter().map(|it| (it.interface.to_string(), it.weight));
    assert_eq!(tracked.collect::<Vec<_>>(), [("eth1".into(), Some(-5)), ("eth2".into(), None)]);
    let on = instance.moving().map(|held| instance.interface_of(held).to_string());
    assert_eq!(on.collect::<Vec<_>>(), ["eth0", "eth2", "eth2"]);

    let many: Vec<_> = (1..=9).map(|n| address(n, format!("vlan{n}"))).collect();
    assert_eq!(said(&json!({ "addresses": many[..8] })), "");
    let said = said(&json!({ "addresses": many }));
    assert!(said.starts_with("instances[1].track: at most 8 interfaces, with"), "{said}");
}

#[test]
fn an_interface_that_is_made_for_an_instance_has_no_address_of_another_one() {
    let with_mac = json!({ "name": "VI_1", "interface": "eth0", "vrid": 51, "virtual_mac": true,
        "addresses": [{ "address": "192.0.2.1/24", "interface": "vrrp4.51" }] });
    let elsewhere = json!({ "name": "VI_2", "interface": "eth0", "vrid": 52,
        "addresses": [{ "address": "192.0.2.2/24", "interface": "vrrp4.51" }] });
    let alone = json!({ "instances": [with_mac] });
    let both = json!({ "instances": [with_mac, elsewhere] });

    assert!(Config::from_json(&alone.to_string()).is_ok(), "it may name its own");
    let said = Config::from_json(&both.to_string()).unwrap_err().to_string();
    assert!(said.contains("vrrp4.51 is that of an address of instances[2], too"), "{said}");
}

#[test]
fn a_link_local_address_may_be_on_several_interfaces_of_several_instances() {
    let one = |vrid: u8, interface: &str| {
        json!({ "name": format!("VI_{vrid}"), "interface": "eth0", "vrid": vrid,
            "addresses": [{ "address": "fe80::1/64", "interface": interface }] })
    };
    let said = |interfaces: [&str; 2]| {
        let all = json!({ "instances": [one(1, interfaces[0]), one(2, interfaces[1])] });
        Config::from_json(&all.to_string()).err().map(|said| said.to_string()).unwrap_or_default()
    };

    assert_eq!(said(["eth1", "eth2"]), "");
    assert!(said(["eth1", "eth1"]).contains("fe80::1 belongs to instances[1], too"));
}

/// Of the macvlan, which has the address.
#[test]
fn with_virtual_mac_a_label_begins_with_the_name_of_the_macvlan() {
    let with = |label| {
        let address = json!({ "address": "192.0.2.1/24", "label": label });
        said(&json!({ "virtual_mac": true, "addresses": [address] }))
    };

    assert_eq!(with("vrrp4.51:1"), "");
    assert!(with("eth0:1").ends_with("write \"vrrp4.51:1\""));
}

fn config(changes: &Value) -> Config {
    Config::from_json(&options(changes).to_string()).unwrap_or_else(|said| panic!("{said}"))
}

fn said(changes: &Value) -> String {
    let problems = Config::from_json(&options(changes).to_string()).err();
    problems.map(|problems| problems.to_string()).unwrap_or_default()
}

fn options(changes: &Value) -> Value {
    let mut instance = json!({ "name": "VI_1", "interface": "eth0", "vrid": 51 });
    for (name, value) in changes.as_object().unwrap() {
        instance[name] = value.clone();
    }
    json!({ "instances": [instance] })
}
