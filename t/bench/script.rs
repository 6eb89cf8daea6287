//! How keepalived looks after nginx.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use harness::Nginx;

/// The script that it runs again and again, and what it makes of a failure.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Script {
    /// Does nginx's master live? Without `weight` a failure means fault, which resigns and moves
    /// the addresses sooner than a lower priority would: the best case.
    Lives,
    /// The same every 2 s, and with a `weight` after which the other node is the better one: as in
    /// keepalived's own samples and most guides, and with 3 s in the guide of NGINX Plus.
    Weighs,
    /// Does nginx answer a request within 1 s? If not, a fault.
    Asks,
}

impl Script {
    /// Returns the time from one run to the next.
    pub(crate) fn interval(self) -> Duration {
        match self {
            Self::Lives | Self::Asks => Duration::from_secs(1),
            Self::Weighs => Duration::from_secs(2),
        }
    }

    /// Returns its options in keepalived's words.
    pub(crate) fn options(self) -> String {
        let seconds = self.interval().as_secs();
        let weight = if self == Self::Weighs { "weight -150" } else { "" };
        // The one that asks has a deadline of its own.
        format!("interval {seconds}\n    timeout 2\n    rise 1\n    fall 1\n    {weight}")
    }

    /// Writes it beside an nginx, and returns its path.
    ///
    /// The usual `killall -0 nginx` or `pidof nginx` looks at every process of the machine; hosts
    /// of a lab share one table of processes, so it would find the other host's nginx. This one
    /// starts no further process, and does not take for alive what waits to be reaped, as
    /// `kill -0` does.
    pub(crate) fn write(self, nginx: &Nginx) -> String {
        let path = nginx.prefix().join("check_nginx.sh");
        let pid = nginx.prefix().join("nginx.pid");
        let line = match self {
            Self::Lives | Self::Weighs => {
                format!("read -r pid < {} && [ -e /proc/$pid/exe ]", pid.display())
            }
            Self::Asks => {
                "exec curl -sf -m 1 --noproxy '*' -o /dev/null http://127.0.0.1/".to_owned()
            }
        };
        fs::write(&path, format!("#!/bin/sh\n{line}\n")).expect("the prefix is writable");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
        path.display().to_string()
    }
}
