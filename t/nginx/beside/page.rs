//! The page for people as a server sends it. What it does in a browser is tested in `t/browser`.

use harness::Nginx;

use crate::{ONE, conf_with, get, on_every_nginx};

#[test]
fn the_page_runs_nothing_but_its_own_script_and_is_shown_in_no_other_page() {
    on_every_nginx("page", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));

        let answer = get(host, "/ha/");

        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let policy = answer.header("content-security-policy").expect("there is a policy");
        for rule in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"] {
            assert!(policy.contains(rule), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        let nonce = policy.split("script-src 'nonce-").nth(1).and_then(|it| it.split('\'').next());
        let nonce = nonce.expect("scripts have a number");
        assert_eq!(nonce.len(), 32);
        for tag in ["script", "style"] {
            let with_number = format!("<{tag} nonce=\"{nonce}\">");
            assert_eq!(answer.body.matches(&format!("<{tag}")).count(), 1);
            assert!(answer.body.contains(&with_number), "{tag}");
        }
        for part in ["src=", "@import", "url(", "href=\"http", "href=\"//"] {
            assert!(!answer.body.contains(part), "it loads something: {part}");
        }
        assert!(!get(host, "/ha/").body.contains(nonce), "each answer has a number of its own");
        nginx.assert_no_complaints();
    });
}
