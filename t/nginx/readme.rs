//! What the README promises, and what is shipped to be copied.

use std::fs;
use std::iter;

use harness::{Lab, Nginx, Probe, carriers, conf, library};

use crate::pair::{ADDRESS, PATIENCE, SERVER};
use crate::{on_every_nginx, status_when};

#[test]
fn the_synopsis_works_when_pasted() {
    on_every_nginx("synopsis", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &first_block("nginx"));

        let status = status_when(host, "active");

        let shown = &status["instances"][0];
        assert_eq!(shown["addresses"][0]["address"], "192.168.56.100/24");
        assert_eq!(shown["active"]["address"], "192.168.56.101");
        assert!(host.has("192.168.56.100"));
        nginx.assert_no_complaints();
    });
}

#[test]
fn what_the_units_run_before_a_stop_gives_the_address_of_the_shipped_pair_away() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("units, {}", carrier.version));
        let hosts = [1, 2].map(|number| {
            lab.host(&format!("worker-0{number}"), &format!("192.168.56.10{number}/24"))
        });
        let client = lab.host("client", "192.168.56.10/24");
        let [one, _two] = [0, 1].map(|place| {
            let file = format!("two-nodes/{}.conf", hosts[place].name());
            // There is no application behind it: the proxy itself answers.
            let direct = conf(&file).replacen("proxy_pass http://app;", "return 200;", 1);
            Nginx::start(&hosts[place], carrier, &direct)
        });
        for unit in ["nginx", "openresty"] {
            let path = format!("systemd/{unit}.service.d/resty-vrrp.conf");
            let drains = |line: &str| Some(line.strip_prefix("ExecStop=-")?.to_owned());
            let mut commands = conf(&path).lines().filter_map(drains).collect::<Vec<_>>();
            commands.retain(|command| command.contains(DRAIN));
            let [command] = &commands[..] else { panic!("{path}: {commands:?}") };
            let pid = one.master().expect("it runs").to_string();
            let (_, arguments) = command.split_once(DRAIN).expect("it drains");
            let arguments = arguments.replace("$MAINPID", &pid);
            let words = arguments.split_ascii_whitespace();
            let words: Vec<_> = iter::once("drain").chain(words).collect();
            let program = library().with_file_name("resty-vrrp").display().to_string();
            status_when(&hosts[0], "active");
            let probe = Probe::start(&client, SERVER, "/");
            probe.wait_for("worker-01", PATIENCE);

            hosts[0].exec(&program, &words);

            assert!(!hosts[0].has(ADDRESS) && hosts[1].has(ADDRESS), "{unit}");
            probe.wait_for("worker-02", PATIENCE);
            let report = probe.finish();
            assert!(report.failures().is_empty(), "{unit}: {report}");
            hosts[0].exec(&program, &["undrain", "--pid", &pid]);
        }
    }
}

const DRAIN: &str = "/usr/local/sbin/resty-vrrp drain ";

/// Returns the first block of the README in a language.
fn first_block(language: &str) -> String {
    let readme = fs::read_to_string("README.md").expect("tests run where the README is");
    let begin = format!("\n```{language}\n");
    let (_, rest) = readme.split_once(&begin).expect("the README has such a block");
    rest.split_once("\n```").expect("the block ends").0.to_owned()
}
