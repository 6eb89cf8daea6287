//! When the node does not answer, or not in the way that is best.

use crate::axe::assert_accessible;
use crate::pair::Pair;

#[test]
fn a_node_that_does_not_answer_is_lost_until_it_does() {
    let mut pair = Pair::start("lost and found", "");
    let Pair { one, browser, .. } = &mut pair;
    browser.open(&one.host);
    browser.wait_for_headline("worker-01 is active");

    one.host.cut();
    browser.wait_for("it is lost", "!document.getElementById('lost').hidden");
    let banner = "document.getElementById('lost').innerText";
    let first = browser.text(banner);
    assert!(first.contains("No answer from worker-01"), "{first}");
    assert_eq!(browser.text("document.title"), "no answer · worker-01");
    assert_eq!(
        browser.text("getComputedStyle(document.getElementById('hero')).filter"),
        "grayscale(1)"
    );
    browser.wait_for("its age grows", &format!("{banner} !== {}", serde_json::json!(first)));
    browser.picture("lost");

    one.host.heal();
    browser.wait_for("it is found", "document.getElementById('lost').hidden");
    browser.wait_for_headline("worker-01 is active");
    assert_accessible(browser);
    browser.assert_no_complaints();
}

#[test]
fn the_page_of_a_virtual_address_follows_it_to_another_node() {
    let mut pair = Pair::start("virtual address", "");
    let Pair { one, browser, .. } = &mut pair;
    browser.open_at("192.168.56.100");
    browser.wait_for_headline("worker-01 is active");

    one.host.exec("curl", &["-fsS", "-X", "POST", "http://127.0.0.1/ha/drain"]);

    browser.wait_for_headline("worker-02 is active");
    browser.wait_for("it is found", "document.getElementById('lost').hidden");
    browser.assert_no_complaints();
}

#[test]
fn a_reload_is_followed_without_a_word() {
    let mut pair = Pair::start("reload", "");
    let Pair { one, browser, .. } = &mut pair;
    browser.open(&one.host);
    browser.wait_for_headline("worker-01 is active");
    browser.eval(
        "new MutationObserver(() => { window.wasLost = true; })
            .observe(document.getElementById('lost'), { attributes: true })",
    );

    one.nginx.reload();

    browser.wait_for(
        "the new configuration is shown",
        "document.getElementById('facts').textContent.includes('number 2')",
    );
    assert_eq!(browser.eval("window.wasLost === true"), false);
    browser.assert_no_complaints();
}

#[test]
fn the_page_asks_again_and_again_where_events_are_refused() {
    let refuse = "location = /ha/events { return 503; }";
    let mut pair = Pair::start("polling", refuse);
    let Pair { one, two, browser, .. } = &mut pair;
    browser.open(&one.host);

    browser.wait_for_headline("worker-01 is active");
    browser.wait_for(
        "it says how",
        "document.getElementById('link').textContent === 'asking every 2 s'",
    );
    one.host.exec("curl", &["-fsS", "-X", "POST", "http://127.0.0.1/ha/drain"]);
    two.wait_for("active");
    browser.wait_for_headline("worker-01 is drained");
    browser.assert_no_complaints();
}
