mod ipv6;
mod virtual_mac;

use std::net::IpAddr;

use serde_json::{Value, json};

use super::*;

fn problems(options: &Value) -> Vec<String> {
    match Config::from_json(&options.to_string()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.0.iter().map(ToString::to_string).collect(),
    }
}

/// A valid instance with some options replaced.
fn instance(changes: &Value) -> Value {
    let mut instance =
        json!({ "name": "VI_1", "interface": "eth0", "vrid": 51, "addresses": ["192.0.2.1/24"] });
    for (name, value) in changes.as_object().expect("changes are a table") {
        instance[name] = value.clone();
    }
    instance
}

/// What is said of a configuration whose one instance has these options.
fn said(changes: &Value) -> String {
    problems(&json!({ "instances": [instance(changes)] })).join("\n")
}

#[test]
fn the_smallest_configuration_has_the_documented_defaults() {
    let options = json!({ "instances": [instance(&json!({}))] });

    let config = Config::from_json(&options.to_string()).expect("it is valid");

    assert_eq!(config.carrier, Carrier::Auto);
    assert_eq!(config.health.worker_timeout, Duration::from_secs(2));
    assert_eq!(config.announce.count, 3);
    assert_eq!(config.announce.refresh, Some(Duration::from_secs(60)));
    assert_eq!(config.address_lifetime, Some(Duration::from_secs(4)));
    assert!(!config.last_one_standing);
    let instance = &config.instances[0];
    assert_eq!((instance.version, instance.priority.get()), (Version::V3, 100));
    assert_eq!(instance.adver_interval.get(), 100);
    assert_eq!((instance.dead_factor, instance.preempt), (3, true));
    assert_eq!(instance.checksum, ChecksumPolicy::Auto);
    assert_eq!(instance.trailing_octets, TrailingOctets::Reject);
    assert_eq!(instance.address_list, AddressList::Report);
}

#[test]
fn a_whole_number_may_be_written_as_json_writes_a_double() {
    let text = r#"{ "announce": { "refresh_ms": 0.0 }, "instances": [{ "name": "VI_1",
        "interface": "eth0", "vrid": 51.0, "version": 3.0, "priority": 1.5e2,
        "addresses": ["192.0.2.1/24"] }] }"#;

    let config = Config::from_json(text).expect("it is valid");

    assert_eq!(config.announce.refresh, None);
    let instance = &config.instances[0];
    assert_eq!((instance.version, instance.priority.get()), (Version::V3, 150));
}

#[test]
fn addresses_that_were_refused_are_not_missed_as_well() {
    assert_eq!(said(&json!({ "addresses": ["192.0.2.300/24"] })).lines().count(), 1);
    assert_eq!(said(&json!({ "addresses": "192.0.2.1/24" })).lines().count(), 1);
}

#[test]
fn a_text_that_is_not_utf_8_is_named_by_its_path() {
    for (json, path) in [
        (&b"{ \"router_id\": \"a\xff\" }"[..], "router_id: "),
        (b"{ \"instances\": [{}, { \"name\": \"\xe9\" }] }", "instances[2].name: "),
        (b"{ \"health\": { \"\xe9\": 1 } }", "health.\u{fffd}: "),
        (b"\xff", ""),
    ] {
        let problems = Config::from_octets(json).expect_err("it is no UTF-8");

        assert_eq!(problems.to_string(), format!("{path}not valid UTF-8"));
    }
}

#[test]
fn a_typo_is_answered_with_the_option_that_was_probably_meant() {
    assert_eq!(
        said(&json!({ "priorty": 150 })),
        "instances[1].priorty: unknown option; did you mean \"priority\"?"
    );
    assert!(said(&json!({ "zzz": 1 })).contains("unknown option; known here: name, interface"));
}

#[test]
fn wrong_types_and_ranges_name_the_option_and_what_is_allowed() {
    let cases = [
        (json!({ "priority": 0 }), "instances[1].priority: expected a whole number from 1 to 255"),
        (json!({ "priority": 256 }), "instances[1].priority: expected"),
        (json!({ "priority": "high" }), "got \"high\""),
        (json!({ "priority": 1.5 }), "got 1.5"),
        (json!({ "priority": "150" }), "got \"150\", which is a text: use tonumber()"),
        (json!({ "vrid": 0 }), "instances[1].vrid: expected a whole number from 1 to 255, got 0"),
        (json!({ "vrid": null }), "instances[1].vrid: required, but not given"),
        (json!({ "interface": "an interface" }), "instances[1].interface: expected the name"),
        (json!({ "interface": "sixteen-letters-" }), "instances[1].interface: expected the name"),
        (
            json!({ "interface": "eth0.100@eth0" }),
            "\"eth0.100@eth0\" is what ip link shows, the interface is called \"eth0.100\"",
        ),
        (
            json!({ "interface": "eth0:1" }),
            "\"eth0:1\" is the label of an address, the interface is called \"eth0\": write that",
        ),
        (json!({ "version": 4 }), "instances[1].version: expected 2 (RFC 3768) or 3 (RFC 9568)"),
        (json!({ "preempt": "yes" }), "instances[1].preempt: expected true or false"),
        (json!({ "dead_factor": 0 }), "instances[1].dead_factor: expected"),
        (json!({ "name": "a\nb" }), "instances[1].name: expected a text"),
        (json!({ "checksum": "best" }), "expected \"auto\" or \"rfc9568\" or \"pseudo-header\""),
        (json!({ "trailing_octets": true }), "expected \"reject\" or \"ignore\""),
        (json!({ "address_list": "enforce" }), "instances[1].address_list: version 3 never drops"),
    ];
    for (changes, expected) in cases {
        let said = said(&changes);
        assert!(said.contains(expected), "{changes}: {said}");
    }
}

#[test]
fn intervals_that_the_wire_cannot_carry_are_refused_not_rounded() {
    for (changes, accepted) in [
        (json!({ "advert_interval_ms": 10 }), true),
        (json!({ "advert_interval_ms": 40_950 }), true),
        (json!({ "advert_interval_ms": 15 }), false),
        (json!({ "advert_interval_ms": 0 }), false),
        (json!({ "advert_interval_ms": 40_960 }), false),
        (json!({ "version": 2, "advert_interval_ms": 2000 }), true),
        (json!({ "version": 2, "advert_interval_ms": 255_000 }), true),
        (json!({ "version": 2, "advert_interval_ms": 500 }), false),
        (json!({ "version": 2, "advert_interval_ms": 1500 }), false),
    ] {
        assert_eq!(said(&changes).is_empty(), accepted, "{changes}: {}", said(&changes));
    }
}

#[test]
fn addresses_need_a_prefix() {
    for address in
        ["192.0.2.1", "192.0.2.1/33", "192.0.2/24", "host/24", "224.0.0.18/32", "0.0.0.0/0"]
    {
        let said = said(&json!({ "addresses": [address] }));
        assert!(said.starts_with("instances[1].addresses[1]: "), "{address}: {said}");
    }
    assert!(said(&json!({ "addresses": [] })).contains("at least one address is needed"));
    assert!(
        said(&json!({ "addresses": ["192.0.2.1/24", "192.0.2.1/32"] })).contains("given twice")
    );
}

#[test]
fn two_instances_cannot_be_one_virtual_router_nor_share_a_name_or_an_address() {
    let options = json!({ "instances": [instance(&json!({})), instance(&json!({}))] });

    assert_eq!(
        problems(&options),
        [
            "instances[2].name: \"VI_1\" is the name of instances[1], too",
            "instances[2].vrid: instances[1] is already virtual router 51 on eth0",
            "instances[2].addresses: 192.0.2.1 belongs to instances[1], too",
        ]
    );
}

#[test]
fn a_node_is_not_judged_by_an_address_that_may_be_on_another_one() {
    let with = |priority, url| {
        let health = json!({ "probe": { "url": url } });
        let instance = instance(&json!({ "priority": priority }));
        problems(&json!({ "instances": [instance], "health": health }))
    };

    let refused = with(100, "http://192.0.2.1:8080/health");
    let why = "health.probe.url: 192.0.2.1 is an address of \"VI_1\", which may be on another node";
    assert!(refused.len() == 1 && refused[0].starts_with(why), "{refused:?}");
    assert!(with(100, "http://192.0.2.2/").is_empty());
    assert!(with(255, "http://192.0.2.1/").is_empty(), "an owner always has it");
}

#[test]
fn a_host_to_reach_is_another_one_with_a_name_that_fits() {
    let problems = |reach: Value| {
        let health = json!({ "reach": reach });
        problems(&json!({ "instances": [instance(&json!({}))], "health": health }))
    };
    let said = |reach: &Value| problems(json!([reach])).join("; ");

    assert_eq!(said(&json!({ "address": "192.0.2.254", "weight": -50 })), "");
    assert_eq!(said(&json!({ "address": "fe80::1", "interface": "eth0" })), "");
    for address in ["0.0.0.0", "127.0.0.1", "224.0.0.18", "255.255.255.255", "::1", "ff02::1", "gw"]
    {
        let said = said(&json!({ "address": address }));
        let why = "health.reach[1].address: expected the address of another host";
        assert!(said.starts_with(why), "{address}: {said}");
    }
    assert!(said(&json!({ "address": "192.0.2.1" })).contains("is an address of \"VI_1\""));
    assert!(said(&json!({ "address": "fe80::1" })).contains("say on which interface"));
    let long = json!({ "address": "2001:db8:1111:2222:3333:4444:5555:6666" });
    assert!(said(&long).contains("health.reach[1].name: needed"));
    let twice = json!([{ "address": "192.0.2.254" }, { "address": "192.0.2.254", "weight": -1 }]);
    let why = "health.reach[2].name: reach[1] has the name \"192.0.2.254\", too";
    assert_eq!(problems(twice), [why]);
}

#[test]
fn a_password_is_for_version_2_and_never_repeated() {
    let simple = json!({ "type": "simple", "secret": "secret" });
    assert_eq!(said(&json!({ "version": 2, "auth": simple })), "");
    assert!(said(&json!({ "auth": simple })).contains("only with version = 2"));

    let long = json!({ "version": 2, "auth": { "type": "simple", "secret": "nine-long" } });
    let said = said(&long);

    assert!(said.contains("instances[1].auth.secret: expected 1 to 8 bytes, got 9"), "{said}");
    assert!(!said.contains("nine-long"));
}

#[test]
fn every_problem_is_listed_not_only_the_first() {
    let options = json!({
        "carier": "agent",
        "health": { "min_workers": 0 },
        "instances": [instance(&json!({ "vrid": 300 }))],
    });

    let problems = problems(&options);

    assert_eq!(problems.len(), 3, "{problems:?}");
}

#[test]
fn a_thousand_instances_are_accepted_and_too_many_are_not() {
    let many = |count: usize| {
        let one = |n: usize| {
            instance(&json!({
                "name": format!("VI_{n}"),
                "interface": format!("eth{}", n / 250),
                "vrid": n % 250 + 1,
                "addresses": [format!("10.{}.{}.1/32", n / 250, n % 250)],
            }))
        };
        json!({ "instances": (0..count).map(one).collect::<Vec<_>>() })
    };

    assert_eq!(problems(&many(1000)), Vec::<String>::new());
    assert_eq!(problems(&many(MAX_INSTANCES + 1)), ["instances: at most 4096 elements, got 4097"]);
}

#[test]
fn what_is_not_a_table_of_options_is_refused_with_its_place() {
    assert!(problems(&json!([1, 2]))[0].contains("expected a table of options"));
    assert_eq!(problems(&json!({})), ["instances: required, but not given"]);
    assert!(problems(&json!({ "instances": "VI_1" }))[0].starts_with("instances: expected a list"));
    assert!(
        problems(&json!({ "instances": [5] }))[0].starts_with("instances[1]: expected a table")
    );
    let broken = Config::from_json("{\n  \"instances\": [,]\n}").expect_err("it is broken");
    assert!(broken.to_string().contains("line 2 column"), "{broken}");
}

#[test]
fn peers_are_spoken_to_one_by_one_and_with_the_hop_limit_of_one_link() {
    let peers = json!({ "peers": ["192.0.2.3", "198.51.100.4"] });
    let options = json!({ "instances": [instance(&peers)] });

    let config = Config::from_json(&options.to_string()).expect("it is valid");

    let one = &config.instances[0];
    let peers = ["192.0.2.3", "198.51.100.4"].map(|it| it.parse::<IpAddr>().expect("an address"));
    assert_eq!(one.destinations().collect::<Vec<_>>(), peers);
    assert_eq!((one.source(), one.hop_limit(), one.min_hop_limit()), (None, 255, 255));
    assert_eq!(one.startup_hold, Duration::from_millis(1500), "a peer has to find this host");
}

/// A source on the link reaches only peers on it.
#[test]
fn over_ipv6_the_source_reaches_as_far_as_the_peers() {
    let here = Sources {
        ipv4: Some([192, 0, 2, 2].into()),
        ipv6: Some("fe80::2".parse().expect("an address")),
        global: Some("2001:db8::2".parse().expect("an address")),
    };
    for (peers, source) in [
        (json!(["fe80::3"]), "fe80::2"),
        (json!(["2001:db8::3"]), "2001:db8::2"),
        (json!(["fe80::3", "2001:db8::3"]), "2001:db8::2"),
    ] {
        let options = json!({ "addresses": ["2001:db8::7/64"], "peers": peers });
        let options = json!({ "instances": [instance(&options)] });
        let config = Config::from_json(&options.to_string()).expect("it is valid");

        let speaks_from = config.instances[0].source_among(here).map(|it| it.to_string());
        assert_eq!(speaks_from.as_deref(), Some(source), "{peers}");
    }
}

#[test]
fn peers_that_cannot_be_meant_are_refused_with_the_place() {
    let many: Vec<_> = (1..=255).map(|last| format!("198.51.100.{last}")).collect();
    for (changes, expected) in [
        (json!({ "peers": [] }), "peers: at least one peer is needed; leave it out to speak"),
        (json!({ "peers": {} }), "peers: at least one peer is needed"),
        (json!({ "peers": "192.0.2.3" }), "peers: expected a list"),
        (json!({ "peers": many }), "peers: at most 254 elements, got 255"),
        (
            json!({ "peers": ["192.0.2.3/24"] }),
            "peers[1]: expected an IP address such as \"192.168.56.102\", got \"192.0.2.3/24\": \
             write \"192.0.2.3\"",
        ),
        (json!({ "peers": ["worker-02"] }), "got \"worker-02\""),
        (json!({ "peers": [7] }), "peers[1]: expected an IP address"),
        (json!({ "peers": ["224.0.0.18"] }), "peers[1]: 224.0.0.18 is not the address of another"),
        (json!({ "peers": ["127.0.0.1"] }), "peers[1]: 127.0.0.1 is not the address of another"),
        (json!({ "peers": ["0.0.0.0"] }), "peers[1]: 0.0.0.0 is not the address of another"),
        (json!({ "peers": ["192.0.2.3", "192.0.2.3"] }), "peers[2]: 192.0.2.3 is given twice"),
        (
            json!({ "peers": ["2001:db8::3"] }),
            "2001:db8::3 is not of the family of addresses: ipv4",
        ),
        (
            json!({ "addresses": ["2001:db8::7/64"], "peers": ["192.0.2.3"] }),
            "192.0.2.3 is not of the family of addresses: ipv6",
        ),
        (
            json!({ "addresses": ["2001:db8::7/64"], "peers": ["fe80::3"], "source": "192.0.2.3" }),
            "192.0.2.3 is not of the family of addresses: ipv6",
        ),
        (
            json!({ "addresses": ["2001:db8::7/64"], "peers": ["fe80::3%eth0"] }),
            "got \"fe80::3%eth0\": write \"fe80::3\"",
        ),
        (
            json!({ "addresses": ["2001:db8::7/64"], "peers": ["ff02::12"] }),
            "peers[1]: ff02::12 is not the address of another host",
        ),
        (
            json!({ "addresses": ["2001:db8::7/64"], "peers": ["::ffff:192.0.2.3"] }),
            "peers[1]: ::ffff:192.0.2.3 is not the address of another host",
        ),
        (
            json!({ "peers": ["192.0.2.3"], "source": "192.0.2.3" }),
            "peers[1]: 192.0.2.3 is the source: list the other nodes alone",
        ),
        (
            json!({ "peers": ["192.0.2.1"] }),
            "peers[1]: 192.0.2.1 is a virtual address of \"VI_1\": write one that stays",
        ),
        (
            json!({ "peers": ["192.0.2.3"], "source": "192.0.2.1" }),
            "source: 192.0.2.1 is a virtual address of \"VI_1\"",
        ),
        (json!({ "source": "192.0.2.3" }), "source: only with peers"),
        (json!({ "hop_limit": 254 }), "hop_limit: only with peers"),
        (json!({ "min_hop_limit": 254 }), "min_hop_limit: only with peers"),
        (json!({ "peers": ["192.0.2.3"], "hop_limit": 0 }), "hop_limit: expected a whole number"),
    ] {
        let said = said(&changes);
        assert!(said.starts_with("instances[1].") && said.contains(expected), "{said}");
    }
    let owner = json!({ "peers": ["192.0.2.3"], "source": "192.0.2.1", "priority": 255 });
    assert_eq!(said(&owner), "", "an owner has it whoever is Active");
}

#[test]
fn tracked_interfaces_have_a_negative_weight_or_none() {
    let track =
        json!({ "track": [{ "interface": "eth1" }, { "interface": "eth2", "weight": -50 }] });
    let options = json!({ "instances": [instance(&track)] });

    let config = Config::from_json(&options.to_string()).expect("it is valid");

    let weights: Vec<_> = config.instances[0].track.iter().map(|one| one.weight).collect();
    assert_eq!(weights, [None, Some(-50)]);
    let wrong = said(&json!({ "track": [{ "interface": "eth1", "weight": 50 }] }));
    assert!(wrong.contains("instances[1].track[1].weight: expected a whole number from -253"));
}

#[test]
fn a_sync_group_names_instances_of_one_priority_each_once() {
    let two = |changes: &Value| {
        let one = instance(&json!({ "name": "VI_1", "priority": 150 }));
        let mut other = instance(&json!({ "name": "VI_2", "interface": "eth1", "priority": 150,
            "addresses": ["198.51.100.1/24"] }));
        for (name, value) in changes.as_object().expect("changes are a table") {
            other[name] = value.clone();
        }
        [one, other]
    };
    let said = |groups: Value, changes: Value| {
        problems(&json!({ "instances": two(&changes), "sync_groups": groups })).join("\n")
    };
    let group = |name: &str, members: &[&str]| json!({ "name": name, "members": members });
    let fine = json!([group("G1", &["VI_2", "VI_1"])]);
    assert_eq!(said(fine.clone(), json!({})), "");

    for (groups, expected) in [
        (json!([group("G1", &[])]), "sync_groups[1].members: at least two instances are needed"),
        (json!([group("G1", &["VI_1"])]), "sync_groups[1].members: at least two instances"),
        (json!([{ "name": "G1" }]), "sync_groups[1].members: required, but not given"),
        (json!([{ "members": ["VI_1", "VI_2"] }]), "sync_groups[1].name: required"),
        (
            json!([group("G1", &["VI_1", "VI2"])]),
            "sync_groups[1].members[2]: there is no instance \"VI2\"; did you mean \"VI_",
        ),
        (json!([group("G1", &["VI_1", "lan"])]), "members[2]: there is no instance \"lan\""),
        (json!([group("G1", &["VI_1", "VI_1"])]), "members[2]: \"VI_1\" is given twice"),
        (
            json!([group("G1", &["VI_1", "VI_2"]), group("G2", &["VI_2", "VI_1"])]),
            "sync_groups[2].members[1]: \"VI_2\" is a member of sync_groups[1], too",
        ),
        (
            json!([group("G1", &["VI_1", "VI_2"]), group("G1", &["VI_2", "VI_1"])]),
            "sync_groups[2].name: \"G1\" is the name of sync_groups[1], too",
        ),
        (json!([{ "name": "G1", "member": ["VI_1"] }]), "did you mean \"members\"?"),
        (json!({ "name": "G1" }), "sync_groups: expected a list"),
    ] {
        let said = said(groups, json!({}));
        assert!(said.contains(expected), "{said}");
    }
    let differs = "sync_groups[1].members: \"VI_1\" has priority 150, \"VI_2\" has 100: members \
                   of a group need the same one";
    assert_eq!(said(fine, json!({ "priority": 100 })), differs);
}
