//! Checks of a configuration that start nothing.

use std::process::Command;

use harness::{Carrier, CarrierKind, Host, Nginx, Role};

use crate::{ONE, conf_with};

/// How a check ended.
pub(crate) struct Checked {
    pub(crate) status: std::process::ExitStatus,
    pub(crate) said: String,
    pub(crate) printed: String,
}

/// Checks options by `RESTY_VRRP_CHECK=1 nginx …`, and looks at what is left behind.
pub(crate) fn checked(host: &Host, carrier: &Carrier, options: &str) -> Checked {
    checked_as_prepared(&Nginx::prepare(host, carrier, &conf_with(options)), host)
}

/// Checks what is prepared, in the same way.
pub(crate) fn checked_as_prepared(nginx: &Nginx, host: &Host) -> Checked {
    let mut command = Command::new(&nginx.carrier().program);
    run_check(command.env("RESTY_VRRP_CHECK", "1"), nginx, host)
}

/// Checks right options by another word than 1.
pub(crate) fn checked_with(word: &str, host: &Host, carrier: &Carrier) -> Checked {
    let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
    let mut command = Command::new(&carrier.program);
    run_check(command.env("RESTY_VRRP_CHECK", word), &nginx, host)
}

/// Checks what is prepared by `guard check nginx …`, and looks at what is left behind.
pub(crate) fn checked_by_guard(nginx: &Nginx, host: &Host) -> Checked {
    let checked = by_guard(nginx, host);
    assert_nothing_is_left(nginx);
    checked
}

pub(crate) fn by_guard(nginx: &Nginx, host: &Host) -> Checked {
    let lab = nginx.prefix().parent().expect("the directory of the lab");
    let mut command = Command::new(lab.join("lualib/resty/vrrp/guard"));
    run(command.arg("check").arg(&nginx.carrier().program), nginx, host)
}

fn run_check(command: &mut Command, nginx: &Nginx, host: &Host) -> Checked {
    let checked = run(command, nginx, host);
    assert_nothing_is_left(nginx);
    checked
}

#[track_caller]
fn assert_nothing_is_left(nginx: &Nginx) {
    assert!(nginx.pids(Role::All).is_empty(), "nothing runs");
    // `nginx -t` makes an empty one.
    assert_eq!(nginx.master(), None, "no process id is left");
}

/// Runs a check with what nginx is started with.
pub(crate) fn run(command: &mut Command, nginx: &Nginx, host: &Host) -> Checked {
    let prefix = nginx.prefix().display().to_string();
    command.args(["-p", &prefix, "-c", "conf/nginx.conf"]);
    command.args(["-e", "logs/error.log", "-g", &directives(nginx.carrier(), &prefix)]);

    let output = host.enter(|| command.output()).expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    Checked { status: output.status, said, printed }
}

pub(crate) fn directives(carrier: &Carrier, prefix: &str) -> String {
    let modules = match carrier.kind {
        CarrierKind::Agent => "",
        CarrierKind::Worker => {
            "load_module /usr/lib/nginx/modules/ndk_http_module.so; \
             load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;"
        }
    };
    format!("pid {prefix}/nginx.pid; {modules}")
}
