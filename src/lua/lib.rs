//! What Lua can call: `require "resty.vrrp.core"`.
//!
//! Texts and numbers cross here, nothing else, and nothing is decided here. Everything runs in
//! the main thread of an nginx process. A failure is `nil, err`.

mod plan;

use std::error::Error;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mlua::{Lua, LuaString, Table, UserData, UserDataMethods};

use resty_vrrp::config::{Carrier, Config, ConfigErrors};
use resty_vrrp::runtime::{
    self, Check, Engine, PlannedCheck, Program, Surroundings, Survey, Written, chain, log,
    panic_text,
};
use resty_vrrp::status::{Board, Page};

/// Makes the table that `require "resty.vrrp.core"` returns.
#[mlua::lua_module(name = "resty_vrrp_core")]
fn resty_vrrp_core(lua: &Lua) -> mlua::Result<Table> {
    let module = lua.create_table()?;
    module.set("version", env!("CARGO_PKG_VERSION"))?;
    let checked = |_: &Lua, arguments: CheckArguments| {
        let (options, is_file, board, page, workers, conf, prefix) = arguments;
        let nginx = NginxFacts { workers, conf, prefix };
        Ok(said(|| check(&options, is_file, &board, &page, &nginx)))
    };
    module.set("check", lua.create_function(checked)?)?;
    let warned_about = |_: &Lua, (json, names, weights): (LuaString, Vec<LuaString>, Vec<i16>)| {
        Ok(said(|| warnings_about(&json, &names, weights)))
    };
    module.set("warnings_about", lua.create_function(warned_about)?)?;
    let started = |_: &Lua, arguments: StartArguments| {
        let (json, board, page, master_pid, checks, guard, held) = arguments;
        let guard = guard.map(|path| Program { path, held });
        let checks = checks.iter().map(planned).collect::<mlua::Result<_>>()?;
        Ok(said(|| start(&json, &page, Surroundings { master_pid, board, guard, checks })))
    };
    module.set("start", lua.create_function(started)?)?;
    module.set("drain_log", lua.create_function(drain_log)?)?;
    Ok(module)
}

/// What `check` is called with.
type CheckArguments = (LuaString, bool, PathBuf, PathBuf, Option<u32>, PathBuf, PathBuf);

/// What `check` is told of the nginx that calls it.
struct NginxFacts {
    /// How many workers it will start, if that is known.
    workers: Option<u32>,
    /// The file that it reads unless it was told otherwise.
    conf: PathBuf,
    /// Where its relative paths begin.
    prefix: PathBuf,
}

/// What `start` is called with.
type StartArguments =
    (LuaString, PathBuf, PathBuf, u32, Vec<Table>, Option<PathBuf>, Option<PathBuf>);

/// What `set_check` is called with. A reason may be any bytes: whatever they are, it is a reason.
type VerdictArguments = (LuaString, bool, Option<i16>, LuaString);

fn planned(check: &Table) -> mlua::Result<PlannedCheck> {
    Ok(PlannedCheck {
        name: check.get::<LuaString>("name")?.to_string_lossy(),
        weight: check.get("weight")?,
        timeout: Duration::from_millis(check.get("timeout_ms")?),
        in_lua: true,
    })
}

/// The engine as Lua holds it. Its collection stops it, unless it was stopped.
struct Handle(Engine);

impl UserData for Handle {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_method(
            "set_check",
            |_, handle, (name, ok, weight, detail): VerdictArguments| {
                let (name, detail) = (name.to_string_lossy(), detail.to_string_lossy());
                handle.0.set_check(Check { name, ok, weight, detail });
                Ok(())
            },
        );
        methods.add_method("verdict", |_, handle, name: LuaString| {
            let known = handle.0.verdict(&name.to_string_lossy());
            Ok(known.map(|check| (check.ok, check.detail)).unzip())
        });
        methods.add_method("leave", |_, handle, ()| {
            handle.0.leave();
            Ok(())
        });
        methods.add_method("stop", |_, handle, ()| {
            handle.0.stop();
            Ok(())
        });
    }
}

/// `check(options, is_file, board, page, workers, conf, prefix)`: fills the board and the page at
/// these paths, and returns a list: the option `carrier`; the options as JSON, if `options` is the
/// path of a file; the call of `setup` that does the same as a `keepalived.conf`; then the warnings
/// about the options. One that begins with `note: ` needs no attention. `workers` is how many nginx
/// will start, if that is known; `conf` the file that it reads unless it was told otherwise, and
/// `prefix` where its relative paths begin.
///
/// An error lists everything that is wrong with the options, one problem per line.
fn check(
    options: &LuaString,
    is_file: bool,
    board: &Path,
    page: &Path,
    nginx: &NginxFacts,
) -> Result<Vec<String>, Box<dyn Error>> {
    let written = if is_file {
        Written::file(Path::new(OsStr::from_bytes(&options.as_bytes())))?
    } else {
        Written::table(&options.as_bytes())
    };
    let config = written.config()?;
    nginx.workers.map_or(Ok(()), |workers| config.check_workers(workers))?;
    let Survey { refused, warnings } = runtime::survey(&config);
    if !refused.is_empty() {
        return Err(written.placed(ConfigErrors(refused)).into());
    }
    let page = Page::create(page)?;
    let shutdown_timeout_ms = runtime::shutdown_timeout(&nginx.conf, &nginx.prefix);
    drop(Board::create(board, &plan::of(&config, shutdown_timeout_ms))?.with_page(page));
    let carrier = match config.carrier {
        Carrier::Auto => "auto",
        Carrier::Agent => "agent",
        Carrier::Worker => "worker",
    };
    let json =
        if is_file { String::from_utf8_lossy(written.json()).into_owned() } else { String::new() };
    let told = [carrier.to_owned(), json, written.setup().unwrap_or_default()];
    let warnings = config.warnings().into_iter().chain(warnings);
    let warnings = warnings.map(|warning| written.placed_one(warning).to_string());
    Ok(told.into_iter().chain(written.remarks()).chain(warnings).collect())
}

/// `warnings_about(json, names, weights)`: returns a list of warnings about checks.
fn warnings_about(
    json: &LuaString,
    names: &[LuaString],
    weights: Vec<i16>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let config = Config::from_octets(&json.as_bytes())?;
    let checks: Vec<_> = names.iter().map(LuaString::to_string_lossy).zip(weights).collect();
    Ok(config.warnings_about(&checks))
}

/// `start(json, board, page, master_pid, checks, guard, held)`: starts the engine on board and
/// page, and returns it. It gets verdicts about `checks`, a list of tables with `name`,
/// `timeout_ms` and perhaps `weight`. `guard` is the path of the guard, and `held` one that leads
/// to the file that was there when nginx read its configuration; each may be nil.
fn start(
    json: &LuaString,
    page: &Path,
    surroundings: Surroundings,
) -> Result<Handle, Box<dyn Error>> {
    let config = Config::from_octets(&json.as_bytes())?;
    let board = Board::open(&surroundings.board)?.with_page(Page::open(page)?);
    Ok(Handle(runtime::start(config, board, surroundings)?))
}

/// `drain_log(max)`: returns a list of `{ level, text }`, level being nginx's number.
fn drain_log(lua: &Lua, max: usize) -> mlua::Result<Table> {
    let lines = lua.create_table()?;
    for line in log::drain(max) {
        let pair = lua.create_table()?;
        pair.push(line.level)?;
        pair.push(line.text)?;
        lines.push(pair)?;
    }
    Ok(lines)
}

/// Does what can fail, and tells an error with all its causes: `cannot map the board: permission
/// denied`. A panic is an error, too.
fn said<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| chain(&*error)),
        Err(panic) => Err(panic_text(&*panic)),
    }
}
