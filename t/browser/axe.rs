//! axe-core, which finds what keeps people from using a page.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::browser::{Browser, Look};

/// Checks that a page has no violation in light, in dark, and on a phone.
#[track_caller]
pub(crate) fn assert_accessible(browser: &mut Browser) {
    if browser.eval("window.axe === undefined") == true {
        browser.eval(&format!("{}; 0", program()));
    }
    for look in [Look::Phone, Look::Dark, Look::Light] {
        browser.look(look);
        let found = browser.eval(
            "axe.run().then((found) => found.violations.map((one) => one.id + ': ' + one.help
                + ' ' + one.nodes.map((node) => node.html + ' ' + node.failureSummary)))",
        );
        assert_eq!(found.as_array().map(Vec::len), Some(0), "{look:?}: {found:#}");
    }
}

/// Returns axe-core, which npm fetches once, in the version of the lock file.
fn program() -> &'static str {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let place = Path::new("target/browser");
        let file = place.join("node_modules/axe-core/axe.min.js");
        let is_there = fs::read("t/browser/package-lock.json").ok()
            == fs::read(place.join("package-lock.json")).ok();
        if !is_there || !file.exists() {
            fs::create_dir_all(place).expect("target is writable");
            for name in ["package.json", "package-lock.json"] {
                let copied = fs::copy(Path::new("t/browser").join(name), place.join(name));
                copied.expect("target is writable");
            }
            let mut npm = Command::new("npm");
            npm.args(["ci", "--ignore-scripts"]).current_dir(place);
            let out = npm.output().expect("npm is installed: run t/install-packages");
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success(), "npm cannot fetch axe-core: {said}");
        }
        fs::read_to_string(file).expect("npm has fetched it")
    })
}
