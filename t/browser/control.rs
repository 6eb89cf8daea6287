//! Drain and undrain on the page, by keyboard.

use crate::axe::assert_accessible;
use crate::pair::Pair;

#[test]
fn a_node_is_drained_and_undrained_by_keyboard() {
    let mut pair = Pair::start("drain by keyboard", "");
    let Pair { one, two, browser, .. } = &mut pair;
    browser.open(&one.host);
    browser.wait_for_headline("worker-01 is active");

    let way = browser.tab_to("switch");
    assert_eq!(way, ["Skip to the instances", "switch"], "nothing is in between");
    browser.press("Enter");
    browser.wait_for("it is asked", "document.getElementById('ask').open");
    let asked = browser.text("document.getElementById('ask').innerText");
    assert!(asked.contains("Drain worker-01?") && asked.contains("another node"), "{asked}");
    assert_eq!(browser.text("document.activeElement.id"), "ask-cancel", "Enter does no harm");
    assert_accessible(browser);
    browser.press("Escape");
    browser.wait_for("it is not done", "!document.getElementById('ask').open");
    assert_eq!(browser.text("document.activeElement.id"), "switch", "the focus comes back");

    browser.press("Enter");
    browser.wait_for("it is asked", "document.getElementById('ask').open");
    browser.tab_to("ask-yes");
    browser.press("Enter");
    browser.wait_for_headline("worker-01 is drained");
    two.wait_for("active");
    browser.wait_for("the question goes", "!document.getElementById('ask').open");
    browser.wait_for("the focus stays", "document.activeElement.id === 'switch'");
    browser.picture("drained");
    assert_accessible(browser);

    browser.press("Enter");
    browser.wait_for("it is asked", "document.getElementById('ask').open");
    browser.tab_to("ask-yes");
    browser.press("Enter");
    browser.wait_for_headline("worker-01 is active");
    browser.wait_for("the focus stays", "document.activeElement.id === 'switch'");
    browser.assert_no_complaints();
    one.nginx.assert_no_complaints();
}
