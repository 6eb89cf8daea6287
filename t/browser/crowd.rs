//! A node with a thousand instances.

use harness::{Lab, best_carrier};

use crate::axe::assert_accessible;
use crate::browser::Browser;
use crate::pair::{Node, conf};

#[test]
fn a_thousand_instances_are_summed_up_found_and_shown_as_needed() {
    let lab = Lab::new("a thousand instances");
    let client = lab.host("client", "192.168.56.10/24");
    let all: Vec<_> = (0..1000_u16).map(tenant).collect();
    let options = format!("{{ instances = {{ {} }} }}", all.join(", "));
    let links: Vec<_> = (0..4).map(|link| format!("192.168.{}.101/24", 56 + link)).collect();
    let node = Node::start_on(&lab, &links, &best_carrier(), &conf(&options, ""));
    let mut browser = Browser::start(&lab, &client);

    browser.open(&node.host);

    browser.wait_for_headline("worker-01 is active for all 1,000 instances");
    let rows = browser.eval("document.querySelectorAll('#list > li').length");
    assert!(rows.as_u64().is_some_and(|rows| (20..200).contains(&rows)), "{rows} rows");
    browser.eval("document.querySelector('#filters input').focus()");
    browser.write("tenant 777");
    browser.wait_for("it is found", "document.querySelectorAll('#list > li').length === 1");
    let found = browser.text("document.getElementById('list').innerText");
    assert!(found.contains("tenant 777") && found.contains("10.3.28.100"), "{found}");
    assert_eq!(browser.text("document.activeElement.type"), "search", "the focus stays");
    assert_accessible(&mut browser);
    browser.picture("thousand");

    browser.press("Tab");
    browser.press("Enter");
    browser.wait_for("it is opened", "document.querySelector('#list .line') !== null");
    let ago = "document.querySelector('#list .line time.ago').textContent";
    let before = browser.text(ago);
    browser.wait_for("time goes on", &format!("{ago} !== '{before}'"));
    assert_eq!(browser.text("document.activeElement.tagName"), "SUMMARY", "the focus stays");
    browser.assert_no_complaints();
    node.nginx.assert_no_complaints();
}

/// Returns one of a thousand virtual routers, in Lua.
fn tenant(number: u16) -> String {
    let (link, vrid) = (number / 250, number % 250 + 1);
    format!(
        "{{ name = 'tenant {number}', interface = 'eth{link}', vrid = {vrid}, priority = 200,
            addresses = {{ '10.{link}.{vrid}.100/32' }} }}"
    )
}
