//! No node serves as it is meant to: one of them is active all the same.

use std::time::Instant;

use harness::{Advert, eventually, holds_for};

use crate::beside::checks::{checking, turn_bad, turn_good};
use crate::pair::{INTERVAL, Node, PATIENCE, Pair, conf, on_every_pair_with, options_with};

#[test]
fn where_every_node_fails_one_is_active_at_priority_1_until_one_is_well() {
    every_node_fails("all fail", "");
}

/// Priority 1 is no reason to stay away: who advertises it does not serve.
#[test]
fn the_one_that_is_well_takes_over_even_if_it_does_not_preempt() {
    every_node_fails("all fail, no preempt", "preempt = false, ");
}

fn every_node_fails(name: &str, of_each_instance: &str) {
    on_every_pair_with(name, LAST_ONE_STANDING, |pair, _| {
        add_checks(pair, of_each_instance);
        turn_bad(&pair.one.nginx);
        pair.two.wait_for("active");
        turn_bad(&pair.two.nginx);
        let number = eventually("one is active at priority 1", PATIENCE, || who_stands(pair));
        let since = Instant::now();
        holds_for("it alone is", INTERVAL * 20, || {
            let now = who_stands(pair)?;
            if now == number { Ok(()) } else { Err(format!("{now} instead of {number}")) }
        });
        let (stands, other) = match number {
            1 => (&pair.one, &pair.two),
            _ => (&pair.two, &pair.one),
        };
        let adverts = pair.sniffer.adverts_since(since);
        let strange = adverts.iter().find(|it| it.source != stands.source() || it.priority != 1);
        assert_eq!(strange, None, "of {} advertisements", adverts.len());
        assert!(adverts.len() > 10, "{} advertisements", adverts.len());

        turn_good(&other.nginx);

        let recovered = other.wait_for("active")["instances"][0].clone();
        assert_eq!(recovered["effective_priority"], recovered["priority"]);
        let sent =
            |it: &Advert| it.source == other.source() && it.priority == recovered["priority"];
        pair.sniffer.wait_for_advert("it says so", since, PATIENCE, sent);
        stands.wait_for("fault");
        eventually("it alone has the address", PATIENCE, || {
            let owners = (other.has(), stands.has());
            if owners == (true, false) { Ok(()) } else { Err(format!("{owners:?}")) }
        });
    });
}

/// Gives both nodes a check that can be made to fail, and more options.
fn add_checks(pair: &Pair, of_each_instance: &str) {
    for (number, node) in [(1, &pair.one), (2, &pair.two)] {
        let options = options_with(number, LAST_ONE_STANDING);
        let named = format!("{of_each_instance}name = ");
        let conf = conf(&options.replacen("name = ", &named, 1));
        let checked = checking(&conf, "return nil, 'it is bad'", "{ interval_ms = 50 }");
        node.nginx.write("nginx.conf", &checked);
        node.nginx.reload();
        node.wait_for_generation(2);
    }
}

/// Returns which node is active at the lowest priority, if the other one is in fault.
fn who_stands(pair: &Pair) -> Result<u8, String> {
    let [one, two] = [&pair.one, &pair.two].map(seen);
    let (one, two) = (one?, two?);
    match ((one.0.as_str(), one.1, one.2), (two.0.as_str(), two.1, two.2)) {
        (("active", 1, true), ("fault", _, false)) => Ok(1),
        (("fault", _, false), ("active", 1, true)) => Ok(2),
        _ => Err(format!("{one:?}, {two:?}")),
    }
}

/// Returns the state of a node, its priority, and whether it has the address.
fn seen(node: &Node) -> Result<(String, u64, bool), String> {
    let instance = node.instance().map_err(|error| error.to_string())?;
    let state = instance["state"].as_str().unwrap_or_default().to_owned();
    let priority = instance["effective_priority"].as_u64().unwrap_or_default();
    Ok((state, priority, node.has()))
}

const LAST_ONE_STANDING: &str = "last_one_standing = true, ";
