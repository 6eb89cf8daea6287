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

#[test]
fn a_token_is_asked_for_once_and_stays_in_the_page() {
    let mut pair = Pair::start_with_token("a token", TOKEN);
    let Pair { one, two, browser, .. } = &mut pair;
    browser.open(&one.host);
    browser.wait_for_headline("worker-01 is active");

    browser.tab_to("switch");
    browser.press("Enter");
    browser.tab_to("ask-yes");
    browser.press("Enter");
    browser.wait_for("it is asked for", "document.activeElement.id === 'ask-token'");
    assert_accessible(browser);
    for (given, answer) in [("wrong-but-as-long-as-a-token", "That is not the token."), (TOKEN, "")]
    {
        browser.write(given);
        browser.press("Enter");
        let said = format!("document.getElementById('ask-failed').textContent === '{answer}'");
        browser.wait_for(
            "it is answered",
            &format!("{said} && !document.getElementById('ask-yes').disabled"),
        );
    }
    browser.wait_for_headline("worker-01 is drained");
    two.wait_for("active");

    browser.press("Enter");
    browser.tab_to("ask-yes");
    browser.press("Enter");
    browser.wait_for_headline("worker-01 is active");
    assert_eq!(browser.eval("localStorage.length + sessionStorage.length"), 0);
    assert_eq!(browser.text("document.cookie"), "");
}

const TOKEN: &str = "correct-horse-battery-staple";
