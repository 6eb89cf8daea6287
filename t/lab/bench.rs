//! The bench itself: what it measures is what happens, and it leaves nothing behind.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use harness::{
    Advert, Checksum, Keepalived, KeepalivedConfig, KeepalivedState, Lab, Nginx, Role, Signal,
    Sniffer, Traffic, carriers, wait_until,
};

pub(crate) const PAGE: &str = r#"
worker_processes 2;
events {}
http {
    server {
        listen 80;
        add_header X-Served-By $hostname;
        location / { return 200 "page\n"; }
    }
}
"#;

#[test]
fn hosts_have_names_and_addresses_of_their_own() {
    let lab = Lab::new("names");
    let a = lab.host("worker-01", "192.168.56.101/24");
    let b = lab.host("worker-02", "192.168.56.102/24");

    assert_eq!(a.exec("hostname", &[]).trim(), "worker-01");
    assert_eq!(b.exec("hostname", &[]).trim(), "worker-02");
    assert!(a.has("192.168.56.101") && !a.has("192.168.56.102"));
    assert_ne!(a.mac(), b.mac());

    let answer = a.get("192.168.56.102:80", "/").expect_err("nobody listens");
    assert_eq!(answer.kind(), ErrorKind::ConnectionRefused);
    assert!(a.neighbours().iter().any(|it| it.address == b.address() && it.mac.is_some()));
}

#[test]
fn every_nginx_of_this_machine_starts_reloads_and_quits_without_a_complaint() {
    let lab = Lab::new("carriers");
    let host = lab.host("worker-01", "192.168.56.101/24");

    for carrier in carriers() {
        let nginx = Nginx::start(&host, carrier, PAGE);
        let answer = host.get("127.0.0.1:80", "/").expect("nginx answers");
        assert_eq!((answer.status, answer.body.as_str()), (200, "page\n"));
        assert_eq!(answer.header("x-served-by"), Some("worker-01"));
        // The first worker may answer before the second one has been forked.
        wait_until("both workers run", PATIENCE, || nginx.pids(Role::Worker).len() == 2);

        nginx.reload();
        nginx.assert_no_complaints();
        nginx.write("nginx.conf", "events {} http { nonsense; }");
        let said = nginx.try_reload().expect_err("nonsense is refused");
        assert!(said.contains("unknown directive \"nonsense\""), "{said}");

        nginx.quit();
        assert_eq!(nginx.pids(Role::All), NOBODY);
    }
}

#[test]
fn a_start_that_fails_says_why() {
    let lab = Lab::new("refusal");
    let host = lab.host("worker-01", "192.168.56.101/24");

    for carrier in carriers() {
        let nginx = Nginx::prepare(&host, carrier, "events {} http { nonsense; }");
        let failure = nginx.launch().expect_err("nonsense is refused");
        assert!(failure.output.contains("unknown directive"), "{failure:?}");
        assert_eq!(nginx.pids(Role::All), NOBODY);
    }
}

#[test]
fn two_keepaliveds_elect_one_and_the_other_follows() {
    let lab = Lab::new("keepalived");
    let a = lab.host("worker-01", "192.168.56.101/24");
    let b = lab.host("worker-02", "192.168.56.102/24");
    let client = lab.host("client", "192.168.56.10/24");
    let sniffer = Sniffer::start(&client);
    let config = |priority| KeepalivedConfig {
        priority,
        advert_int: "0.1".to_owned(),
        ..KeepalivedConfig::default()
    };

    let mut first = Keepalived::start(&a, &config(200));
    let second = Keepalived::start(&b, &config(100));
    wait_until("the first is active", PATIENCE, || a.has("192.168.56.100"));
    let advert = sniffer.wait_for_advert("it says so", Instant::now(), PATIENCE, |_| true);
    assert_eq!((advert.version, advert.vrid, advert.priority, advert.ttl), (3, 51, 200, 255));
    assert_eq!(advert.interval, Duration::from_millis(100));
    assert_eq!(advert.checksum, Checksum::PseudoHeader);
    assert_eq!((advert.source.to_string(), advert.mac), ("192.168.56.101".to_owned(), a.mac()));

    let start = Instant::now();
    first.stop();
    sniffer.wait_for_advert("it resigns", start, PATIENCE, |it| it.priority == 0);
    let announced = sniffer.wait_for_announcement("192.168.56.100", start, PATIENCE);
    assert_eq!(announced.mac, b.mac());
    assert!(b.has("192.168.56.100") && !a.has("192.168.56.100"));
    assert_eq!(second.state(), Some(KeepalivedState::Master));
}

#[test]
fn traffic_can_be_dropped_in_one_direction() {
    let lab = Lab::new("one way");
    let a = lab.host("worker-01", "192.168.56.101/24");
    let client = lab.host("client", "192.168.56.10/24");
    let sniffer = Sniffer::start(&client);
    let config = KeepalivedConfig { advert_int: "0.1".to_owned(), ..KeepalivedConfig::default() };
    let keepalived = Keepalived::start(&a, &config);
    sniffer.wait_for_advert("it is heard", Instant::now(), PATIENCE, |_| true);

    a.drop_received(Traffic::All);
    sniffer.wait_for_advert("it is still heard", Instant::now(), PATIENCE, |_| true);
    a.heal();
    a.drop_sent(Traffic::Vrrp);
    let start = Instant::now();
    harness::holds_for("it is not heard", Duration::from_millis(500), || {
        let heard = sniffer.adverts_since(start + Duration::from_millis(20));
        if heard.is_empty() { Ok(()) } else { Err(format!("{heard:?}")) }
    });
    assert!(client.get("192.168.56.101:80", "/").is_err(), "only VRRP is dropped");
    a.heal();
    sniffer.wait_for_advert("it is heard again", Instant::now(), PATIENCE, |_| true);
    keepalived.signal(Signal::SIGTERM);
}

#[test]
fn two_hosts_can_be_parted_while_a_third_hears_both() {
    let lab = Lab::new("parted");
    let a = lab.host("worker-01", "192.168.56.101/24");
    let b = lab.host("worker-02", "192.168.56.102/24");
    let client = lab.host("client", "192.168.56.10/24");
    let _routers = [(&a, 51), (&b, 52)].map(|(host, vrid)| {
        let addresses = vec![format!("10.77.0.{vrid}/32")];
        let advert_int = "0.1".to_owned();
        let config = KeepalivedConfig { vrid, advert_int, addresses, ..Default::default() };
        Keepalived::start(host, &config)
    });
    let sniffers = [&a, &b, &client].map(Sniffer::start);
    let all_hear_both = || {
        for (sniffer, vrid) in sniffers.iter().flat_map(|it| [(it, 51), (it, 52)]) {
            let heard = |advert: &Advert| advert.vrid == vrid;
            sniffer.wait_for_advert("it is heard", Instant::now(), PATIENCE, heard);
        }
    };
    all_hear_both();

    a.part_from(&b);
    let parted = Instant::now() + Duration::from_millis(20);
    // By then each has advertised several times.
    let later = parted + Duration::from_millis(500);
    for vrid in [51, 52] {
        let heard = |advert: &Advert| advert.vrid == vrid;
        sniffers[2].wait_for_advert("the client hears it", later, PATIENCE, heard);
    }
    let heard = sniffers.each_ref().map(|sniffer| {
        let all = sniffer.adverts_since(parted);
        [51, 52].map(|vrid| all.iter().any(|advert| advert.vrid == vrid))
    });
    assert_eq!(heard, [[true, false], [false, true], [true, true]], "of a, b and the client");
    a.heal();
    all_hear_both();
}

#[test]
fn nothing_is_left_of_a_lab_that_has_gone() {
    let lab = Lab::new("leftovers");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let nginx = Nginx::start(&host, &carriers()[0], PAGE);
    let (directory, master) = (lab.directory(), nginx.master().expect("it runs"));

    drop(lab);

    assert!(!directory.exists());
    wait_until("the master is dead", PATIENCE, || !harness::is_alive(master));
    let namespaces = std::fs::read_dir("/run/netns").expect("it was used").flatten();
    let prefix = directory.file_name().expect("it has a name").to_owned();
    let prefix = prefix.to_string_lossy().into_owned() + "-";
    let left = namespaces.filter(|it| it.file_name().to_string_lossy().starts_with(&prefix));
    assert_eq!(left.count(), 0);
}

const PATIENCE: Duration = Duration::from_secs(10);
const NOBODY: [i32; 0] = [];
