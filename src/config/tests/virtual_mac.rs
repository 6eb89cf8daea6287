//! The options of a virtual MAC.

use super::*;

#[test]
fn a_virtual_mac_makes_an_interface_of_the_usual_name_or_a_given_one() {
    let made = |more: Value| {
        let options = json!({ "instances": [instance(&more)] });
        let config = Config::from_json(&options.to_string()).unwrap();
        config.instances[0].macvlan.map(String::from)
    };
    assert_eq!(made(json!({})), None);
    assert_eq!(made(json!({ "virtual_mac": false })), None);
    assert_eq!(made(json!({ "virtual_mac": true })).as_deref(), Some("vrrp4.51"));
    assert_eq!(made(json!({ "virtual_mac": "vrrp.lan" })).as_deref(), Some("vrrp.lan"));

    let long = said(&json!({ "virtual_mac": "a-name-of-16-byt" }));
    assert!(long.contains("\"a-name-of-16-byt\" (16 bytes)"), "{long}");
    assert!(said(&json!({ "virtual_mac": 1 })).contains("expected true, false or the name"));
    let taken = said(&json!({ "virtual_mac": "eth0" }));
    assert!(taken.contains("eth0 is the interface of instances[1], too"), "{taken}");
    assert!(said(&json!({ "advert_mac": "virtual" })).contains("only with virtual_mac"));
}

#[test]
fn two_instances_do_not_share_the_interface_of_a_virtual_mac() {
    let on = |name: &str, link: &str, address: &str| {
        let more = json!({ "name": name, "interface": link, "addresses": [address],
            "virtual_mac": true });
        instance(&more)
    };
    let both = [on("one", "eth0", "192.0.2.1/24"), on("two", "eth1", "192.0.2.2/24")];

    let problems = problems(&json!({ "instances": both }));
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("vrrp4.51 is made for instances[1], too"), "{problems:?}");
}

/// RFC 9568 §5.2.9.
#[test]
fn a_virtual_mac_of_ipv6_makes_the_link_local_address_unless_one_is_given() {
    let listed = |addresses: Value| {
        let more = json!({ "addresses": addresses, "virtual_mac": true });
        let options = json!({ "instances": [instance(&more)] });
        let config = Config::from_json(&options.to_string()).unwrap();
        let all = config.instances[0].addresses.iter().map(ToString::to_string);
        all.collect::<Vec<_>>()
    };

    let derived = ["fe80::200:5eff:fe00:233/64", "2001:db8::1/64"];
    assert_eq!(listed(json!(["2001:db8::1/64"])), derived);
    let given = ["fe80::1/64", "2001:db8::1/64"];
    assert_eq!(listed(json!(["2001:db8::1/64", "fe80::1/64"])), given);
    assert_eq!(listed(json!(["192.0.2.1/24", "2001:db8::1/64"])).len(), 2);
}
