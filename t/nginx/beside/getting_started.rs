//! The first ten minutes, as the README has them: its commands, on two fresh hosts, from the
//! package to the first failover.

use std::fs;
use std::path::Path;
use std::time::Instant;

use harness::{Carrier, CarrierKind, Host, Lab, carriers, wait_until};

use crate::beside::unit::Unit;
use crate::packages::{debs, have_own_files};
use crate::pair::{ADDRESS, PATIENCE};
use crate::status_when;

#[test]
fn the_commands_of_the_readme_lead_from_the_package_to_a_failover() {
    leads_to_a_failover("ten minutes", Variant { both_families: false, peers: false });
}

#[test]
fn its_variant_for_both_families_leads_to_a_failover_of_both() {
    leads_to_a_failover("both families", Variant { both_families: true, peers: false });
}

#[test]
fn its_variant_without_multicast_leads_to_a_failover() {
    leads_to_a_failover("unicast", Variant { both_families: false, peers: true });
}

#[test]
fn both_variants_together_lead_to_a_failover_of_both_families() {
    leads_to_a_failover("unicast of both", Variant { both_families: true, peers: true });
}

#[test]
fn each_node_of_an_active_active_pair_has_its_address_and_takes_over_the_other_one() {
    let has_both = |host: &Host| [ADDRESS, SECOND].map(|address| host.has(address));
    for carrier in carriers() {
        let hosts = hosts("active-active", carrier);
        let [one, two, _] = &*hosts;
        for host in [one, two] {
            install(host, carrier, |_| {
                let file = format!("/usr/share/resty-vrrp/active-active/{}.conf", host.name());
                host.exec("cat", &[&file])
            });
        }
        let each_serves = || has_both(one) == [true, false] && has_both(two) == [false, true];
        wait_until("each has its own", PATIENCE, each_serves);

        two.cut();
        wait_until("one has both", PATIENCE, || has_both(one) == [true, true]);
        two.heal();
        wait_until("each has its own again", PATIENCE, each_serves);

        one.exec("curl", &["-fsS", "-X", "POST", "http://127.0.0.1/ha/drain"]);
        assert_eq!([has_both(one), has_both(two)], [[false; 2], [true; 2]]);
    }
}

/// What of the README's variants is written into the configuration.
#[derive(Clone, Copy)]
struct Variant {
    both_families: bool,
    peers: bool,
}

impl Variant {
    /// Edits the configuration of a node whose peer is given, as the README says.
    fn edit(self, conf: &str, peer: &str) -> String {
        let block = blocks("lua").concat();
        let [addresses, peers] = block.lines().collect::<Vec<_>>()[..] else { panic!("{block}") };
        let usual = "addresses = { \"192.168.56.100/24\" },";
        let mut lines = usual.to_owned();
        let mut conf = conf.to_owned();
        if self.both_families {
            addresses.clone_into(&mut lines);
            conf = replaced(&conf, "listen 80;", "listen 80; listen [::]:80;");
        }
        if self.peers {
            let its_own = format!("peers = {{ \"{peer}\" }}");
            lines = format!("{lines}\n{}", replaced(peers, ONE_PEER, &its_own));
        }
        replaced(&conf, usual, &lines)
    }
}

/// Replaces the first of what must be there.
fn replaced(text: &str, what: &str, by: &str) -> String {
    assert!(text.contains(what), "{what} in {text}");
    text.replacen(what, by, 1)
}

/// Does what the README says, from the package to the first failover, for each nginx.
fn leads_to_a_failover(name: &str, variant: Variant) {
    debs();
    for carrier in carriers() {
        let hosts = hosts(name, carrier);
        let [one, two, client] = &*hosts;
        let first = Instant::now();
        for (host, peer) in [(one, "192.168.56.102"), (two, "192.168.56.101")] {
            install(host, carrier, |conf| variant.edit(conf, peer));
        }
        client.ip("address add 2001:db8::10/64 dev eth0 nodad");

        fails_over(one, two, client);

        println!("{name}, {}: first failover after {:.1?}", carrier.version, first.elapsed());
        if variant.both_families {
            wait_until("the other family moves as well", PATIENCE, || one.has("2001:db8::100"));
            client.exec("curl", &["-s", "-o", "/dev/null", "http://[2001:db8::100]/"]);
        }
    }
}

/// Two fresh hosts and a client, which keep the lab alive.
fn hosts(name: &str, carrier: &Carrier) -> Hosts {
    let lab = Lab::new(&format!("{name}, {}", carrier.version));
    let number = |name: &str, number| lab.host(name, &format!("192.168.56.{number}/24"));
    let all = [number("worker-01", 101), number("worker-02", 102), number("client", 10)];
    all[..2].iter().for_each(have_own_files);
    Hosts { all, _lab: lab }
}

/// Does what the README says for an nginx, after `edit` has changed the configuration.
fn install(host: &Host, carrier: &Carrier, edit: impl Fn(&str) -> String) {
    let blocks = blocks("");
    let block = &blocks[usize::from(carrier.kind == CarrierKind::Worker)];
    for command in commands(block) {
        let command = command.replace("worker-01", host.name());
        if let Some((_, unit)) = command.split_once("systemctl restart ") {
            start(host, unit);
        } else if command.starts_with("apt install ") {
            host.exec("dpkg", &["-i", &debs()[0]]);
        } else {
            host.exec("sh", &["-c", &command]);
        }
        if let Some(file) = command.strip_prefix("cp ").and_then(|it| it.split(' ').nth(1)) {
            let conf = edit(&host.exec("cat", &[file]));
            host.enter(|| fs::write(file, conf)).expect("it is of this host alone");
        }
    }
}

/// Does what systemd does.
fn start(host: &Host, unit: &str) {
    match unit {
        "nginx" => {
            let path = Path::new("/etc/systemd/system/nginx.service.d/resty-vrrp.conf");
            let text = host.enter(|| fs::read_to_string(path)).expect("it was installed");
            Unit::of(&text).start(host);
        }
        "openresty" => {
            host.exec("/usr/local/openresty/nginx/sbin/nginx", &[]);
        }
        _ => panic!("an unknown unit: {unit}"),
    }
}

/// Does what the README says for either nginx.
fn fails_over(one: &Host, two: &Host, client: &Host) {
    status_when(one, "active");
    status_when(two, "backup");
    let blocks = blocks("");
    let commands = commands(&blocks[2]);
    let [status, ask, drain, undrain] = &commands[..] else { panic!("{commands:?}") };
    let shown = one.exec("sh", &["-c", status]);
    let of_instance = shown.lines().find(|line| line.starts_with("VI_1")).unwrap_or_default();
    assert!(of_instance.contains("active"), "{shown}");
    client.exec("sh", &["-c", ask]);

    one.exec("sh", &["-c", drain]);

    assert!(two.has(ADDRESS) && !one.has(ADDRESS));
    status_when(two, "active");
    client.exec("sh", &["-c", ask]);
    one.exec("sh", &["-c", undrain]);
    wait_until("it takes the address back", PATIENCE, || one.has(ADDRESS) && !two.has(ADDRESS));
}

/// Returns the commands of a block, without `sudo`, comments, and what needs systemd.
fn commands(block: &str) -> Vec<String> {
    let lines = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let lines = lines.map(|line| line.split("    #").next().unwrap_or(line).trim());
    lines.map(|line| line.replace("sudo ", "").replace("systemctl daemon-reload && ", "")).collect()
}

/// Returns the blocks in a language of the section about the first ten minutes.
fn blocks(language: &str) -> Vec<String> {
    let readme = fs::read_to_string("README.md").expect("tests run where the README is");
    let (_, section) = readme.split_once("\n## First ten minutes\n").expect("there is one");
    let (section, _) = section.split_once("\n## ").expect("others follow");
    let blocks = section.split("\n```").skip(1).step_by(2);
    let of_language =
        |block: &str| Some(block.strip_prefix(language)?.strip_prefix('\n')?.to_owned());
    blocks.filter_map(of_language).collect()
}

/// The hosts of a lab, which ends with them.
struct Hosts {
    all: [Host; 3],
    _lab: Lab,
}

impl std::ops::Deref for Hosts {
    type Target = [Host; 3];

    fn deref(&self) -> &[Host; 3] {
        &self.all
    }
}

const SECOND: &str = "192.168.56.110";
const ONE_PEER: &str = "peers = { \"192.168.56.102\" }";
