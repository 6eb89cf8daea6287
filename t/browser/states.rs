//! What the page says of a node in each state.

use std::fs;

use harness::{Role, Signal};

use crate::axe::assert_accessible;
use crate::browser::Look;
use crate::pair::{Pair, conf, instance};

#[test]
fn the_first_line_says_who_is_active_since_when_and_why() {
    let mut pair = Pair::start("who is active", "");
    let Pair { one, two, browser, .. } = &mut pair;

    browser.open(&one.host);
    browser.wait_for_headline("worker-01 is active");
    let why = browser.text("document.getElementById('why').textContent");
    assert!(why.contains("For ") && why.contains("no other active router was heard"), "{why}");
    assert!(browser.text("document.title").starts_with("active · worker-01"));
    let time = "document.querySelector('#why time.ago').title";
    assert!(browser.text(time).contains("(UTC 20"), "a time says it in UTC, too");
    browser.picture("active");
    assert_accessible(browser);

    browser.open(&two.host);
    browser.wait_for_headline("worker-02 is backup; 192.168.56.101 is active");
    let link = "document.querySelector('#others-list a').href";
    assert_eq!(browser.text(link), "http://192.168.56.101/ha/");
    assert_accessible(browser);
    browser.look(Look::Phone);
    let width = "document.documentElement.scrollWidth <= innerWidth";
    assert_eq!(browser.eval(width), true, "a phone need not scroll sideways");
    browser.picture("backup-phone");
    browser.look(Look::Dark);
    browser.picture("backup-dark");
    browser.assert_no_complaints();
    one.nginx.assert_no_complaints();
}

#[test]
fn a_fault_says_what_is_wrong_what_to_do_and_who_serves() {
    let mut pair = Pair::start("a fault", "");
    let Pair { one, browser, .. } = &mut pair;
    browser.open(&one.host);
    browser.wait_for_headline("worker-01 is active");

    fs::write(one.nginx.prefix().join("broken"), "").expect("the prefix is writable");

    browser.wait_for_headline("FAULT on worker-01: nginx does not serve");
    browser.wait_for(
        "the other node is heard",
        "document.getElementById('why').textContent.includes('Another router is active.')",
    );
    let problem = browser.text("document.getElementById('problem-list').innerText");
    assert!(problem.contains("connection refused") && problem.contains("Mend"), "{problem}");
    let news = browser.text("document.getElementById('news').textContent");
    assert!(news.contains("FAULT"), "it is read out: {news}");
    browser.picture("fault");
    assert_accessible(browser);

    fs::remove_file(one.nginx.prefix().join("broken")).expect("it is there");
    browser.wait_for_headline("worker-01 is active");
    browser.assert_no_complaints();
}

#[test]
fn an_engine_that_hangs_is_shown_by_the_workers() {
    let mut pair = Pair::start("an engine that hangs", "");
    let Pair { one, browser, .. } = &mut pair;
    browser.open(&one.host);

    one.nginx.signal(Role::Carrier, Signal::SIGSTOP);

    // Where a worker carries the engine, it may have sent the page: that asks another one then.
    browser.wait_for_headline("FAULT: the engine of worker-01 does not run");
    assert_eq!(browser.eval("document.getElementById('switch').hidden"), true);
    assert_accessible(browser);
    one.nginx.signal(Role::Carrier, Signal::SIGCONT);
    browser.wait_for_headline("worker-01 is active");
}

#[test]
fn an_address_on_another_interface_is_shown_with_that_and_with_its_label() {
    let mut pair = Pair::start("an address elsewhere", "");
    let Pair { one, browser, .. } = &mut pair;
    let elsewhere = "{ address = '192.168.57.100/24', interface = 'lo', label = 'lo:web' }";
    let all = format!("192.168.56.100/24', {elsewhere}, '192.168.56.110/24");
    let options = format!("{{ instances = {{ {} }} }}", instance("VI_1", 150, &all));
    one.nginx.write("nginx.conf", &conf(&options, ""));
    one.nginx.reload();

    browser.open(&one.host);

    let shown =
        "[...document.querySelectorAll('#list ul.marked')].map((it) => it.innerText).join()";
    browser.wait_for("it is there", &format!("{shown}.includes('on this node, lo')"));
    let shown = browser.text(shown);
    assert!(shown.contains("label lo:web"), "{shown}");
    assert_eq!(
        shown.matches("on this node, ").count(),
        1,
        "of the others nothing is said: {shown}"
    );
    assert_accessible(browser);
}

#[test]
fn names_are_shown_as_text_whatever_they_are() {
    let name = "\"it's\" <script>document.title='owned'</script> \u{202e}\u{5d0}\u{5d1}&lt;";
    let node = "<img src=x onerror=document.title='owned'>";
    let mut pair = Pair::start_named("names", name, node);
    let Pair { one, browser, .. } = &mut pair;

    browser.open(&one.host);

    browser.wait_for_headline(&format!("{node} is active"));
    assert_eq!(browser.text("document.querySelector('#list h3 bdi').textContent"), name);
    assert_eq!(browser.eval("document.scripts.length"), 1);
    assert_eq!(browser.eval("document.images.length"), 0);
    assert_eq!(browser.text("document.title"), format!("active · {node}"));
    browser.assert_no_complaints();
}
