//! Every option is documented, with the range that the code accepts and the default that it takes.

use std::collections::BTreeSet;
use std::fs;

use resty_vrrp::config::Config;
use serde_json::{Value, json};

use crate::markdown::{Document, spans, words};

const REFERENCE: &str = "lua/README.md";

/// Each table of options: its heading, and where it stands in a configuration.
const TABLES: [(&str, &str); 10] = [
    ("Options of a node", ""),
    ("sync_groups", "/sync_groups/0"),
    ("health", "/health"),
    ("health.probe", "/health/probe"),
    ("health.reach", "/health/reach/0"),
    ("announce", "/announce"),
    ("Options of an instance", "/instances/0"),
    ("addresses", "/instances/0/addresses/0"),
    ("auth", "/instances/0/auth"),
    ("track", "/instances/0/track/0"),
];

#[test]
fn every_option_is_documented_and_no_other() {
    let document = Document::read(REFERENCE);
    for (title, place) in TABLES {
        let refused = refused(&document, title);
        let documented = options(title).into_iter().map(|option| option.name).chain(refused);

        assert_eq!(documented.collect::<BTreeSet<_>>(), known(place), "{title}");
    }
}

#[test]
fn what_is_documented_as_refused_is_refused() {
    let document = Document::read(REFERENCE);
    for (title, place) in TABLES {
        for name in refused(&document, title) {
            assert!(accepted(place, &name, &json!([])).is_none(), "{title}: {name}");
        }
    }
}

#[test]
fn every_default_is_the_one_that_the_code_takes() {
    for (title, place) in TABLES {
        for Described { name, default, .. } in options(title) {
            let default = match default.trim_matches('`') {
                "–" | "none" | "host name" | "see meaning" => continue,
                "required" => {
                    assert!(accepted(place, &name, &Value::Null).is_none(), "{title}: {name}");
                    continue;
                }
                default => default,
            };
            // One that names another option has the value of that.
            let (base, value) = match serde_json::from_str::<Value>(default) {
                Ok(value) => (any_base(place), value),
                Err(_) => (with(any_base(place), place, default, &json!(777)), json!(777)),
            };
            let left_out = read(&with(base.clone(), place, &name, &Value::Null));
            let given = read(&with(base, place, &name, &value));

            assert!(left_out.is_some(), "{title}: {name}");
            assert!(given == left_out, "{title}: {name}: the default is not {default}");
        }
    }
}

#[test]
fn every_range_is_the_one_that_the_code_accepts() {
    for (title, place) in TABLES {
        for option in options(title) {
            let (allowed, refused) = option.samples();
            for value in allowed {
                let is_accepted = accepted(place, &option.name, &value).is_some();
                assert!(is_accepted, "{title}: {} = {}", option.name, short(&value));
            }
            for value in refused {
                let is_refused = accepted(place, &option.name, &value).is_none();
                assert!(is_refused, "{title}: {} = {}", option.name, short(&value));
            }
        }
    }
}

#[test]
fn every_option_of_a_check_is_documented_as_lua_reads_it() {
    let code = fs::read_to_string("lua/resty/vrrp/checks.lua").expect("checks are made there");
    let table = code.split("local OPTIONS = {\n").nth(1).and_then(|rest| rest.split("\n}").next());
    let read = table.expect("the options stand in a table").lines().map(|line| {
        let (name, numbers) = line.split_once('=').expect("an option has a range");
        let numbers = numbers.split(|c: char| !c.is_ascii_digit() && c != '-');
        let numbers: Vec<_> = numbers.filter(|number| !number.is_empty()).collect();
        (name.trim().to_owned(), numbers.join(" "))
    });

    let documented = options("Checks").into_iter().map(|option| {
        let (first, last) = option.numbers().expect("it is a range of numbers");
        let default = option.default.parse::<i64>().map(|number| format!(" {number}"));
        (option.name, format!("{first} {last}{}", default.unwrap_or_default()))
    });

    assert_eq!(documented.collect::<BTreeSet<_>>(), read.collect());
}

/// One row of a table of options.
struct Described {
    name: String,
    range: String,
    default: String,
}

impl Described {
    /// Returns the first and the last number of a range: `1 to 20`, or `0, or 1000 to 5000 ms`.
    fn numbers(&self) -> Option<(i64, i64)> {
        let numbers = self.range.split(", or ").last()?;
        let (first, rest) = numbers.split_once(" to ")?;
        Some((first.parse().ok()?, rest.split(' ').next()?.parse().ok()?))
    }

    /// Returns values that are allowed and values that are not.
    fn samples(&self) -> (Vec<Value>, Vec<Value>) {
        if let Some((first, last)) = self.numbers() {
            let make = |number: i64| self.value(number);
            let zero = self.range.starts_with("0, or ").then(|| make(0));
            let allowed = [make(first), make(last)].into_iter().chain(zero).collect();
            let refused = [first - 1, last + 1].into_iter();
            return (allowed, refused.filter(|it| self.can_be(*it)).map(make).collect());
        }
        let parse = |word: &String| serde_json::from_str::<Value>(word).expect("a value");
        let allowed: Vec<Value> = spans(&self.range).iter().map(parse).collect();
        let others = [json!(true), json!(false), json!("anything")];
        let refused = others.into_iter().filter(|it| !allowed.is_empty() && !allowed.contains(it));
        let refused = refused.collect();
        (allowed, refused)
    }

    /// Tells whether there is a value of that size.
    fn can_be(&self, number: i64) -> bool {
        number >= 0 || self.unit().is_none()
    }

    fn unit(&self) -> Option<&str> {
        let unit = self.range.rsplit(' ').next()?;
        ["bytes", "elements", "tables"].contains(&unit).then_some(unit)
    }

    /// Returns a number, or a text or a list of that length.
    fn value(&self, number: i64) -> Value {
        let length = usize::try_from(number).unwrap_or(0);
        let elements = (0..length).map(|index| match self.name.as_str() {
            "track" => json!({ "interface": format!("eth{index}") }),
            "reach" => json!({ "address": format!("192.0.2.{}", 100 + index) }),
            "peers" => json!(format!("10.1.{}.{}", index / 250, 1 + index % 250)),
            "instances" => json!({ "name": index.to_string(), "interface": format!("eth{index}"),
                "vrid": 1, "addresses": [address(index)] }),
            _ => json!(address(index)),
        });
        match self.unit() {
            None => json!(number),
            Some("bytes") if self.name == "run_dir" => json!("/".repeat(length)),
            Some("bytes") => json!("a".repeat(length)),
            Some(_) => elements.collect(),
        }
    }
}

fn address(index: usize) -> String {
    format!("10.0.{}.{}/8", index / 250, 1 + index % 250)
}

/// Returns the rows under a heading.
fn options(title: &str) -> Vec<Described> {
    let rows = Document::read(REFERENCE).rows(title);
    let options = rows.into_iter().map(|row| {
        let [name, range, default, _] = &row[..] else { panic!("{title}: {row:?}") };
        let name = name.trim_matches('`').to_owned();
        Described { name, range: range.clone(), default: default.clone() }
    });
    let options: Vec<_> = options.collect();
    assert!(!options.is_empty(), "{title}: the options are found");
    options
}

/// Returns the names that a line under a heading says are refused.
fn refused(document: &Document, title: &str) -> Vec<String> {
    let section = document.section(title);
    let own = section.lines().skip(1).take_while(|line| !line.starts_with('#'));
    let lines = own.filter(|line| line.contains("not available in this version"));
    lines.flat_map(spans).collect()
}

/// Returns the names that the code knows in a table: it lists them when it finds another one.
fn known(place: &str) -> BTreeSet<String> {
    let stranger = "q".repeat(30);
    let given = with(any_base(place), place, &stranger, &json!(1));
    let said = Config::from_json(&given.to_string()).expect_err("it is unknown").to_string();
    let list = said.split("known here: ").nth(1).and_then(|rest| rest.lines().next());
    words(list.expect("it lists what is known")).map(str::to_owned).collect()
}

/// Returns the configuration with an option, if a router of either version may have it.
fn accepted(place: &str, name: &str, value: &Value) -> Option<Config> {
    bases(place).find_map(|base| read(&with(base, place, name, value)))
}

fn read(given: &Value) -> Option<Config> {
    Config::from_json(&given.to_string()).ok()
}

fn with(mut given: Value, place: &str, name: &str, value: &Value) -> Value {
    given.pointer_mut(place).expect("the table is there")[name] = value.clone();
    given
}

fn any_base(place: &str) -> Value {
    bases(place).next().expect("a configuration has this table")
}

/// Returns configurations that have a table, of either version.
fn bases(place: &str) -> impl Iterator<Item = Value> {
    let all = [base(3), base(2), grouped()];
    all.into_iter().filter(move |base| base.pointer(place).is_some())
}

/// Returns a configuration that has every table; one of version 2 has authentication, too.
fn base(version: u8) -> Value {
    let mut base = json!({
        "health": { "probe": { "url": "http://127.0.0.1/" },
            "reach": [{ "address": "192.0.2.254", "name": "gateway" }] },
        "announce": {},
        "instances": [{ "name": "VI_1", "interface": "eth0", "vrid": 51, "version": version,
            "addresses": [{ "address": "192.0.2.1/24" }], "track": [{ "interface": "eth1" }],
            "peers": ["192.0.2.9"], "virtual_mac": true }],
    });
    if version == 2 {
        base["instances"][0]["auth"] = json!({ "type": "simple", "secret": "secret" });
    }
    base
}

/// Returns a configuration that has a sync group, whose members must be alike.
fn grouped() -> Value {
    let mut base = base(3);
    let other = json!({ "name": "VI_2", "interface": "eth0", "vrid": 52,
        "addresses": ["192.0.2.2/24"] });
    base["instances"].as_array_mut().expect("it is a list").push(other);
    base["sync_groups"] = json!([{ "name": "G1", "members": ["VI_1", "VI_2"] }]);
    base
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(60).collect()
}
