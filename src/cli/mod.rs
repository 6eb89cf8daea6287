//! The command line: `resty-vrrp status`.
//!
//! It reads the board of each nginx of this machine itself, and writes nothing but the one word
//! that any worker may write, too: the request to drain.
#![expect(
    clippy::disallowed_methods,
    reason = "this process is no nginx: it may wait, and has no other thread"
)]

mod arguments;
mod doctor;
mod generate;
mod leftovers;
mod log;
mod nodes;
mod requests;
mod table;
mod words;

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, absolute};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::Parser as _;

use self::arguments::{CommandLine, CommandName, ConfArguments, StatusArguments};
use self::nodes::{Choice, FoundNode, Machine, engines_that_listen};
use crate::status::document::InstanceStatus;
use crate::status::{EngineSight, Status};
use crate::{guard, runtime};

/// Does what the arguments of this process ask for.
#[must_use]
pub fn run() -> ExitCode {
    let command = CommandLine::parse().command;
    let outcome = match command {
        CommandName::Status(arguments) => show_status(&arguments),
        CommandName::Watch(node) => watch(&node.choice()),
        CommandName::Log(arguments) => log::show(&arguments),
        CommandName::Doctor { node, json } => doctor::examine(&node.choice(), json),
        CommandName::Drain(arguments) => requests::drain(&arguments, true),
        CommandName::Undrain(arguments) => requests::drain(&arguments, false),
        CommandName::Check(arguments) => return check(arguments),
        CommandName::Migrate { file } => return runtime::migrate(&[file.into()]),
        CommandName::Generate { directory } => generate::into(&directory).map(|()| Exit::Well),
    };
    match outcome {
        Ok(exit) => exit.into(),
        // Whoever read the output has enough of it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("resty-vrrp: {error}");
            Exit::Wrong.into()
        }
    }
}

/// The exit status, as `resty-vrrp --help` lists it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Exit {
    Well = 0,
    Wrong = 1,
    Usage = 2,
    NoNode = 3,
    NoRights = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

fn show_status(arguments: &StatusArguments) -> io::Result<Exit> {
    let machine = match nodes_of(&arguments.node.choice())? {
        Ok(machine) => machine,
        Err(exit) => return Ok(exit),
    };
    let mut exit = Exit::Well;
    let mut text = String::new();
    let mut is_known = false;
    for node in &machine.nodes {
        let mut status = node.status();
        let asked =
            |one: &InstanceStatus| arguments.instance.as_ref().is_none_or(|it| one.name == *it);
        status.instances.retain(asked);
        is_known |= !status.instances.is_empty();
        if let Some(wanted) = arguments.wanted {
            let found = status.instances.iter().filter_map(|one| one.state);
            if !found.clone().all(|state| state == wanted.as_str()) {
                exit = Exit::Wrong;
            }
            text.extend(found.map(|state| format!("{state}\n")));
            continue;
        }
        exit = exit.max(health(&status));
        if arguments.json {
            text += &(words::json(&status)? + "\n");
        } else {
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{}", table::table(node, &status));
        }
    }
    if let Some(name) = arguments.instance.as_ref().filter(|_| !is_known) {
        eprintln!("resty-vrrp: no instance is named {}", words::shown(name));
        return Ok(Exit::Usage);
    }
    print(&text)?;
    if !arguments.json && arguments.wanted.is_none() {
        machine.complain();
    }
    Ok(exit)
}

/// The verdict of `GET …/healthz`.
fn health(status: &Status) -> Exit {
    let is_well = status.instances.iter().all(|one| one.state != Some("fault"));
    if is_well { Exit::Well } else { Exit::Wrong }
}

/// Shows the status every second. On a terminal it takes the place of the one before.
fn watch(choice: &Choice) -> io::Result<Exit> {
    let is_terminal = io::IsTerminal::is_terminal(&io::stdout());
    let mut shown = String::new();
    loop {
        let mut machine = Machine::survey();
        machine.choose(choice);
        let tables = machine.nodes.iter().map(|node| table::table(node, &node.status()));
        let text = match tables.collect::<Vec<_>>().join("\n") {
            text if text.is_empty() => machine.nothing().1,
            text => text,
        };
        if text != shown {
            let clear = if is_terminal { CLEAR } else { "" };
            print(&format!("{clear}{text}\n"))?;
            shown = text;
        }
        sleep(Duration::from_secs(1));
    }
}

fn check(arguments: ConfArguments) -> ExitCode {
    let usual = || if Path::new(OPENRESTY).exists() { OPENRESTY } else { "nginx" }.into();
    let nginx: OsString = arguments.nginx.unwrap_or_else(usual);
    // A relative path of nginx begins at its prefix.
    let file = absolute(&arguments.file).unwrap_or(arguments.file);
    let mut call = vec![nginx, "-c".into(), file.into()];
    call.extend(arguments.more);
    guard::check(&call)
}

/// Returns the nodes that are meant; else says why there are none.
fn nodes_of(choice: &Choice) -> io::Result<Result<Machine, Exit>> {
    let mut machine = Machine::survey();
    machine.choose(choice);
    if machine.nodes.is_empty() {
        let (exit, text) = machine.nothing();
        anstream::stderr().write_all(text.as_bytes())?;
        return Ok(Err(exit));
    }
    Ok(Ok(machine))
}

/// Returns the one node that is meant; else says which ones there are.
fn node_of(choice: &Choice) -> io::Result<Result<FoundNode, Exit>> {
    let mut machine = match nodes_of(choice)? {
        Ok(machine) => machine,
        Err(exit) => return Ok(Err(exit)),
    };
    if machine.nodes.len() == 1 {
        return Ok(Ok(machine.nodes.remove(0)));
    }
    let list = table::list(&machine.nodes);
    eprint!("resty-vrrp: there are several nodes here, choose one:\n{list}");
    Ok(Err(Exit::Usage))
}

impl Machine {
    /// Says what was not shown.
    fn complain(&self) {
        let elsewhere = self.others.iter().filter(|node| !node.is_in_this_namespace);
        let list = table::list(elsewhere);
        if !list.is_empty() {
            eprint!("resty-vrrp: there are more nodes in other network namespaces:\n{list}");
        }
        for problem in &self.unreadable {
            eprintln!("resty-vrrp: {problem}");
        }
    }

    /// Returns why there is no node to show.
    fn nothing(&self) -> (Exit, String) {
        if !self.unreadable.is_empty() {
            let problems = self.unreadable.iter().map(|problem| format!("{problem}\n"));
            return (Exit::Wrong, problems.collect());
        }
        if !self.others.is_empty() {
            let list = table::list(&self.others);
            return (Exit::NoNode, format!("there is no such node here; there are:\n{list}"));
        }
        let engines = engines_that_listen();
        if !engines.is_empty() {
            let text = format!(
                "an engine runs here ({}), and this user may not read its status: run resty-vrrp \
                 as root\n",
                engines.join(", ")
            );
            return (Exit::NoRights, text);
        }
        let mut text =
            "no engine runs here: there is no nginx with resty.vrrp on this machine".to_owned();
        if !rustix::process::geteuid().is_root() {
            text += ", or this user may not see it: root sees all";
        }
        (Exit::NoNode, format!("{text}\n{}", leftovers::text()))
    }
}

/// Writes a text with colours, where the terminal has any.
fn print(text: &str) -> io::Result<()> {
    let mut output = anstream::stdout().lock();
    output.write_all(text.as_bytes())?;
    output.flush()
}

/// Why an engine is not there to be asked.
fn problem_of(engine: &EngineSight) -> Option<String> {
    engine.problem().map(|why| format!("the engine does not run: {}", words::shown(why)))
}

const OPENRESTY: &str = "/usr/local/openresty/nginx/sbin/nginx";
/// Puts the cursor into the corner, and clears all after it.
const CLEAR: &str = "\x1b[H\x1b[2J";
