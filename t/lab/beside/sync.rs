//! Two instances of a sync group, on an interface each.

use harness::{Carrier, Host, Keepalived, Lab, Nginx, Role, carriers, eventually};
use serde_json::Value;

use crate::router::PATIENCE;

#[test]
fn what_happens_to_one_member_of_a_sync_group_happens_to_both() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("sync group, {}", carrier.version));
        let (a, b) = two_hosts(&lab);
        let ours = start(&a, carrier, 150);
        let theirs = start(&b, carrier, 100);
        assert_active(&a, &b);

        // A link that is lost.
        a.ip("link set eth1 down");
        let [lan, wan] = wait_for(&a, ["fault", "fault"]);
        assert_active(&b, &a);
        assert_eq!((&lan["reason"], &wan["reason"]), (&"sync_group".into(), &"link_down".into()));
        assert_eq!((&lan["sync_group"], &wan["sync_group"]), (&"sides".into(), &"sides".into()));
        a.ip("link set eth1 up");
        assert_active(&a, &b);

        // A reload changes nothing; the next engine has the group, too.
        let before = instances(&a).expect("it answers").map(|it| it["transitions"].clone());
        ours.reload();
        assert_active(&a, &b);
        let after = instances(&a).expect("it answers").map(|it| it["transitions"].clone());
        assert_eq!(before, after);
        a.ip("link set eth0 down");
        assert_active(&b, &a);
        a.ip("link set eth0 up");
        assert_active(&a, &b);

        // Everything, at once.
        ours.kill9(Role::All);
        wait_for(&b, ["active", "active"]);
        ours.launch().expect("it starts again");
        assert_active(&a, &b);
        theirs.assert_no_complaints();
    }
}

/// keepalived has a group of the same members; each side leads in turn.
#[test]
fn a_sync_group_of_keepalived_and_ours_move_together() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("keepalived's sync group, {}", carrier.version));
        let (a, b) = two_hosts(&lab);
        let theirs = Keepalived::start_with(&b, &keepalived(100));
        let ours = start(&a, carrier, 150);
        assert_active(&a, &b);

        a.ip("link set eth1 down");
        wait_for(&a, ["fault", "fault"]);
        assert_active_alone(&b, &a);
        a.ip("link set eth1 up");
        assert_active(&a, &b);
        ours.kill9(Role::All);
        assert_active_alone(&b, &a);
        ours.launch().expect("it starts again");
        assert_active(&a, &b);
        drop(theirs);

        let mut theirs = Keepalived::start_with(&b, &keepalived(200));
        wait_for(&a, ["backup", "backup"]);
        assert_active_alone(&b, &a);
        b.ip("link set eth1 down");
        assert_active(&a, &b);
        b.ip("link set eth1 up");
        wait_for(&a, ["backup", "backup"]);
        assert_active_alone(&b, &a);
        theirs.stop();
        assert_active(&a, &b);
        ours.assert_no_complaints();
    }
}

/// Returns what keepalived is told of the same group.
fn keepalived(priority: u8) -> String {
    let member = |name: &str, place: u8| {
        format!(
            "vrrp_instance {name} {{
    interface eth{place}
    virtual_router_id 51
    priority {priority}
    version 3
    advert_int 0.1
    virtual_ipaddress {{
        10.77.{}.100/24
    }}
}}
",
            place + 1
        )
    };
    let group = "vrrp_sync_group sides {\n group {\n lan\n wan\n }\n}\n";
    format!("{group}{}{}", member("lan", 0), member("wan", 1))
}

/// Returns two hosts with two interfaces each.
pub(crate) fn two_hosts(lab: &Lab) -> (Host, Host) {
    let host = |last: u8, name: &str| {
        lab.host_on_links(name, &[1, 2].map(|net| format!("10.77.{net}.{last}/24")))
    };
    (host(101, "worker-01"), host(102, "worker-02"))
}

/// Waits until one host is active for both members, and alone has their addresses.
#[track_caller]
pub(crate) fn assert_active(active: &Host, other: &Host) {
    wait_for(active, ["active", "active"]);
    assert_active_alone(active, other);
}

/// Waits until one host alone has the addresses.
#[track_caller]
fn assert_active_alone(active: &Host, other: &Host) {
    for (host, has) in [(active, true), (other, false)] {
        eventually(&format!("addresses of {}", host.name()), PATIENCE, || {
            let all = host.ip("-4 -o address show");
            let held = ["10.77.1.100/24", "10.77.2.100/24"].map(|address| all.contains(address));
            if held == [has, has] { Ok(()) } else { Err(format!("{held:?}")) }
        });
    }
}

/// Waits until the members are in these states, and returns their status.
#[track_caller]
pub(crate) fn wait_for(host: &Host, states: [&str; 2]) -> [Value; 2] {
    eventually(&format!("{} is {states:?}", host.name()), PATIENCE, || {
        let both = instances(host)?;
        let is_so = both.iter().zip(states).all(|(it, state)| it["state"] == state);
        if is_so { Ok(both) } else { Err(format!("{both:?}")) }
    })
}

fn instances(host: &Host) -> Result<[Value; 2], String> {
    let answer = host.get("127.0.0.1:80", "/ha/status").map_err(|error| error.to_string())?;
    let status = answer.json();
    Ok([0, 1].map(|place| status["instances"][place].clone()))
}

pub(crate) fn start(host: &Host, carrier: &Carrier, priority: u8) -> Nginx {
    let member = |name: &str, place: u8| {
        format!(
            "{{ name = '{name}', interface = 'eth{place}', vrid = 51, priority = {priority},
               advert_interval_ms = 100, addresses = {{ '10.77.{}.100/24' }} }}",
            place + 1
        )
    };
    let conf = format!(
        "worker_processes 2;
events {{ worker_connections 1024; }}
http {{
    init_by_lua_block {{
        require('resty.vrrp').setup {{
            instances = {{ {}, {} }}, control = true,
            sync_groups = {{ {{ name = 'sides', members = {{ 'lan', 'wan' }} }} }},
        }}
    }}
    init_worker_by_lua_block {{ require('resty.vrrp').init_worker() }}
    server {{
        listen 80;
        add_header X-Served-By $hostname;
        location / {{ return 200 'page'; }}
        location /ha/ {{ content_by_lua_block {{ require('resty.vrrp').serve() }} }}
    }}
}}
",
        member("lan", 0),
        member("wan", 1)
    );
    Nginx::start(host, carrier, &conf)
}
