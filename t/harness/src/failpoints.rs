//! An engine that fails when it is told to.
//!
//! The native library has failpoints if it is built with the feature of that name, which takes a
//! build of its own: `make test` has Cargo make it before all tests, and the first
//! [`Lab::fallible`] if that was not done. Everything else runs as users get it.
//!
//! Where it can fail, `src` says `failpoint("vrrp")` and the like. Such a point reads what it is to
//! do from a file of its name, every time it is passed. The file lies in a directory that belongs
//! to one configuration of one nginx, so a test breaks and mends what runs, and of two engines
//! that hand over it breaks the one it means.
//!
//! [`Lab::fallible`]: crate::Lab::fallible

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::carrier::build;

/// Where an engine can be made to fail: a directory with a file for each point that is armed.
#[derive(Clone, Debug)]
pub struct Failpoints {
    directory: PathBuf,
}

impl Failpoints {
    /// Has a point fail every time from now on.
    ///
    /// The action is `panic`; `return(why)`, an error; `sleep(500)`, milliseconds; or `abort`, the
    /// end of the process.
    #[track_caller]
    pub fn arm(&self, point: &str, actions: &str) {
        // Renamed, so that it is never read before it is written.
        let fresh = self.directory.join(".fresh");
        fs::write(&fresh, actions).expect("the prefix is writable");
        fs::rename(fresh, self.directory.join(point)).expect("the prefix is writable");
    }

    /// Has a point fail no more.
    #[track_caller]
    pub fn disarm(&self, point: &str) {
        fs::remove_file(self.directory.join(point)).expect("it was armed");
    }

    /// Makes those of a new configuration.
    pub(crate) fn new_in(prefix: &Path) -> Self {
        let directory = places(prefix).find(|place| !place.exists()).expect("one is free");
        fs::create_dir(&directory).expect("the prefix is writable");
        Self { directory }
    }

    /// Returns those of the configuration that was written last.
    pub(crate) fn last_in(prefix: &Path) -> Self {
        let directory = places(prefix).take_while(|place| place.exists()).last();
        Self { directory: directory.expect("a configuration was written") }
    }

    /// Returns what tells the engine in nginx's configuration.
    pub(crate) fn directive(&self) -> String {
        format!("env RESTY_VRRP_FAILPOINTS={};\n", self.directory.display())
    }
}

/// Returns the native library with failpoints; the first caller waits until it is built.
pub(crate) fn fallible_library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let build = || {
        eprintln!("building the library with failpoints");
        let what =
            ["--package", "resty-vrrp-core", "--features", "failpoints", "--example", "fallible"];
        build(&what).join("examples/libfallible.so")
    };
    BUILT.get_or_init(build).clone()
}

fn places(prefix: &Path) -> impl Iterator<Item = PathBuf> {
    (1..10_000).map(|number| prefix.join(format!("failpoints-{number}")))
}
