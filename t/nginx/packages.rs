//! The packages, on hosts with files of their own: installed, upgraded under a running pair,
//! removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use harness::{Host, Lab, Nginx, Probe, Role, conf, library, project, wait_until};

use crate::pair::{self, INTERVAL, PATIENCE, SERVER, on_every_prepared_pair, options};
use crate::{ONE, conf_with, get, on_every_nginx, status_when};

#[test]
fn nobody_notices_that_the_package_of_a_running_nginx_is_upgraded_or_removed() {
    let [old, new] = debs();
    let prepare = |host: &Host| {
        have_own_files(host);
        host.exec("dpkg", &["-i", old]);
    };
    let conf = |number| on_usual_paths(&pair::conf(&options(number)));
    on_every_prepared_pair("packages", prepare, conf, |pair, _| {
        let (nginx, host) = (&pair.one.nginx, &pair.one.host);
        let probe = Probe::start(&pair.client, SERVER, "/");
        probe.wait_for("worker-01", PATIENCE);
        let calm = pair.calm();

        let said = host.exec("dpkg", &["-i", new]);

        assert!(said.contains("upgraded; reload nginx"), "{said}");
        nginx.reload();
        pair.one.wait_for_generation(2);
        std::thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);
        let report = probe.finish();
        assert!(report.failures().is_empty(), "{:?}", report.failures());

        let files = host.exec("dpkg", &["-L", "resty-vrrp"]);
        host.exec("dpkg", &["--purge", "resty-vrrp"]);

        let old = nginx.carrier_pid();
        nginx.kill9(Role::Carrier);
        wait_until("there is another carrier", PATIENCE, || nginx.carrier_pid() != old);
        nginx.try_reload().expect_err("nothing of it is there any more");
        pair.assert_calm(&calm);
        for request in ["", "status", "healthz", "metrics", "metrics?compat=keepalived"] {
            assert_eq!(get(host, &format!("/ha/{request}")).status, 200, "{request}");
        }
        let ours = |path: &&str| path.contains("vrrp");
        for path in files.lines().filter(ours) {
            assert!(!host.enter(|| Path::new(path).exists()), "{path}");
        }
    });
}

#[test]
fn an_rpm_is_installed_verified_upgraded_and_erased() {
    let [old, new] = ["1.0", "1.1"].map(|version| package("rpm", version));
    on_every_nginx("rpm", |host, carrier| {
        have_own_files(host);
        // Debian's own packages are not in the database of rpm.
        let rpm = |arguments: &[&str]| {
            host.exec("rpm", &[&["--dbpath", "/var/lib/rpm-of-this-test"], arguments].concat())
        };
        assert_fits_rhel(&rpm(&["-qp", "--qf", FILES_AND_NEEDS, &old]));
        rpm(&["-i", "--nodeps", &old]);
        // A place of RHEL, where Debian's Lua does not look.
        let place = "\nlua_package_cpath '/usr/lib64/lua/5.1/?.so;;';\nlua_package_path";
        let conf = on_usual_paths(&conf_with(ONE)).replacen("\nlua_package_path", place, 1);
        let nginx = Nginx::start(host, carrier, &conf);
        status_when(host, "active");
        assert_eq!(rpm(&["-V", "--nodeps", "resty-vrrp"]), "");
        host.exec("getent", &["passwd", "nginx-vrrp"]);

        let said = rpm(&["-U", "--nodeps", &new]);

        assert!(said.contains("upgraded; reload nginx"), "{said}");
        assert_eq!(rpm(&["-q", "resty-vrrp"]).trim().split('-').nth(2), Some("1.1"));
        rpm(&["-e", "resty-vrrp"]);
        let left = "find /usr -path '*resty*vrrp*' ! -path '/usr/share/doc/*'";
        assert_eq!(host.exec("sh", &["-c", left]), "");
        assert_eq!(get(host, "/ha/healthz").status, 200, "{}", nginx.error_log());
    });
}

/// Checks that an rpm has its files where RHEL looks for them, and needs nothing that RHEL does not
/// have.
#[track_caller]
fn assert_fits_rhel(said: &str) {
    let (files, needs) = said.split_once("needs\n").expect("both are told");
    for file in [
        "/usr/lib64/lua/5.1/resty/vrrp",
        "/usr/share/lua/5.1/resty/vrrp.lua",
        "/usr/local/openresty/site/lualib/resty/vrrp",
        "/usr/sbin/resty-vrrp",
        "/usr/share/man/man8/resty-vrrp.8.gz",
    ] {
        assert!(files.lines().any(|line| line == file), "{file} in {files}");
    }
    assert!(!files.contains("linux-gnu"), "a place of Debian: {files}");
    let base = [
        "/bin/sh",
        "ld-linux",
        "libc.",
        "libdl.",
        "libgcc_s.",
        "libm.",
        "libpthread.",
        "rpmlib(",
        "rtld(",
        "shadow-utils post",
    ];
    let strange = needs.lines().find(|line| !base.iter().any(|name| line.starts_with(name)));
    assert_eq!(strange, None, "{needs}");
    assert!(needs.contains("shadow-utils post"), "it makes a user: {needs}");
}

/// What rpm is to tell of a package.
const FILES_AND_NEEDS: &str =
    "[%{FILENAMES}\\n]needs\\n[%{REQUIRENAME} %{REQUIREFLAGS:deptype}\\n]";

#[test]
fn a_package_is_not_installed_over_what_make_has_installed() {
    let [package, _] = debs();
    let lab = Lab::new("both ways of installation");
    let host = lab.host("worker-01", "192.168.56.101/24");
    have_own_files(&host);
    host.exec("mkdir", &["-p", "/usr/local/share/lua/5.1/resty/vrrp"]);

    let refused = host.try_exec(Command::new("dpkg").args(["-i", package]));

    let words = "/usr/local/share/lua/5.1/resty/vrrp is there already, by make install";
    let said = refused.expect_err("it would be hidden");
    assert!(said.contains(words), "{said}");
    assert!(!host.enter(|| Path::new("/usr/lib/resty-vrrp").exists()));
}

#[test]
fn the_container_is_made_of_the_package() {
    let lab = Lab::new("container");
    let host = lab.host("worker-01", "192.168.56.101/24");
    have_own_files(&host);
    let file = conf("Containerfile");
    let lines = |word: &str| {
        let lines = file.lines().filter_map(|line| line.strip_prefix(word));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines("COPY "), ["target/packages/resty-vrrp_*.deb /tmp/"]);
    host.exec("mount", &["-t", "tmpfs", "tmpfs", "/tmp"]);
    let [package, _] = debs();
    // Where it is may be hidden now, but for this process.
    let octets = fs::read(package).expect("it was made");
    host.enter(|| fs::write("/tmp/resty-vrrp_1.0_amd64.deb", octets)).expect("/tmp is writable");

    for command in lines("RUN ") {
        host.exec("sh", &["-c", &command]);
    }

    let openresty = "/usr/local/openresty/site/lualib/resty/vrrp/core.so";
    assert!(host.enter(|| Path::new(openresty).exists()));
    let called = "sed -n 's/^Exec.*=[-+]*\\([^ ]*resty-vrrp\\) .*/\\1/p' \
                  /usr/share/resty-vrrp/systemd/*.d/*.conf | sort -u";
    let called = host.exec("sh", &["-c", called]);
    assert_eq!(called.trim(), "/usr/sbin/resty-vrrp", "by both drop-ins");
    assert!(host.enter(|| Path::new(called.trim()).exists()));
    assert_eq!(lines("STOPSIGNAL "), ["SIGQUIT"]);
}

#[test]
fn luarocks_makes_a_rock_that_nginx_runs_with() {
    let built = built();
    let rockspec = project().join("nginx-conf/packages/resty-vrrp-0.1.0-1.rockspec");
    on_every_nginx("rock", |host, carrier| {
        let tree = host.exec("mktemp", &["-d", "/run/rocks-XXXX"]);
        let tree = tree.trim();
        host.exec("chmod", &["755", tree]);
        let files = [
            ("CORE", "libresty_vrrp_core.so"),
            ("GUARD", "resty-vrrp-guard"),
            ("CLI", "resty-vrrp"),
            ("SHARE", "share"),
            ("BUILT", ".built"),
        ];
        let places = files.map(|(name, file)| format!("{name}={}", built.join(file).display()));
        let mut luarocks = Command::new("luarocks");
        luarocks.args(["--lua-version", "5.1", "--tree", tree, "make"]).arg(&rockspec);
        // As `make build` has compiled it already.
        luarocks.env("MAKEFLAGS", format!("CARGO=true {}", places.join(" ")));

        host.try_exec(luarocks.current_dir(project())).expect("it makes the rock");

        let (lua, lib) = (format!("{tree}/share/lua/5.1"), format!("{tree}/lib/lua/5.1"));
        let paths = format!(
            "http {{\nlua_package_path '{lua}/?.lua;;';\nlua_package_cpath '{lib}/?.so;;';\n"
        );
        let _nginx = Nginx::start(host, carrier, &conf_with(ONE).replacen("http {", &paths, 1));
        let status = status_when(host, "active");
        assert_eq!(status["node"]["warnings"], serde_json::json!([]), "the guard is there, too");
    });
}

/// Returns two versions of the package for Debian.
pub(crate) fn debs() -> &'static [String; 2] {
    static DEBS: OnceLock<[String; 2]> = OnceLock::new();
    DEBS.get_or_init(|| ["1.0", "1.1"].map(|version| package("deb", version)))
}

/// Returns a package of what is tested, which has some version.
fn package(format: &str, version: &str) -> String {
    let built = built();
    let out = built.join("packages");
    let mut command = Command::new(project().join("nginx-conf/packages/build"));
    command.arg(format).arg(&built).arg(&out).env("VERSION", version);
    let ended = command.output().expect("it is a script");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    said.lines().last().expect("it names the package").to_owned()
}

/// Returns the directory of what is packed, as `make build` leaves it.
fn built() -> PathBuf {
    let built = library().parent().expect("it is a file").to_owned();
    fs::write(built.join(".built"), "").expect("Cargo has written there, too");
    built
}

/// Gives a host files of its own where packages install some: what is written there goes with it.
pub(crate) fn have_own_files(host: &Host) {
    for (number, place) in ["/etc", "/usr", "/var/lib", "/var/log"].into_iter().enumerate() {
        let [upper, work] = ["upper", "work"].map(|it| format!("/run/files/{number}/{it}"));
        host.exec("mkdir", &["-p", &upper, &work]);
        let layers = format!("lowerdir={place},upperdir={upper},workdir={work}");
        host.exec("mount", &["-t", "overlay", "overlay", "-o", &layers, place]);
    }
}

/// Has nginx look for the module where it does by itself.
fn on_usual_paths(conf: &str) -> String {
    conf.replacen("http {", "http {\nlua_package_path ';;';\n", 1)
}
