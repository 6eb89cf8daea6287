//! Which nginx there are on this machine, and where the project's files are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::process::{output, run};

/// An nginx that can carry the module.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Carrier {
    /// Which process carries the thread.
    pub kind: CarrierKind,
    /// The executable.
    pub program: PathBuf,
    /// What it calls itself: `openresty/1.27.1.2`.
    pub version: String,
    /// Dynamic modules that it needs for Lua.
    pub modules: Vec<PathBuf>,
}

/// Which nginx process carries the thread, and as whom nginx is started.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CarrierKind {
    /// `OpenResty`'s privileged agent; the master is root.
    Agent,
    /// A worker of a stock nginx, started as www-data with ambient capabilities.
    Worker,
}

impl Carrier {
    /// Looks at an executable; says why it cannot be used.
    fn look_at(program: &Path) -> Result<Self, String> {
        let said = output(Command::new(program).arg("-V")).map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&said.stderr).into_owned();
        let version = said.lines().next().and_then(|line| line.split("version: ").nth(1));
        let version = version.ok_or("it does not answer to -V")?.to_owned();
        let patched = version.starts_with("openresty");
        let kind = if patched { CarrierKind::Agent } else { CarrierKind::Worker };
        let modules = lua_modules(&said).ok_or("it has no Lua module")?;
        Ok(Self { kind, program: program.to_owned(), version, modules })
    }
}

/// Returns every nginx of this machine that can carry the module; says which are absent.
///
/// These are Debian's nginx with its Lua module and `OpenResty` at its usual prefix, or what
/// the environment variable `NGINX` names.
///
/// # Panics
///
/// Panics when there is none: tests that ran against nothing would pass.
#[must_use]
pub fn carriers() -> &'static [Carrier] {
    static FOUND: OnceLock<Vec<Carrier>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let found: Vec<Carrier> =
            look().filter_map(|(program, seen)| report(&program, seen)).collect();
        assert!(!found.is_empty(), "{NONE}");
        found
    })
}

/// Returns one nginx of this machine, if possible one with a privileged agent.
///
/// # Panics
///
/// Panics when there is none.
#[must_use]
pub fn best_carrier() -> Carrier {
    let mut found: Vec<Carrier> = look().filter_map(|(_, seen)| seen.ok()).collect();
    found.sort_by_key(|carrier| carrier.kind != CarrierKind::Agent);
    found.into_iter().next().expect(NONE)
}

/// Looks at every nginx that may be here.
fn look() -> impl Iterator<Item = (PathBuf, Result<Carrier, String>)> {
    let wanted = match std::env::var_os("NGINX") {
        Some(program) => vec![PathBuf::from(program)],
        None => USUAL.iter().map(PathBuf::from).collect(),
    };
    wanted.into_iter().map(|program| {
        let seen = Carrier::look_at(&program);
        (program, seen)
    })
}

fn report(program: &Path, seen: Result<Carrier, String>) -> Option<Carrier> {
    match seen {
        Ok(carrier) => {
            eprintln!("carrier: {} ({:?})", carrier.version, carrier.kind);
            Some(carrier)
        }
        Err(reason) => {
            eprintln!("carrier absent: {}: {reason}", program.display());
            None
        }
    }
}

/// Returns the modules to load for Lua: none where it is linked in, `None` where there is no Lua.
fn lua_modules(configuration: &str) -> Option<Vec<PathBuf>> {
    let option = |name| configuration.split_whitespace().find_map(|word| word.strip_prefix(name));
    let modules = Path::new(option("--modules-path=").unwrap_or_default());
    let lua = modules.join("ngx_http_lua_module.so");
    if lua.exists() {
        return Some(vec![modules.join("ndk_http_module.so"), lua]);
    }
    configuration.contains("ngx_lua").then(Vec::new)
}

/// Returns the root of the project.
#[must_use]
pub fn project() -> PathBuf {
    // What Cargo has built may have been built for a copy of the project in another place.
    if let Some(root) = std::env::var_os("CARGO_MANIFEST_DIR") {
        return root.into();
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    root.expect("this crate is t/harness").to_owned()
}

/// Returns the text of a file in `nginx-conf`.
#[must_use]
#[track_caller]
pub fn conf(name: &str) -> String {
    let path = project().join("nginx-conf").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Puts the module where `lua_package_path` can find it, and returns that directory.
///
/// The environment variable `LUA_LIB_DIR` names one that has it already, by `make install`.
pub(crate) fn install(lab: &Path) -> PathBuf {
    let place = lab.join(LUALIB);
    if place.exists() {
        return place;
    }
    if let Some(installed) = std::env::var_os("LUA_LIB_DIR") {
        return installed.into();
    }
    install_with(&library(), lab);
    place
}

/// Puts the module, with this native library, where [`install`] finds it.
pub(crate) fn install_with(core: &Path, lab: &Path) {
    let place = lab.join(LUALIB);
    copy_tree(&project().join("lua"), &place);
    let guard = library().with_file_name("resty-vrrp-guard");
    for (built, installed) in [(core, "core.so"), (&guard, "guard")] {
        // By another process: one that this process has open for writing cannot be executed, and
        // a test beside this one may fork at any time, and have it open for a moment longer.
        run(Command::new("cp").arg(built).arg(place.join("resty/vrrp").join(installed)));
    }
}

/// Returns the native library under test: what the environment variable `RESTY_VRRP_CORE` names,
/// or what Cargo makes of the sources now, beside the program that runs.
#[must_use]
pub fn library() -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let named = std::env::var_os("RESTY_VRRP_CORE").map(PathBuf::from);
    // With a test, so that dependencies have the features with which tests are built.
    let what = ["--lib", "--bins", "--test", "tidy"];
    let build = || build(&what).join("libresty_vrrp_core.so");
    named.unwrap_or_else(|| BUILT.get_or_init(build).clone())
}

/// Has Cargo build something beside the program that runs, and returns where; that takes a moment
/// if nothing has changed.
pub(crate) fn build(what: &[&str]) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked"]).args(what);
    let target = target_directory();
    run(command.arg("--target-dir").arg(&target).current_dir(project()));
    target.join("debug")
}

/// Returns where Cargo has built whatever runs now.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("a program has a name");
    // A test is `target/debug/deps/name-hash`, an example `target/debug/examples/name`.
    program.ancestors().nth(3).expect("Cargo has built it").to_owned()
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the lab's directory is writable");
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}

const LUALIB: &str = "lualib";
const NONE: &str = "no nginx with Lua here: install OpenResty, or name one by NGINX";
const USUAL: &[&str] = &["/usr/sbin/nginx", "/usr/local/openresty/bin/openresty"];
