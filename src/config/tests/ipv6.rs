//! What is particular about addresses of IPv6.

use super::*;

#[test]
fn the_family_of_the_first_address_has_the_election_and_only_its_addresses_are_advertised() {
    let read = |addresses: Value| {
        let options = json!({ "instances": [instance(&json!({ "addresses": addresses }))] });
        let config = Config::from_json(&options.to_string()).expect("it is valid");
        let instance = &config.instances[0];
        let advertised: Vec<_> = instance.advertised().map(|it| it.to_string()).collect();
        (instance.family(), advertised)
    };

    let ipv4 = read(json!(["192.0.2.1/24", "2001:db8::1/64", "192.0.2.2/24"]));
    let ipv6 = read(json!(["2001:db8::1/64", "192.0.2.1/24", "fe80::1/64"]));

    assert_eq!(ipv4, (Family::Ipv4, vec!["192.0.2.1".to_owned(), "192.0.2.2".to_owned()]));
    let link_local_first = vec!["fe80::1".to_owned(), "2001:db8::1".to_owned()];
    assert_eq!(ipv6, (Family::Ipv6, link_local_first));
}

#[test]
fn what_ipv6_has_no_place_for_is_refused() {
    let ipv6 = |more: Value| {
        let mut changes = json!({ "addresses": ["2001:db8::1/64"] });
        for (name, value) in more.as_object().expect("a table") {
            changes[name] = value.clone();
        }
        said(&changes)
    };
    assert_eq!(ipv6(json!({})), "");
    assert!(ipv6(json!({ "version": 2 })).starts_with("instances[1].version: version 2 has no"));
    assert!(ipv6(json!({ "checksum": "rfc9568" })).contains("over IPv6 there is one form only"));
    let enforced = ipv6(json!({ "address_list": "enforce" }));
    assert!(enforced.contains("drops what does not begin with a link-local address"), "{enforced}");
    let addresses = ["2001:db8::1/64", "fe80::1/64"];
    assert_eq!(ipv6(json!({ "address_list": "enforce", "addresses": addresses })), "");

    let many = |count: u16| {
        let all: Vec<_> = (1..=count).map(|host| format!("2001:db8::{host:x}/64")).collect();
        said(&json!({ "addresses": all }))
    };
    assert_eq!(many(90), "");
    assert_eq!(
        many(91),
        "instances[1].addresses: 91 of IPv6 do not fit into an advertisement, at most 90 do \
         (MTU 1500): write the others under addresses_excluded"
    );
}

#[test]
fn an_address_of_ipv6_is_the_same_however_it_is_written() {
    let twice = json!({ "addresses": ["2001:db8::100/64", "2001:DB8:0::0100/128"] });
    assert_eq!(said(&twice), "instances[1].addresses: 2001:db8::100 is given twice");
    let dual = instance(&json!({ "addresses": ["192.0.2.1/24", "2001:db8::100/64"] }));
    let other = instance(&json!({ "name": "VI_2", "vrid": 52, "addresses": ["fe80::1/64"],
        "addresses_excluded": ["2001:db8:0:0::100/64"] }));

    assert_eq!(
        problems(&json!({ "instances": [dual, other] })),
        ["instances[2].addresses: 2001:db8::100 belongs to instances[1], too"]
    );
}
