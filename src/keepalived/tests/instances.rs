//! What an instance means.

use super::*;

const VIP: &str = "virtual_ipaddress { 10.0.0.1 }\n";

#[test]
fn the_defaults_are_those_of_keepalived() {
    let expected = json!({ "name": "VI_1", "interface": "eth0", "vrid": 51, "version": 2,
        "addresses": ["10.0.0.1/32"] });
    assert_eq!(instance(VIP), expected);
    assert_eq!(instance("virtual_ipaddress { fe80::1\n 2001:db8::1/64 }")["version"], 3);
}

#[test]
fn addresses_keep_their_prefix_and_interface() {
    let lines = "virtual_ipaddress {\n10.0.0.1/24 dev eth0\n10.0.0.2/24 dev eth1\n\
        10.0.0.3/24 brd + scope global\n10.0.0.4/24 broadcast 10.0.0.255 -nodad\n}\n\
        virtual_ipaddress_excluded {\n2001:db8::1 preferred_lft forever\n}\n";

    let instance = instance(lines);

    let elsewhere = json!({ "address": "10.0.0.2/24", "interface": "eth1" });
    let addresses = json!(["10.0.0.1/24", elsewhere, "10.0.0.3/24", "10.0.0.4/24"]);
    assert_eq!(instance["addresses"], addresses);
    assert_eq!(instance["addresses_excluded"], json!(["2001:db8::1/128"]));
}

/// The interface with the virtual MAC address belongs to the instance.
#[test]
fn an_address_may_name_the_interface_that_keepalived_makes() {
    for (mac, name) in [("use_vmac", "vrrp.51"), ("use_vmac vm0", "vm0")] {
        let lines = format!("{mac}\nvirtual_ipaddress {{\n10.0.0.1/24 dev {name}\n}}\n");
        assert_eq!(instance(&lines)["addresses"], json!(["10.0.0.1/24"]));
    }
}

#[test]
fn what_an_address_has_besides_is_told() {
    for (line, said) in [
        ("10.0.0.1/24 brd +", "brd: always so"),
        ("10.0.0.1/24 brd 10.0.0.255", "brd: always so"),
        (
            "10.0.0.1/24 label web",
            "label web: left out: it has to be eth0, or eth0: and something behind it, in 15 bytes",
        ),
        ("10.0.0.1/24 label eth0:a-long-name", "label eth0:a-long-name: left out: it has to be"),
        ("10.0.0.1/24 scope link", "src of a route says from which one this host speaks"),
        ("10.0.0.1/24 noprefixroute", "of a /32 or /128, the kernel makes no route"),
        ("10.0.0.1/24 home", "it is for Mobile IPv6"),
    ] {
        let text = with_instance(&format!("virtual_ipaddress {{\n{line}\n}}"));
        assert_eq!(options(&text)["instances"][0]["addresses"], json!(["10.0.0.1/24"]));
        let remarks = remarks(&text);
        assert!(remarks.contains(said), "{line}: {remarks}");
    }
}

#[test]
fn an_address_of_which_something_is_said_becomes_a_table() {
    for (line, expected) in [
        ("10.0.0.1/24 label eth0:1", json!({ "label": "eth0:1" })),
        ("10.0.0.1/24 brd -", json!({ "broadcast": "-" })),
        ("10.0.0.1/24 brd 10.0.0.7 dev eth0", json!({ "broadcast": "10.0.0.7" })),
        (
            "10.0.0.1/24 dev eth1 label eth1:web",
            json!({ "interface": "eth1", "label": "eth1:web" }),
        ),
    ] {
        let mut expected = expected;
        expected["address"] = json!("10.0.0.1/24");
        let address = &instance(&format!("virtual_ipaddress {{\n{line}\n}}"))["addresses"][0];
        assert_eq!(*address, expected, "{line}");
    }
}

/// The addresses are on the interface with the virtual MAC address, which has another name here.
#[test]
fn the_label_of_an_address_begins_with_the_name_that_its_interface_has_here() {
    for (mac, label, is_kept) in [
        ("use_vmac vm0", "vm0:1", true),
        ("use_vmac", "vrrp4.51:1", true),
        ("use_vmac", "vrrp.51:1", false),
        ("use_vmac", "eth0:1", false),
    ] {
        let lines = format!("{mac}\nvirtual_ipaddress {{\n10.0.0.1/24 label {label}\n}}\n");
        assert_eq!(instance(&lines)["addresses"][0].is_object(), is_kept, "{mac} {label}");
    }
}

#[test]
fn an_interface_without_which_an_instance_is_in_fault_is_told() {
    let text = with_instance("virtual_ipaddress {\n10.0.0.1\n10.0.0.2 dev eth1\n}");

    assert!(
        remarks(&text).contains("dev: while that interface is down or missing, the instance is")
    );
}

#[test]
fn wrong_addresses_are_named_by_their_place() {
    for (line, expected) in [
        ("10.0.0.256", ":4:21: expected an address such as 192.168.56.100/24, got \"10.0.0.256\""),
        ("10.0.0.1/255.0.0.0", "expected a prefix length up to 32 behind the slash"),
        ("10.0.0.1 10.0.0.2", ":4:30: expected dev, brd, label or scope, got \"10.0.0.2\""),
        ("10.0.0.1 dev", ":4:30: expected a value behind dev"),
        ("fe80::1 brd +", "an IPv6 address has no broadcast address"),
        ("10.0.0.1/24 brd x", "expected a broadcast address, + or -, got \"x\""),
        ("10.0.0.1 peer 10.0.0.2", "peer: no counterpart"),
    ] {
        let said = refused(with_instance(&format!("virtual_ipaddress {{ {line} }}")));
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn an_address_of_the_other_family_is_left_out_as_keepalived_does() {
    let text = with_instance("virtual_ipaddress {\n10.0.0.1\n2001:db8::1\n}");

    assert_eq!(options(&text)["instances"][0]["addresses"], json!(["10.0.0.1/32"]));
    assert!(remarks(&text).starts_with("Warning :6:1: 2001:db8::1: keepalived ignores"));
}

#[test]
fn the_interval_is_rounded_as_keepalived_does() {
    for (lines, ms) in [
        ("advert_int 1", 1000),
        ("advert_int 0.3", 1000),
        ("advert_int 1.5", 2000),
        ("version 3\nadvert_int 0.1", 100),
        ("version 3\nadvert_int .015", 20),
        ("version 3\nadvert_int 40.95", 40950),
    ] {
        assert_eq!(instance(&format!("{lines}\n{VIP}"))["advert_interval_ms"], ms, "{lines}");
    }
    let said = remarks(&with_instance(&format!("advert_int 0.3\n{VIP}")));
    let expected = "Warning :4:12: advert_int: 1000 ms: keepalived rounds to whole seconds";
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn a_password_is_cut_where_keepalived_cuts_it() {
    let auth = |pass: &str, more: &str| {
        let lines =
            format!("authentication {{\nauth_type PASS\nauth_pass {pass}\n}}\n{more}\n{VIP}");
        instance(&lines)["auth"].clone()
    };

    assert_eq!(auth("1111", ""), json!({ "type": "simple", "secret": "1111" }));
    assert_eq!(auth("\"a long secret\"", ""), json!({ "type": "simple", "secret": "a long s" }));
    assert_eq!(auth("1111", "version 3"), Value::Null, "version 3 has none");
    assert_eq!(auth("1111", "strict_mode"), Value::Null, "strict mode has none");
    let ah = refused(with_instance("authentication {\nauth_type AH\nauth_pass x\n}"));
    assert!(ah.starts_with(":5:11: auth_type AH has no counterpart"), "{ah}");
}

#[test]
fn state_master_overrules_what_keepalived_overlooks_then() {
    let backup = instance(&format!("state BACKUP\nnopreempt\n{VIP}"));
    assert_eq!(backup["preempt"], false);
    let delayed = instance(&format!("preempt_delay 2.5\n{VIP}"));
    assert_eq!(delayed["preempt_delay_ms"], 2500);

    let master =
        instance(&format!("state MASTER\npriority 150\nnopreempt\npreempt_delay 5\n{VIP}"));
    assert_eq!((&master["preempt"], &master["preempt_delay_ms"]), (&Value::Null, &Value::Null));
    assert_eq!(master["priority"], 150);
    assert_eq!(instance(&format!("state MASTER\n{VIP}"))["priority"], 255);
}

#[test]
fn unicast_has_peers_and_a_source() {
    let lines = format!(
        "unicast_src_ip 10.0.0.8/24\nunicast_peer {{\n10.0.0.9/24\n10.0.0.10\n}}\n\
         unicast_ttl 64\ncheck_unicast_src\n{VIP}"
    );

    let instance = instance(&lines);

    assert_eq!(instance["source"], "10.0.0.8");
    assert_eq!(instance["peers"], json!(["10.0.0.9", "10.0.0.10"]));
    assert_eq!((&instance["hop_limit"], &instance["min_hop_limit"]), (&json!(64), &json!(1)));

    let ttls = "unicast_peer {\n10.0.0.9 min_ttl 254 max_ttl 255\n10.0.0.10 min_ttl 253\n}\n";
    assert_eq!(super::instance(&format!("{ttls}{VIP}"))["min_hop_limit"], 253);
    let any = ttls.replace("253", "0");
    assert_eq!(super::instance(&format!("{any}{VIP}"))["min_hop_limit"], 1);
}

#[test]
fn without_peers_there_is_multicast_and_a_word_about_it() {
    let text = with_instance(&format!("unicast_src_ip 10.0.0.8\nunicast_peer {{\n}}\n{VIP}"));

    let instance = &options(&text)["instances"][0];

    assert_eq!((&instance["peers"], &instance["source"]), (&Value::Null, &Value::Null));
    assert!(remarks(&text).contains("without unicast_peer this speaks multicast"));
    let nobody = remarks(&with_instance(&format!("unicast_peer {{\n# 10.0.0.9\n}}\n{VIP}")));
    assert!(nobody.contains("nobody is listed, and this speaks multicast"), "{nobody}");
    let fault = refused(text.replace("nicast_peer {\n}", "nicast_fault_no_peer"));
    assert!(fault.contains("expected a unicast_peer"), "{fault}");
}

#[test]
fn what_peers_would_not_understand_is_refused() {
    for (line, expected) in [
        ("mcast_dst_ip 224.0.0.99", "advertisements go to 224.0.0.18 alone"),
        ("auth_hmac {\nkey 1 x\n}", "set mode permissive on all of them first"),
        ("vrf blue", "name an interface of it, and remove this line"),
    ] {
        let said = refused(with_instance(line));
        assert!(said.starts_with(":4:1: ") && said.contains(expected), "{line}: {said}");
    }
    assert!(refused("net_namespace blue").contains("NetworkNamespacePath="));
    let trailer = instance(&format!("auth_hmac {{\nmode permissive\n}}\n{VIP}"));
    assert_eq!(trailer["trailing_octets"], "ignore");
}

#[test]
fn a_virtual_mac_may_have_a_name() {
    assert_eq!(instance(&format!("use_vmac\n{VIP}"))["virtual_mac"], true);
    assert_eq!(instance(&format!("use_vmac vrrp.51\n{VIP}"))["virtual_mac"], "vrrp.51");
    let given = with_instance(&format!("use_vmac name vrrp.51 02:00:5e:00:01:02\n{VIP}"));
    assert_eq!(options(&given)["instances"][0]["virtual_mac"], "vrrp.51");
    assert!(remarks(&given).contains("no counterpart for another MAC address"));
    let as_host = instance(&format!("use_vmac\nvmac_xmit_base\n{VIP}"));
    assert_eq!(as_host["advert_mac"], "interface");
    assert_eq!(instance(&format!("vmac_xmit_base\n{VIP}"))["advert_mac"], Value::Null);
}

#[test]
fn groups_name_their_members() {
    let text = "vrrp_sync_group G {\ngroup {\nVI_1\nVI_2 VI_3\n}\ntrack_interface {\neth9\n}\n}\n"
        .to_owned()
        + &with_instance(VIP);

    let options = options(&text);

    let expected = json!([{ "name": "G", "members": ["VI_1", "VI_2", "VI_3"] }]);
    assert_eq!(options["sync_groups"], expected);
    assert_eq!(options["instances"][0]["track"], json!([{ "interface": "eth9" }]));
}

#[test]
fn what_keepalived_answers_is_answered_and_what_it_drops_is_not() {
    for (priority, lines, accept) in [
        (100, "", Value::Null),
        (100, "accept", true.into()),
        (100, "no_accept", false.into()),
        (100, "no_accept\naccept", true.into()),
        (100, "version 3\nstrict_mode", false.into()),
        (100, "version 3\nstrict_mode\naccept", true.into()),
        (100, "version 2\nstrict_mode\naccept", false.into()),
        (255, "strict_mode", Value::Null),
        (255, "no_accept", false.into()),
    ] {
        let given = with_instance(&format!("priority {priority}\n{lines}\n{VIP}"));
        assert_eq!(options(&given)["instances"][0]["accept"], accept, "{priority} {lines}");
    }
    let strict = with_instance(&format!("version 3\nstrict_mode\n{VIP}"));
    assert!(remarks(&strict).contains("accept = false: in strict mode keepalived drops"));
}
