//! Files that nobody has written: whatever they are, they are refused or become options.

use std::path::Path;

use harness::Rng;
use resty_vrrp::keepalived::translate;

use crate::{Disk, samples};

const RUNS: u64 = 3000;
const FRAGMENTS: &[&str] = &[
    "{",
    "}",
    "\"",
    "\\\n",
    "$",
    "${",
    "=",
    "@worker-01 ",
    "@^",
    "~SEQ(",
    "#",
    "!",
    "\n",
    "\r\n",
    "\t",
    "include ",
    "include *\n",
    "$A=$A\n",
    "$A",
    "${_PWD}",
    "weight ",
    "-999999999999999999999",
    "0",
    "/",
    "vrrp_instance ",
    "virtual_ipaddress {\n",
    "10.0.0.1/24 ",
    "::/0",
    "dev ",
    "\u{fffd}",
    "é",
];

#[test]
fn damaged_files_are_refused_or_become_options() {
    let samples: Vec<_> = samples()
        .into_iter()
        .map(|path| (std::fs::read(&path).expect("it is readable"), path))
        .collect();
    let mut accepted = 0;
    for seed in 0..RUNS {
        let mut rng = Rng::seeded(seed);
        let (octets, path) = rng.pick(&samples);
        let octets = damaged(octets.clone(), &mut rng);

        accepted += u32::from(tried(path, octets));
    }
    assert!(accepted > 100, "{accepted} were still right");
}

#[test]
fn random_octets_are_refused() {
    for seed in 0..RUNS {
        let mut rng = Rng::seeded(seed);
        let length = rng.index(400);
        let is_text = rng.chance(50);
        let octets: Vec<u8> = (0..length)
            .flat_map(|_| {
                let fragment = rng.pick(FRAGMENTS).as_bytes();
                if is_text { fragment.to_vec() } else { vec![rng.octet()] }
            })
            .collect();

        tried(Path::new("t/keepalived/none.conf"), octets);
    }
}

fn damaged(mut octets: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    for _ in 0..=rng.index(4) {
        let at = rng.index(octets.len() + 1);
        let end = (at + rng.index(40)).min(octets.len());
        match rng.index(4) {
            0 => drop(octets.drain(at..end)),
            1 => drop(octets.splice(at..at, rng.pick(FRAGMENTS).bytes())),
            2 => {
                let copy = octets[at..end].to_vec();
                let to = rng.index(octets.len() + 1);
                drop(octets.splice(to..to, copy));
            }
            _ => octets.iter_mut().skip(at).take(1).for_each(|octet| *octet = rng.octet()),
        }
    }
    octets
}

/// Translates it, and shows what it became. Returns whether it was right.
fn tried(path: &Path, octets: Vec<u8>) -> bool {
    let files = Disk { other: Some((path.to_owned(), octets)) };
    match translate(path, "worker-01", &files) {
        Ok(translation) => {
            let lua = translation.to_lua();
            let opened = lua.matches('{').count();
            assert!(opened >= 2 && !translation.to_json().is_empty(), "{lua}");
            true
        }
        Err(complaints) => {
            assert!((1..=50).contains(&complaints.len()));
            assert!(complaints.iter().all(|it| it.to_string().len() < 1000), "{complaints:?}");
            false
        }
    }
}
