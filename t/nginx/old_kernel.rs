//! Linux 3.10, as far as it differs for the module: what newer kernels have is refused, by a filter
//! that all processes of an nginx inherit.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use harness::{Carrier, CarrierKind, Lab, Nginx, Role, carriers, library, wait_until};

use crate::beside::checked;
use crate::get;
use crate::guard::guard_knows;
use crate::neighbours::named;
use crate::pair::{ADDRESS, INTERVAL, PATIENCE, Pair, conf, options};

#[test]
fn a_pair_reloads_without_a_flap_and_a_killed_nginx_is_resigned_for() {
    on_every_old_pair("old kernel", |pair, carrier| {
        let (nginx, host) = (&pair.one.nginx, &pair.one.host);
        let status = get(host, "/ha/status").json();
        let warning = named(&status, "old_kernel").expect("it warns");
        assert!(warning.contains("/dev/shm") && warning.contains("20 ms"), "{warning}");
        assert_eq!(named(&status, "no_guard"), None);
        let calm = pair.calm();

        nginx.reload();

        pair.one.wait_for_generation(2);
        thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);
        let program = launcher(&pair.directory(), &library().with_file_name("resty-vrrp"), true);
        let shown = host.exec(&program.display().to_string(), &["status"]);
        assert!(shown.contains("old_kernel"), "{shown}");
        let guard = pair.directory().join("lualib/resty/vrrp/guard");
        let mut check = Command::new(launcher(&pair.directory(), &guard, true));
        let checked = checked::run(check.arg("check").arg(&carrier.program), nginx, host);
        assert!(checked.status.success(), "{}", checked.said);
        assert_eq!(modes(nginx), modes_under(carrier.kind));
        let before = nginx.carrier_pid();
        nginx.kill9(Role::Carrier);
        wait_until("there is another carrier", PATIENCE, || {
            nginx.carrier_pid() != before && guard_knows(host)
        });
        pair.one.wait_for("active");
        let killed = Instant::now();
        nginx.kill9(Role::All);
        pair.two.wait_for("active");
        wait_until("the address is removed", PATIENCE, || !host.has(ADDRESS));
        let heard = pair.sniffer.adverts_since(killed);
        assert!(heard.iter().any(|it| it.priority == 0 && it.source == pair.one.source()));
    });
}

#[test]
fn the_death_of_the_master_alone_is_noticed() {
    on_every_old_pair("old kernel, no master", |pair, _| {
        pair.one.nginx.kill9(Role::Master);

        let status = pair.one.wait_for("fault");
        let fault = status["instances"][0]["fault"].to_string();
        assert!(fault.contains("master"), "{status}");
        pair.two.wait_for("active");
    });
}

#[test]
fn a_dev_shm_without_room_stops_the_start_and_ends_nothing_later() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("old kernel, no room, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        host.exec("mount", &["-t", "tmpfs", "-o", "size=8k", "tmpfs", "/dev/shm"]);
        let old = of_old_kernel(carrier, &lab);

        let refused = Nginx::prepare(&host, &old, &conf(&options(1))).launch();

        let said = refused.expect_err("there is no room").error_log;
        assert!(said.contains("No space left on device"), "{said}");
    }
}

/// Runs a test on a fresh pair on such a kernel, with each nginx of this machine.
fn on_every_old_pair(name: &str, test: impl Fn(&Pair, &Carrier)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let old = of_old_kernel(carrier, &lab);
        test(&Pair::start(lab, &old, &|number| conf(&options(number))), carrier);
    }
}

/// Returns the nginx that runs on such a kernel.
fn of_old_kernel(carrier: &Carrier, lab: &Lab) -> Carrier {
    let has_ambient = carrier.kind == CarrierKind::Worker;
    let program = launcher(&lab.directory(), &carrier.program, has_ambient);
    Carrier { program, ..carrier.clone() }
}

/// Returns the modes of the files in place of a board and its page, which have no name.
fn modes(nginx: &Nginx) -> Vec<u32> {
    let master = nginx.master().expect("it runs");
    let files = fs::read_dir(format!("/proc/{master}/fd")).expect("it runs").flatten();
    let is_ours = |path: &PathBuf| {
        let target = fs::read_link(path).unwrap_or_default().display().to_string();
        target.starts_with("/dev/shm/resty.vrrp.") && target.ends_with(" (deleted)")
    };
    let files = files.map(|file| file.path()).filter(is_ours);
    files.map(|path| fs::metadata(path).expect("it is open").mode() & 0o777).collect()
}

fn modes_under(kind: CarrierKind) -> [u32; 2] {
    match kind {
        CarrierKind::Agent => [0o600; 2],
        // The carrier is not the user that has made them.
        CarrierKind::Worker => [0o666; 2],
    }
}

/// Makes a program that runs another one behind the filter. The rights of a unit for a stock nginx
/// are ambient.
fn launcher(directory: &Path, program: &Path, has_ambient: bool) -> PathBuf {
    let name = program.file_name().and_then(|name| name.to_str()).expect("it has a name");
    let path = directory.join(format!("old-{name}"));
    let filter: Vec<_> = filter(has_ambient).iter().map(|octet| format!("{octet:02x}")).collect();
    let filter = filter.concat();
    let (prctl, program) = (libc::SYS_prctl, program.display());
    let text = format!(
        r#"#!/usr/bin/perl
my $filter = pack("H*", "{filter}");
my $program = pack("S x6 P", length($filter) / 8, $filter);
syscall({prctl}, 38, 1, 0, 0, 0) if $>;
syscall({prctl}, 22, 2, $program) == 0 or die "no filter: $!";
exec "{program}", @ARGV;
"#
    );
    fs::write(&path, text).expect("the lab's directory is writable");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
    path
}

/// Returns a program of the kernel's filter for system calls.
fn filter(has_ambient: bool) -> Vec<u8> {
    let mut calls: Vec<_> = MISSING.iter().map(|call| (*call, vec![], libc::ENOSYS)).collect();
    // The netlink of nf_tables, the seals of a memfd, IPV6_MULTICAST_ALL.
    calls.push((libc::SYS_socket, vec![(0, 16), (2, 12)], libc::EPROTONOSUPPORT));
    calls.push((libc::SYS_fcntl, vec![(1, 1033)], libc::EINVAL));
    calls.push((libc::SYS_setsockopt, vec![(1, 41), (2, 29)], libc::ENOPROTOOPT));
    if !has_ambient {
        calls.push((libc::SYS_prctl, vec![(0, 47)], libc::EINVAL));
    }
    let rule = |(call, arguments, errno): (i64, Vec<(u32, u32)>, i32)| {
        let number = u32::try_from(call).expect("it is small");
        let tests = arguments.iter().map(|(place, value)| (16 + 8 * place, *value));
        let tests: Vec<_> = [(0, number)].into_iter().chain(tests).collect();
        let count = tests.len();
        let mut rule = Vec::new();
        for (done, (offset, value)) in tests.into_iter().enumerate() {
            let skipped = 2 * (count - done) - 1;
            rule.extend(instruction(LOAD, 0, offset));
            rule.extend(instruction(JUMP_IF_EQUAL, u8::try_from(skipped).expect("few"), value));
        }
        rule.extend(instruction(RETURN, 0, ERRNO | errno.unsigned_abs()));
        rule
    };
    let allow = instruction(RETURN, 0, ALLOW);
    calls.into_iter().flat_map(rule).chain(allow).collect()
}

/// Returns a `sock_filter`, which may skip others where a comparison fails.
fn instruction(code: u16, skipped: u8, operand: u32) -> [u8; 8] {
    let (code, operand) = (code.to_ne_bytes(), operand.to_ne_bytes());
    [code[0], code[1], 0, skipped, operand[0], operand[1], operand[2], operand[3]]
}

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;
const ERRNO: u32 = 0x0005_0000;
const ALLOW: u32 = 0x7fff_0000;
/// Newer than Linux 3.10. Without `getrandom`, the OpenSSL of Debian's nginx does not start.
const MISSING: &[i64] = &[
    libc::SYS_bpf,
    libc::SYS_clone3,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_faccessat2,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_openat2,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_renameat2,
    libc::SYS_rseq,
    libc::SYS_seccomp,
    libc::SYS_statx,
];
