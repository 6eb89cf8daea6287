//! Addresses on another interface than that of their instance, and with labels.

use harness::{
    Carrier, Host, Keepalived, KeepalivedState, Lab, Nginx, carriers, eventually, wait_until,
};
use serde_json::json;

use crate::alone::killed::kill_all_of;
use crate::guard::guard_knows;
use crate::pair::conf;
use crate::{PATIENCE, get, instance_when, logs, lua, status_when};

#[test]
fn an_address_on_another_interface_moves_with_the_others_by_a_drain_and_by_a_kill() {
    on_two_segments("places", |lab, carrier| {
        let [one, two] = [1, 2].map(|number| host(lab, number));
        let client = lab.host_on_links("client", &["192.168.56.10/24", "192.168.57.10/24"]);
        let first = Nginx::start(&one, carrier, &conf(&options(150, BOTH)));
        status_when(&one, "active");
        let _second = Nginx::start(&two, carrier, &conf(&options(100, BOTH)));
        status_when(&two, "backup");
        served_by(&client, "worker-01");
        let shown = get(&one, "/ha/status").json()["instances"][0]["addresses"][1].clone();
        let expected = json!({ "interface": "eth1", "address": "192.168.57.100/24",
            "label": "eth1:web", "assigned": true, "lost": 0, "contested": false });
        assert_eq!(shown, expected);
        for (request, node) in [("drain", "worker-02"), ("undrain", "worker-01")] {
            assert_eq!(lua(&one, &format!("return vrrp.{request}()")), "true");
            served_by(&client, node);
        }
        wait_until("the guard knows", PATIENCE, || guard_knows(&one));

        kill_all_of(&first);

        wait_until("the guard removes both", PATIENCE, || places(&one).is_empty());
        status_when(&two, "active");
        served_by(&client, "worker-02");
        assert_eq!(places(&two), ["eth0 192.168.56.100/24", "eth1:web 192.168.57.100/24"]);
    });
}

#[test]
fn a_reload_moves_an_address_to_another_interface_and_gives_it_another_label() {
    on_two_segments("places reload", |lab, carrier| {
        let host = host(lab, 1);
        let nginx = Nginx::start(&host, carrier, &conf(&options(150, BOTH)));
        let before = status_when(&host, "active")["instances"][0]["transitions"].clone();
        let address = "address = '192.168.57.100/24'";
        for (said, place) in [
            (format!("{{ {address}, interface = 'eth1' }}"), "eth1"),
            (format!("{{ {address}, interface = 'eth1', label = 'eth1:a' }}"), "eth1:a"),
            (format!("{{ {address}, label = 'eth0:b' }}"), "eth0:b"),
            (format!("{{ {address}, label = 'eth0:b', broadcast = '-' }}"), "eth0:b"),
            ("'192.168.57.100/24'".to_owned(), "eth0"),
            (format!("{{ {address}, interface = 'eth1' }}"), "eth1"),
        ] {
            let all = format!("'192.168.56.100/24', {said}");
            nginx.write("nginx.conf", &conf(&options(150, &all)));
            nginx.reload();

            let mut expected =
                ["eth0 192.168.56.100/24".to_owned(), format!("{place} 192.168.57.100/24")];
            expected.sort();
            eventually(&format!("it is on {place}"), PATIENCE, || {
                let places = places(&host);
                if places == expected { Ok(()) } else { Err(format!("{places:?}")) }
            });
        }
        let after = instance_when(&host, |one| one["addresses"][1]["interface"] == "eth1");
        assert_eq!((&after["transitions"], &after["addresses"][1]["lost"]), (&before, &json!(0)));
        nginx.quit();
        assert!(places(&host).is_empty());
        nginx.assert_no_complaints();
    });
}

#[test]
fn without_the_interface_of_an_address_an_instance_is_in_fault_unless_it_has_a_weight() {
    on_two_segments("places down", |lab, carrier| {
        let host = host(lab, 1);
        let nginx = Nginx::start(&host, carrier, &conf(&options(150, BOTH)));
        status_when(&host, "active");

        host.ip("link set eth1 down");
        let status = status_when(&host, "fault");
        assert_eq!(status["instances"][0]["reason"], "tracked_link_down");
        host.ip("link delete eth1");
        let with_weight = options(150, BOTH)
            .replace("vrid =", "track = { { interface = 'eth1', weight = -50 } }, vrid =");
        nginx.write("nginx.conf", &conf(&with_weight));
        nginx.reload();

        let one = instance_when(&host, |one| one["state"] == "active");
        assert_eq!(one["effective_priority"], 100);
        assert_eq!(places(&host), ["eth0 192.168.56.100/24"]);
        assert_eq!(one["addresses"][1]["assigned"], false);
        host.ip("link add eth1 type veth peer name other");
        host.ip("link set other up");
        host.ip("link set eth1 up");
        let all = ["eth0 192.168.56.100/24", "eth1:web 192.168.57.100/24"];
        wait_until("it gets the address", PATIENCE, || places(&host) == all);
        logs(&nginx, "interface eth1");
    });
}

#[test]
fn keepalived_takes_over_from_the_same_file_with_an_address_on_another_interface() {
    on_two_segments("places keepalived", |lab, carrier| {
        let [one, two] = [1, 2].map(|number| host(lab, number));
        let file = |priority: u8| {
            format!(
                "vrrp_instance VI_1 {{\n interface eth0\n virtual_router_id 51\n \
                 priority {priority}\n virtual_ipaddress {{\n 192.168.56.100/24\n \
                 192.168.57.100/24 dev eth1 label eth1:web\n }}\n}}\n"
            )
        };
        let nginx = Nginx::prepare(&one, carrier, &conf("'conf/keepalived.conf'"));
        nginx.write("keepalived.conf", &file(150));
        nginx.launch().expect("it starts");
        status_when(&one, "active");
        let keepalived = Keepalived::start_with(&two, &file(100));
        let all = ["eth0 192.168.56.100/24", "eth1:web 192.168.57.100/24"];
        assert_eq!(places(&one), all);

        nginx.quit();

        wait_until("keepalived takes over", PATIENCE, || {
            keepalived.state() == Some(KeepalivedState::Master)
        });
        wait_until("it has both", PATIENCE, || places(&two) == all);
        assert!(places(&one).is_empty());
    });
}

/// The address on the other interface has the hardware address of that.
#[test]
fn with_virtual_mac_an_address_on_another_interface_is_beside_the_macvlan_and_goes_with_it() {
    on_two_segments("places mac", |lab, carrier| {
        let host = host(lab, 1);
        let client = lab.host_on_links("client", &["192.168.56.10/24", "192.168.57.10/24"]);
        let options = options(150, BOTH).replace("vrid =", "virtual_mac = true, vrid =");
        let nginx = Nginx::start(&host, carrier, &conf(&options));
        status_when(&host, "active");
        served_by(&client, "worker-01");
        assert_eq!(places(&host), ["eth1:web 192.168.57.100/24", "vrrp4.51 192.168.56.100/24"]);
        let macs = [("56", "00:00:5e:00:01:33"), ("57", host.exec("cat", &[MAC_OF_ETH1]).trim())]
            .map(|(segment, mac)| (format!("192.168.{segment}.100"), mac.to_owned()));
        for (address, mac) in macs {
            let known = client.ip(&format!("neighbour show {address}"));
            assert!(known.contains(&mac), "{known}");
        }
        wait_until("the guard knows", PATIENCE, || guard_knows(&host));

        kill_all_of(&nginx);

        wait_until("the guard removes both", PATIENCE, || places(&host).is_empty());
        wait_until("and the macvlan", PATIENCE, || !host.ip("link show").contains("vrrp4.51"));
    });
}

#[test]
fn with_accept_false_nobody_is_answered_on_another_interface() {
    on_two_segments("places accept", |lab, carrier| {
        let host = host(lab, 1);
        let client = lab.host_on_links("client", &["192.168.56.10/24", "192.168.57.10/24"]);
        let options = options(150, BOTH).replace("vrid =", "accept = false, vrid =");
        let _nginx = Nginx::start(&host, carrier, &conf(&options));
        instance_when(&host, |one| one["addresses"][1]["assigned"] == true);

        let own = client.get("192.168.57.101:80", "/").expect("that is answered");
        assert_eq!(own.body.trim(), "worker-01");
        client.get("192.168.57.100:80", "/").expect_err("nobody answers");
    });
}

#[test]
fn an_address_of_ipv6_on_another_interface_moves_with_one_of_ipv4() {
    on_two_segments("places ipv6", |lab, carrier| {
        let [one, two] = [1, 2].map(|number| host(lab, number));
        let all = "'192.168.56.100/24', { address = '2001:db8:57::100/64', interface = 'eth1' }";
        let first = Nginx::start(&one, carrier, &conf(&options(150, all)));
        status_when(&one, "active");
        let _second = Nginx::start(&two, carrier, &conf(&options(100, all)));
        status_when(&two, "backup");
        let on_eth1 = |host: &Host| host.ip("-6 -o address show dev eth1");
        wait_until("it is there", PATIENCE, || on_eth1(&one).contains("2001:db8:57::100/64"));

        first.quit();

        wait_until("it is here", PATIENCE, || on_eth1(&two).contains("2001:db8:57::100/64"));
        assert!(!on_eth1(&one).contains("2001:db8:57::100"));
    });
}

fn on_two_segments(name: &str, test: impl Fn(&Lab, &Carrier)) {
    for carrier in carriers() {
        test(&Lab::new(&format!("{name}, {}", carrier.version)), carrier);
    }
}

fn host(lab: &Lab, number: u8) -> Host {
    let addresses = [56, 57].map(|segment| format!("192.168.{segment}.10{number}/24"));
    lab.host_on_links(&format!("worker-0{number}"), &addresses)
}

fn options(priority: u8, addresses: &str) -> String {
    format!(
        "{{ instances = {{ {{ name = 'VI_1', interface = 'eth0', vrid = 51, priority = {priority}, \
         addresses = {{ {addresses} }}, advert_interval_ms = 100 }} }}, \
         health = {{ worker_timeout_ms = 400 }} }}"
    )
}

#[track_caller]
fn served_by(client: &Host, node: &str) {
    for server in ["192.168.56.100:80", "192.168.57.100:80"] {
        eventually(&format!("{server} is {node}"), PATIENCE, || {
            let answer = client.get(server, "/").map_err(|error| error.to_string())?.body;
            if answer.trim() == node { Ok(()) } else { Err(answer) }
        });
    }
}

/// Returns the virtual addresses of a host, each behind its label.
fn places(host: &Host) -> Vec<String> {
    let all = host.ip("-4 -o address show");
    let virtual_ones = all.lines().filter(|line| line.contains(".100/"));
    let mut places: Vec<_> = virtual_ones
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let end = words.iter().position(|word| word.starts_with("valid_lft"));
            let label = words[end.unwrap_or(words.len()) - 1].trim_end_matches('\\');
            format!("{label} {}", words[3])
        })
        .collect();
    places.sort();
    places
}

const MAC_OF_ETH1: &str = "/sys/class/net/eth1/address";
const BOTH: &str = "'192.168.56.100/24', \
    { address = '192.168.57.100/24', interface = 'eth1', label = 'eth1:web' }";
