//! Chromium, driven over a pipe by its own protocol (Chrome `DevTools` Protocol).
//!
//! The protocol is JSON with a NUL after each message: no port in a network namespace, no driver
//! beside the browser, and it emulates phones, dark mode and reduced motion.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use harness::{Host, Lab, eventually};
use serde_json::{Value, json};

use crate::{PATIENCE, pictures};

/// A browser with one page. Dropping it ends it.
pub(crate) struct Browser {
    child: Child,
    orders: ChildStdin,
    messages: Receiver<Value>,
    session: Value,
    orders_sent: u64,
    complaints: VecDeque<String>,
}

/// How the page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    Light,
    Dark,
    Phone,
}

impl Browser {
    /// Starts a browser on a host.
    #[track_caller]
    pub(crate) fn start(lab: &Lab, host: &Host) -> Self {
        let program = find();
        let profile = lab.directory().join("chromium");
        let mut command = Command::new("sh");
        command.args(["-c", "exec 3<&0 4>&1 </dev/null >/dev/null 2>&1; exec \"$@\"", "sh"]);
        command.arg(program).args(FLAGS).arg(format!("--user-data-dir={}", profile.display()));
        command.arg("about:blank");
        command.env("HOME", lab.directory()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = host.enter(|| command.spawn()).expect("sh can be started");
        let orders = child.stdin.take().expect("it is a pipe");
        let mut output = BufReader::new(child.stdout.take().expect("it is a pipe"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 1) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let complaints = VecDeque::new();
        let session = Value::Null;
        let mut browser = Self { child, orders, messages, session, orders_sent: 0, complaints };
        browser.attach();
        browser.call("Emulation.setLocaleOverride", &json!({ "locale": "en-GB" }));
        browser.look(Look::Light);
        browser
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", &json!({}));
        let all = targets["targetInfos"].as_array().expect("a list");
        let page = all.iter().find(|it| it["type"] == "page").expect("there is one page");
        let order = json!({ "targetId": page["targetId"], "flatten": true });
        self.session = self.call("Target.attachToTarget", &order)["sessionId"].clone();
        for domain in ["Page", "Runtime", "Log"] {
            self.call(&format!("{domain}.enable"), &json!({}));
        }
    }

    /// Has the page looked at in another way.
    pub(crate) fn look(&mut self, look: Look) {
        let (width, height, phone) = match look {
            Look::Light | Look::Dark => (1280, 800, false),
            Look::Phone => (390, 844, true),
        };
        let size = json!({ "width": width, "height": height, "mobile": phone,
            "deviceScaleFactor": if phone { 2 } else { 1 } });
        self.call("Emulation.setDeviceMetricsOverride", &size);
        let scheme = if matches!(look, Look::Dark) { "dark" } else { "light" };
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Opens a page, and waits until it shows a node.
    #[track_caller]
    pub(crate) fn open(&mut self, host: &Host) {
        self.open_at(&host.address().to_string());
    }

    /// Opens the page of whoever has an address, and waits until it shows a node.
    #[track_caller]
    pub(crate) fn open_at(&mut self, address: &str) {
        let url = format!("http://{address}/ha/");
        self.call("Page.navigate", &json!({ "url": url }));
        self.wait_for("the page shows the node", "!document.getElementById('node').hidden");
    }

    /// Returns what an expression of JavaScript is in the page.
    #[track_caller]
    pub(crate) fn eval(&mut self, script: &str) -> Value {
        let order = json!({ "expression": script, "returnByValue": true, "awaitPromise": true });
        let answer = self.call("Runtime.evaluate", &order);
        assert!(answer["exceptionDetails"].is_null(), "{script:.300}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Returns an expression of JavaScript as text.
    #[track_caller]
    pub(crate) fn text(&mut self, script: &str) -> String {
        let value = self.eval(script);
        value.as_str().unwrap_or_else(|| panic!("{script}: no text, but {value}")).to_owned()
    }

    /// Waits until an expression of JavaScript is true.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, script: &str) {
        eventually(what, PATIENCE, || {
            let order = json!({ "expression": script, "returnByValue": true });
            let answer = self.call("Runtime.evaluate", &order);
            if answer["result"]["value"] == true {
                return Ok(());
            }
            thread::sleep(std::time::Duration::from_millis(50));
            let shown = json!({ "expression": "document.body.innerText", "returnByValue": true });
            Err(self.call("Runtime.evaluate", &shown)["result"]["value"].to_string())
        });
    }

    /// Waits until the first line is this.
    #[track_caller]
    pub(crate) fn wait_for_headline(&mut self, text: &str) {
        let script = format!("document.getElementById('headline').textContent === {}", json!(text));
        self.wait_for(&format!("the first line is {text:?}"), &script);
    }

    /// Presses a key: `Tab`, `Enter`, `Escape`.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            "Escape" => (27, ""),
            other => panic!("no such key here: {other}"),
        };
        for kind in ["keyDown", "keyUp"] {
            let mut order = json!({ "type": kind, "key": key, "code": key,
                "windowsVirtualKeyCode": code });
            if !text.is_empty() && kind == "keyDown" {
                order["text"] = json!(text);
            }
            self.call("Input.dispatchKeyEvent", &order);
        }
    }

    /// Types a text.
    pub(crate) fn write(&mut self, text: &str) {
        self.call("Input.insertText", &json!({ "text": text }));
    }

    /// Presses Tab until the focus is on an element, and returns the elements on the way.
    #[track_caller]
    pub(crate) fn tab_to(&mut self, id: &str) -> Vec<String> {
        let mut way = Vec::new();
        for _ in 0..40 {
            self.press("Tab");
            let at = "document.activeElement.id || document.activeElement.textContent.slice(0, 40)";
            way.push(self.text(at));
            if way.last().is_some_and(|last| last == id) {
                return way;
            }
        }
        panic!("Tab does not lead to {id}: {way:?}");
    }

    /// Takes a picture of what is seen.
    pub(crate) fn picture(&mut self, name: &str) {
        let order = json!({ "format": "webp", "quality": 88, "optimizeForSpeed": false });
        let data = self.call("Page.captureScreenshot", &order)["data"].clone();
        let path = pictures().join(format!("{name}.webp"));
        fs::create_dir_all(pictures()).expect("target is writable");
        fs::write(path, decode(data.as_str().expect("text"))).expect("target is writable");
    }

    /// Checks that the page has done nothing wrong so far: no exception, nothing that was refused.
    #[track_caller]
    pub(crate) fn assert_no_complaints(&mut self) {
        self.eval("0");
        assert!(self.complaints.is_empty(), "{:?}", self.complaints);
    }

    #[track_caller]
    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.orders_sent += 1;
        let id = self.orders_sent;
        let mut order = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_null() {
            order["sessionId"] = self.session.clone();
        }
        let sent = self.orders.write_all(format!("{order}\0").as_bytes());
        sent.unwrap_or_else(|error| panic!("the browser has ended: {error}"));
        loop {
            let Ok(message) = self.messages.recv_timeout(PATIENCE) else {
                panic!("the browser does not answer {method}")
            };
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let entry = &event["params"]["entry"];
        let is_bad = event["method"] == "Runtime.exceptionThrown"
            || event["method"] == "Log.entryAdded"
                && entry["level"] == "error"
                && entry["source"] != "network";
        if is_bad {
            self.complaints.push_back(event["params"].to_string());
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Returns the browser of this machine.
fn find() -> PathBuf {
    let path = std::env::var("PATH").unwrap_or_default();
    let places =
        NAMES.iter().flat_map(|name| path.split(':').map(move |it| Path::new(it).join(name)));
    let found = places.into_iter().find(|place| place.exists());
    found.unwrap_or_else(|| panic!("none of {NAMES:?} is installed: run t/install-packages"))
}

/// Decodes base64.
fn decode(text: &str) -> Vec<u8> {
    let digits = text.bytes().filter_map(|letter| match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    });
    let (mut octets, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in digits {
        (bits, count) = (bits << 6 | u32::from(digit), count + 6);
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count & 0xff) as u8);
        }
    }
    octets
}

const NAMES: &[&str] = &["chromium", "google-chrome", "chromium-browser"];

const FLAGS: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--lang=en-GB",
    "--remote-debugging-pipe",
];
