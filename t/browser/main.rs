//! The page for people in a real browser, in front of real nginx.
//!
//! Takes root, Chromium, and npm, which fetches axe-core. Tests take pictures of what they see;
//! with `PICTURES=1` those of the README are renewed.
#![expect(clippy::disallowed_methods, reason = "a test reads clocks and starts processes")]

mod axe;
mod browser;
mod control;
mod crowd;
mod lost;
mod pair;
mod states;

use std::path::Path;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(20);

/// Where pictures are: those of the README if they are to be renewed.
fn pictures() -> &'static Path {
    let renew = std::env::var("PICTURES").is_ok_and(|it| it == "1");
    Path::new(if renew { "nginx-conf/pictures" } else { "target/pictures" })
}
