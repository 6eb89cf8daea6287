//! The drop-ins for systemd: what their commands do to a configuration and to the nginx that runs.

use std::fs::{self, DirEntry};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

use harness::{CarrierKind, Host, Nginx, Role, conf, library};

use crate::{ONE, conf_with, on_every_nginx, start_active, status_when};

#[test]
fn a_unit_reloads_only_what_was_checked_and_starts_no_second_nginx() {
    on_every_nginx("units", |host, carrier| {
        let unit = match carrier.kind {
            CarrierKind::Agent => "openresty",
            CarrierKind::Worker => "nginx",
        };
        let [check, reload] = &commands(unit, "ExecReload=")[..] else { panic!("{unit}") };
        assert_eq!(reload, "/bin/kill -s HUP $MAINPID");
        let nginx = start_active(host, carrier);
        let before = running(&nginx);
        let wrong = conf_with(ONE).replace("vrid = 51", "vrid = 256");
        let without = "events {} http { server { listen 80 reuseport; } }";
        let in_front = "daemon off; events {} http {}";

        for (conf, words) in [
            (wrong.as_str(), Some("instances[1].vrid: expected a whole number")),
            (without, Some("this configuration never calls setup")),
            (in_front, Some("this configuration never calls setup")),
            ("events {} http { nonsense; }", Some("unknown directive \"nonsense\"")),
            (conf_with(ONE).as_str(), None),
        ] {
            nginx.write("nginx.conf", conf);

            let checked = run(check, &nginx, host);

            let said = String::from_utf8_lossy(&checked.stderr).into_owned();
            assert_eq!(checked.status.success(), words.is_none(), "{unit}: {said}");
            assert!(said.contains(words.unwrap_or("configuration is valid")), "{unit}: {said}");
            assert_eq!(running(&nginx), before, "{said}");
        }
        status_when(host, "active");
    });
}

/// Returns the processes of an nginx, what its pid file says, and whose its temporary files are.
fn running(nginx: &Nginx) -> (Vec<i32>, Option<i32>, Vec<u32>) {
    let temporary = fs::read_dir(nginx.prefix().join("temp")).expect("it is there").flatten();
    let owner = |entry: DirEntry| entry.metadata().expect("it is there").uid();
    (nginx.pids(Role::All), nginx.master(), temporary.map(owner).collect())
}

/// Returns the commands of one kind that a drop-in gives, without the empty line before them.
fn commands(unit: &str, kind: &str) -> Vec<String> {
    let text = conf(&format!("systemd/{unit}.service.d/resty-vrrp.conf"));
    let all = text.lines().filter_map(|line| line.strip_prefix(kind)).map(str::to_owned);
    all.filter(|command| !command.is_empty()).collect()
}

/// Runs the check of a unit as systemd does, with the command line, the nginx and the files of this
/// lab.
fn run(command: &str, nginx: &Nginx, host: &Host) -> Output {
    let prefix = nginx.prefix().display().to_string();
    let words: Vec<_> = command.splitn(6, ' ').collect();
    let [program, "check", file, "--nginx", theirs, more @ ..] = &words[..] else {
        panic!("{command}")
    };
    assert_eq!(*program, "/usr/local/sbin/resty-vrrp");
    assert!(file.ends_with("/nginx.conf") && theirs.ends_with("/nginx"), "{command}");
    let modules = nginx.carrier().modules.iter();
    let modules = modules.map(|module| format!("load_module {};", module.display()));
    let more = match more {
        [] => "--".to_owned(),
        [more] => more
            .replace("/var/log/nginx", &format!("{prefix}/logs"))
            .replace("/run/nginx/", &format!("{prefix}/"))
            .replace("include /etc/nginx/modules-enabled/*.conf;", &modules.collect::<String>()),
        _ => panic!("{command}"),
    };
    let line = format!(
        "{} check {prefix}/conf/nginx.conf --nginx {} {more} -p {prefix}",
        library().with_file_name("resty-vrrp").display(),
        nginx.carrier().program.display(),
    );
    host.enter(|| Command::new("sh").args(["-c", &line]).output()).expect("it can be run")
}
