//! `log`: the last lines of the engine, as they stand on the board of the node.

use std::io;
use std::thread::sleep;
use std::time::Duration;

use anstyle::Style;
use serde::Serialize;

use super::arguments::LogArguments;
use super::nodes::{Choice, Machine, now};
use super::table::{PLAIN, RED, YELLOW, styled};
use super::words::{json, shown};
use super::{Exit, node_of, print};
use crate::status::document::{Clocks, WallTime};
use crate::status::layout::{LineSlot, untext};

/// A line of the engine.
#[derive(Debug, Serialize)]
struct LogLine {
    at: Option<WallTime>,
    level: &'static str,
    text: String,
}

/// Prints the last lines of a node, and with `follow` those that come.
pub(super) fn show(arguments: &LogArguments) -> io::Result<Exit> {
    let choice = arguments.node.choice();
    let node = match node_of(&choice)? {
        Ok(node) => node,
        Err(exit) => return Ok(exit),
    };
    let all = node.lines();
    let wanted = all.len().saturating_sub(arguments.lines.into());
    print_all(&all[wanted..], arguments.json)?;
    if arguments.follow {
        return follow(&choice, all, arguments.json);
    }
    Ok(Exit::Well)
}

/// Prints the lines that come after some, until this process is interrupted.
fn follow(choice: &Choice, mut known: Vec<LineSlot>, as_json: bool) -> io::Result<Exit> {
    loop {
        sleep(PAUSE);
        // A reload makes another board, with the lines of the one before.
        let mut machine = Machine::survey();
        machine.choose(choice);
        let [node] = &machine.nodes[..] else { continue };
        let all = node.lines();
        let is_known = |line: &&LineSlot| {
            let same = |it: &LineSlot| (it.at_ms, it.text) == (line.at_ms, line.text);
            known.iter().any(same)
        };
        let new: Vec<_> = all.iter().filter(|line| !is_known(line)).copied().collect();
        print_all(&new, as_json)?;
        known = all;
    }
}

fn print_all(lines: &[LineSlot], as_json: bool) -> io::Result<()> {
    let clocks = now();
    let mut text = String::new();
    for slot in lines {
        let line = LogLine::of(slot, clocks);
        text += &if as_json { json(&line)? } else { line.in_words() };
        text.push('\n');
    }
    print(&text)
}

impl LogLine {
    fn of(slot: &LineSlot, clocks: Clocks) -> Self {
        let level = match slot.level {
            4 => "error",
            5 => "warn",
            _ => "notice",
        };
        Self { at: clocks.wall_time(slot.at_ms), level, text: untext(&slot.text) }
    }

    fn in_words(&self) -> String {
        let at = self.at.map(|at| at.to_string()).unwrap_or_default();
        let level = styled(&format!("[{}]", self.level), self.style());
        format!("{at} {level} {}", shown(&self.text))
    }

    fn style(&self) -> Style {
        match self.level {
            "error" => RED,
            "warn" => YELLOW,
            _ => PLAIN,
        }
    }
}

const PAUSE: Duration = Duration::from_millis(500);
