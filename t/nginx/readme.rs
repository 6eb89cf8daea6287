//! What the README promises.

use std::fs;

use harness::Nginx;

use crate::{on_every_nginx, status_when};

#[test]
fn the_synopsis_works_when_pasted() {
    on_every_nginx("synopsis", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &first_block("nginx"));

        let status = status_when(host, "active");

        let shown = &status["instances"][0];
        assert_eq!(shown["addresses"][0]["address"], "192.168.56.100/24");
        assert_eq!(shown["active"]["address"], "192.168.56.101");
        assert!(host.has("192.168.56.100"));
        nginx.assert_no_complaints();
    });
}

/// Returns the first block of the README in a language.
fn first_block(language: &str) -> String {
    let readme = fs::read_to_string("README.md").expect("tests run where the README is");
    let begin = format!("\n```{language}\n");
    let (_, rest) = readme.split_once(&begin).expect("the README has such a block");
    rest.split_once("\n```").expect("the block ends").0.to_owned()
}
