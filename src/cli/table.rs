//! The status as a table for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::nodes::FoundNode;
use super::words::{age, count, shown};
use crate::status::document::{AddressStatus, InstanceStatus, WallTime, WarningStatus};
use crate::status::{EngineSight, Status};

/// Returns the status of a node: who it is, whether its engine runs and its nginx serves, one row
/// for each virtual router, and what needs a look.
pub(super) fn table(node: &FoundNode, status: &Status) -> String {
    let mut text = heading(node, status);
    let now = status.node.now;
    let mut rows = vec![COLUMNS.map(|title| Cell::new(title, BOLD))];
    rows.extend(status.instances.iter().map(|one| row(one, now)));
    text += &aligned(&rows);
    // Of an engine that does not run, the heading and the node say all.
    let runs = status.engine == EngineSight::Runs;
    let told = if runs { &status.instances[..] } else { &[] };
    for one in told {
        if let Some(fault) = &one.fault {
            text += &format!("{} {}: {}\n", styled("fault", RED), shown(&one.name), shown(fault));
        }
    }
    let of_node = status.node.warnings.iter().map(|warning| ("node", warning));
    let of_each = told.iter().flat_map(|one| one.warnings.iter().map(|it| (one.name.as_str(), it)));
    for (name, warning) in of_node.chain(of_each) {
        text += &warning_line(name, warning, now);
    }
    text
}

/// Returns one line for each of several nodes, and how to choose it.
pub(super) fn list<'a>(nodes: impl IntoIterator<Item = &'a FoundNode>) -> String {
    let line = |node: &FoundNode| {
        let status = node.status();
        let name = shown(&status.node.router_id);
        format!("  {name}: {}\n", place_of(node))
    };
    nodes.into_iter().map(line).collect()
}

fn heading(node: &FoundNode, status: &Status) -> String {
    let runs = status.engine == EngineSight::Runs;
    let one = &status.node;
    let carrier = one.carrier.unwrap_or("no carrier");
    let workers = format!("{} of {} live", one.workers.alive, count_of_workers(one.workers.total));
    let engine = match &status.engine {
        EngineSight::Runs => styled("the engine runs", GREEN),
        EngineSight::Awaited(why) => {
            styled(&format!("the engine has yet to run: {}", shown(why)), YELLOW)
        }
        EngineSight::Down(why) => styled(&format!("the engine does not run: {}", shown(why)), RED),
    };
    let nginx = if one.workers.alive == 0 {
        styled(&format!("nginx does not serve: {workers}"), RED)
    } else if one.healthy || !runs {
        styled(&format!("nginx serves: {workers}"), GREEN)
    } else {
        styled(&format!("nginx does not serve as it should: {workers}"), RED)
    };
    let drained =
        if one.draining { format!("; {}", styled("drained", YELLOW)) } else { String::new() };
    format!(
        "{}: {}, {}, resty.vrrp {}, {}\n{engine}; {nginx}{drained}\n",
        styled(&shown(&one.router_id), BOLD),
        shown(&one.nginx),
        carrier,
        shown(&one.module),
        place_of(node),
    )
}

fn count_of_workers(total: u32) -> String {
    count(usize::try_from(total).unwrap_or(usize::MAX), "worker")
}

/// Returns by what a node is chosen.
fn place_of(node: &FoundNode) -> String {
    let run_dir = match node.run_dir.as_str() {
        "" => String::new(),
        directory => format!(", --run-dir {}", shown(directory)),
    };
    let elsewhere = if node.is_in_this_namespace { "" } else { ", in another network namespace" };
    format!("--pid {}{run_dir}{elsewhere}", node.pid)
}

fn row(one: &InstanceStatus, now: WallTime) -> [Cell; 6] {
    let state = one.state.unwrap_or("unknown");
    let reason = one.reason.as_deref().map(|it| format!(" ({})", shown(it))).unwrap_or_default();
    let style = match state {
        "active" => GREEN,
        "fault" => RED,
        "initialize" => YELLOW,
        _ => PLAIN,
    };
    let since = one.since.map_or("-".to_owned(), |since| age(now.0.saturating_sub(since.0)));
    let priority = if one.priority == one.effective_priority {
        one.priority.to_string()
    } else {
        format!("{} of {}", one.effective_priority, one.priority)
    };
    let active = match &one.active {
        Some(active) if active.is_self => "this node".to_owned(),
        Some(active) => format!("{} ({})", active.address, active.priority),
        None => "-".to_owned(),
    };
    let link = shown(&one.interface);
    [
        Cell::new(&format!("{} ({link}, {})", shown(&one.name), one.vrid), PLAIN),
        Cell::new(&format!("{state}{reason}"), style),
        Cell::new(&since, PLAIN),
        Cell::new(&priority, PLAIN),
        Cell::new(&active, PLAIN),
        Cell::new(&addresses(one), PLAIN),
    ]
}

fn addresses(one: &InstanceStatus) -> String {
    let held = one.addresses.iter().filter(|address| address.assigned).count();
    let first = one.addresses.first().map_or_else(|| "-".to_owned(), placed);
    match one.addresses.len() {
        0 | 1 if held == 1 => format!("{first} here"),
        0 | 1 => first,
        all => format!("{first} and {} more, {held} of {all} here", all - 1),
    }
}

/// Returns an address with its interface, if that is another one than the instance's.
fn placed(one: &AddressStatus) -> String {
    match &one.interface {
        Some(interface) => format!("{} on {}", one.address, shown(interface)),
        None => one.address.clone(),
    }
}

fn warning_line(name: &str, warning: &WarningStatus, now: WallTime) -> String {
    let since = warning.since.map(|since| age(now.0.saturating_sub(since.0)));
    let since = since.map(|since| format!(" for {since}")).unwrap_or_default();
    let what = styled(&shown(&warning.name), YELLOW);
    format!("{what} {}{since}: {}\n", shown(name), shown(&warning.text))
}

/// A text, and how it looks.
struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    fn new(text: &str, style: Style) -> Self {
        Self { text: text.to_owned(), style }
    }

    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Returns rows with columns below each other.
fn aligned<const N: usize>(rows: &[[Cell; N]]) -> String {
    let widths: Vec<_> = (0..N)
        .map(|column| rows.iter().map(|row| row[column].width()).max().unwrap_or_default())
        .collect();
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let gap = if column + 1 == N { 0 } else { widths[column] - cell.width() + 2 };
            write!(text, "{}{:gap$}", styled(&cell.text, cell.style), "").ok();
        }
        text.push('\n');
    }
    text
}

/// Returns a text with the sequences of its style; they are left out where there is no terminal.
pub(super) fn styled(text: &str, style: Style) -> String {
    format!("{style}{text}{style:#}")
}

const COLUMNS: [&str; 6] = ["INSTANCE", "STATE", "SINCE", "PRIORITY", "ACTIVE", "ADDRESSES"];
pub(super) const PLAIN: Style = Style::new();
pub(super) const BOLD: Style = Style::new().bold();
pub(super) const GREEN: Style = AnsiColor::Green.on_default();
pub(super) const YELLOW: Style = AnsiColor::Yellow.on_default();
pub(super) const RED: Style = AnsiColor::Red.on_default();
