//! What can be asked on the command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};

use super::nodes::Choice;

/// Shows and controls resty.vrrp, the VRRP router inside nginx, on this machine.
///
/// Finds each nginx with resty.vrrp by its shared memory: no URL is needed, and it works when nginx
/// answers no request, too. Needs root, or the user of nginx.
#[derive(Debug, Parser)]
#[command(name = "resty-vrrp", version, after_help = EXIT_STATUS)]
#[command(after_long_help = format!("{EXIT_STATUS}\n\n{EXAMPLES}"))]
#[command(arg_required_else_help = true, disable_help_subcommand = true, max_term_width = 100)]
pub(super) struct CommandLine {
    #[command(subcommand)]
    pub(super) command: CommandName,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(super) enum CommandName {
    /// Shows the virtual routers: state, priority, active router, addresses, warnings
    ///
    /// Exits with 0 if every engine runs and no instance is in fault, else with 1. With --is, exits
    /// with 0 if the instance is in that state, else with 1.
    #[command(
        after_help = "resty-vrrp status --instance VI_1 --is active || exit 0    # in a cron job"
    )]
    Status(StatusArguments),
    /// Shows the status again every second, until interrupted
    Watch(NodeArguments),
    /// Shows the last lines of the engine, also those that nginx's error log leaves out
    ///
    /// The engine keeps the last 200 on shared memory: they can be read while nginx hangs, and
    /// those of before a reload are still there.
    Log(LogArguments),
    /// Says what is well on a node and how that is known, and what is not and what helps
    ///
    /// Exits with 1 if anything is a fault; a warning needs a look, and is none.
    Doctor {
        #[command(flatten)]
        node: NodeArguments,
        /// Prints the JSON of GET /ha/doctor?format=json: one line for each node
        #[arg(long)]
        json: bool,
    },
    /// Gives the addresses to another node and stays away from them, over reloads too
    ///
    /// Returns when another node has the addresses. Works without `control = true` in setup, which
    /// is for HTTP alone.
    Drain(RequestArguments),
    /// Takes part in the election again
    Undrain(RequestArguments),
    /// Checks an nginx.conf and its setup { }, without starting anything
    ///
    /// Exits with 1 if setup refuses its options, with 2 if nginx refuses the configuration or the
    /// configuration never calls setup.
    Check(ConfArguments),
    /// Prints the setup { } that does what a keepalived.conf does, and what is to be said of it
    Migrate {
        /// The keepalived.conf
        file: PathBuf,
    },
    /// Writes man pages and shell completions into a directory
    #[command(hide = true)]
    Generate {
        /// The directory
        directory: PathBuf,
    },
}

/// Which node is meant, where a machine has several.
#[derive(Args, Clone, Debug)]
pub(super) struct NodeArguments {
    /// The node whose engine has this `run_dir`
    #[arg(long, value_name = "DIRECTORY")]
    run_dir: Option<PathBuf>,
    /// The node of this process: its master, a worker, or its carrier
    #[arg(long, value_name = "PID")]
    pid: Option<i32>,
}

impl NodeArguments {
    pub(super) fn choice(&self) -> Choice {
        Choice { run_dir: self.run_dir.clone(), pid: self.pid }
    }
}

/// Arguments of `drain` and `undrain`.
#[derive(Args, Debug)]
pub(super) struct RequestArguments {
    #[command(flatten)]
    pub(super) node: NodeArguments,
    /// How long to wait until it is done
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u16,
}

/// Arguments of `status`.
#[derive(Args, Debug)]
pub(super) struct StatusArguments {
    #[command(flatten)]
    pub(super) node: NodeArguments,
    /// Prints the JSON of GET /ha/status: one line for each node
    #[arg(long)]
    pub(super) json: bool,
    /// This instance alone
    #[arg(long, value_name = "NAME")]
    pub(super) instance: Option<String>,
    /// Tells whether the instance is in this state
    #[arg(long = "is", value_name = "STATE", requires = "instance", conflicts_with = "json")]
    pub(super) wanted: Option<StateName>,
}

/// Arguments of `log`.
#[derive(Args, Debug)]
pub(super) struct LogArguments {
    #[command(flatten)]
    pub(super) node: NodeArguments,
    /// How many lines
    #[arg(short = 'n', long, value_name = "NUMBER", default_value_t = 200)]
    #[arg(value_parser = value_parser!(u16).range(1..=200))]
    pub(super) lines: u16,
    /// Goes on with the lines that come, until interrupted
    #[arg(short, long)]
    pub(super) follow: bool,
    /// Prints { at, level, text }: one line of JSON for each
    #[arg(long)]
    pub(super) json: bool,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(super) struct ConfArguments {
    /// The nginx.conf
    pub(super) file: PathBuf,
    /// The nginx that will run it [default: OpenResty's at its usual place, else the one of PATH]
    #[arg(long, value_name = "PROGRAM")]
    pub(super) nginx: Option<OsString>,
    /// More arguments with which nginx is started, such as -g 'user nginx;'
    #[arg(last = true, value_name = "ARGUMENTS")]
    pub(super) more: Vec<OsString>,
}

/// The states of a virtual router.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum StateName {
    /// Does not take part
    Initialize,
    /// Listens to the active router
    Backup,
    /// Holds the addresses
    Active,
    /// Something is wrong
    Fault,
}

impl StateName {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Fault => "fault",
        }
    }
}

const EXIT_STATUS: &str = "\
Exit status:
  0  done; or everything is well
  1  something is wrong, is not as asked, or cannot be done
  2  wrong arguments
  3  no nginx with resty.vrrp runs here
  4  this user may not look";

const EXAMPLES: &str = "\
Examples:
  resty-vrrp status                                    what is the case on this machine
  resty-vrrp status --json | jq '.instances[].state'   the same for programs
  resty-vrrp status --instance VI_1 --is active        for scripts: 0 if it is, 1 if not
  resty-vrrp drain && systemctl restart nginx          planned work without a failed connection
  resty-vrrp check /etc/nginx/nginx.conf               before a reload

Colours: where standard output is a terminal and NO_COLOR is not set.";
