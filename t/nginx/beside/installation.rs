//! `make install` and `make check`, as an administrator calls them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use harness::{Nginx, library, project};

use crate::{ONE, conf_with, on_every_nginx};

#[test]
fn make_installs_what_was_built_and_compiles_nothing() {
    on_every_nginx("install", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
        let place = nginx.prefix().join("installed");
        let built = nginx.prefix().join("built");
        let destination = format!("DESTDIR={}", place.display());
        let built_at = format!("BUILT={}", built.display());
        let install =
            |target| make(&["CARGO=false", "PREFIX=/usr", &destination, &built_at, target]);

        let refused = install("install");
        assert!(!refused.status.success());
        assert!(text(&refused.stdout).contains("run make build first, not as root"));
        assert!(!place.exists(), "nothing is installed");

        fs::write(&built, "").unwrap();
        let installed = install("install");
        assert!(installed.status.success(), "{}", text(&installed.stderr));
        assert!(!text(&installed.stdout).contains("sources have changed"));
        let core = fs::read(place.join("usr/lua/resty/vrrp/core.so")).unwrap();
        assert!(core == fs::read(library()).unwrap());
        assert!(place.join("usr/lua/resty/vrrp/guard").exists());
        assert!(place.join("usr/lua/resty/vrrp.lua").exists());
        assert!(place.join("usr/lua/resty/vrrp/page.html").exists());
        let program = place.join("usr/sbin/resty-vrrp");
        let version = run(Command::new(program).arg("--version"));
        assert_eq!(text(&version.stdout), concat!("resty-vrrp ", env!("CARGO_PKG_VERSION"), "\n"));
        for file in SHARED {
            assert!(place.join("usr/share").join(file).exists(), "{file}");
        }

        run(Command::new("touch").args(["-d", "2000-01-01"]).arg(&built));
        let outdated = install("install");
        assert!(outdated.status.success(), "{}", text(&outdated.stderr));
        assert!(text(&outdated.stdout).contains("sources have changed since make build"));

        assert!(install("uninstall").status.success());
        let files = run(Command::new("find").arg(&place).args(["-type", "f"]));
        assert_eq!(text(&files.stdout), "");
    });
}

#[test]
fn make_checks_a_configuration_and_shows_what_is_refused() {
    on_every_nginx("make check", |host, carrier| {
        for (conf, accepted, words) in [
            (conf_with(ONE).as_str(), true, "resty.vrrp: configuration is valid"),
            ("events {} http { nonsense; }", false, "unknown directive \"nonsense\""),
            ("events {} http {}", false, "this configuration never calls setup"),
        ] {
            let nginx = Nginx::prepare(host, carrier, conf);
            let file = nginx.prefix().join("conf/nginx.conf");
            let modules: Vec<_> = carrier.modules.iter().map(|it| load(it)).collect();
            fs::write(&file, modules.concat() + &fs::read_to_string(&file).unwrap()).unwrap();
            let named = format!("CONF={}", file.display());
            let program = format!("NGINX={}", carrier.program.display());

            let checked = host.enter(|| make(&[&named, &program, "check"]));

            let said = text(&checked.stderr);
            assert_eq!(checked.status.success(), accepted, "{said}");
            assert!(said.contains(words), "{said}");
        }
    });
}

/// Man pages and completions.
const SHARED: &[&str] = &[
    "man/man8/resty-vrrp.8",
    "man/man8/resty-vrrp-status.8",
    "bash-completion/completions/resty-vrrp",
    "zsh/site-functions/_resty-vrrp",
    "fish/vendor_completions.d/resty-vrrp.fish",
];

/// Runs `make` on what Cargo has built for this test.
pub(super) fn make(arguments: &[&str]) -> Output {
    let core = library();
    let guard = core.with_file_name("resty-vrrp-guard");
    let program = core.with_file_name("resty-vrrp");
    let share = core.with_file_name("share");
    assert!(run(Command::new(&program).arg("generate").arg(&share)).status.success());
    let mut command = Command::new("make");
    command.current_dir(project()).arg("LUA_LIB_DIR=/usr/lua").args(arguments);
    command.arg(format!("CORE={}", core.display())).arg(format!("GUARD={}", guard.display()));
    command.arg(format!("CLI={}", program.display())).arg(format!("SHARE={}", share.display()));
    run(&mut command)
}

fn run(command: &mut Command) -> Output {
    command.output().expect("it can be run")
}

fn load(module: &Path) -> String {
    format!("load_module {};\n", module.display())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
