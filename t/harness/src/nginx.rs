//! A running nginx on a host.

use std::fs::{self, File};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::User;

use crate::carrier::{Carrier, CarrierKind, install};
use crate::failpoints::Failpoints;
use crate::host::Host;
use crate::leftovers::interrupted;
use crate::process::{Process, all_pids, is_alive, signal};
use crate::wait::{eventually, wait_until};

/// An nginx with a prefix, a pid file and logs of its own. Dropping it kills it.
///
/// It is a daemon, as under systemd. Its configuration is used as written but for one line at the
/// beginning of `http { … }`, which makes temporary files go under the prefix and lets Lua find the
/// module; and, by `-g`, the pid file, the error log, the user and the Lua modules.
#[derive(Debug)]
pub struct Nginx {
    host: Host,
    carrier: Carrier,
    prefix: PathBuf,
}

/// Which of its processes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// All of them.
    All,
    /// The master, or two during an upgrade.
    Master,
    /// Workers that accept connections.
    Worker,
    /// Workers that are shutting down.
    Leaving,
    /// The privileged agent.
    Agent,
    /// Whoever carries the thread `vrrp`.
    Carrier,
}

/// Why nginx did not start.
#[derive(Clone, Debug)]
pub struct StartFailure {
    /// How its process ended.
    pub status: ExitStatus,
    /// What it wrote to the terminal.
    pub output: String,
    /// What it wrote to its error log.
    pub error_log: String,
}

impl Nginx {
    /// Writes the configuration and starts nginx; panics with its messages when it does not start.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host, carrier: &Carrier, conf: &str) -> Self {
        let nginx = Self::prepare(host, carrier, conf);
        nginx.launch().unwrap_or_else(|failure| {
            panic!("{} does not start: {}{}", nginx.label(), failure.output, failure.error_log)
        });
        nginx
    }

    /// Writes the configuration without starting nginx.
    #[must_use]
    #[track_caller]
    pub fn prepare(host: &Host, carrier: &Carrier, conf: &str) -> Self {
        let prefix = host.new_directory("nginx");
        let nginx = Self { host: host.clone(), carrier: carrier.clone(), prefix };
        for directory in ["conf", "logs", "temp"] {
            fs::create_dir(nginx.prefix.join(directory)).expect("the prefix is new");
        }
        nginx.write("nginx.conf", conf);
        nginx.make_run_directory();
        if carrier.kind == CarrierKind::Worker {
            for place in ["", "logs", "temp"].map(|place| nginx.prefix.join(place)) {
                give_to_www_data(&place);
            }
        }
        nginx
    }

    /// Starts nginx and waits until a worker is there.
    #[track_caller]
    pub fn launch(&self) -> Result<(), StartFailure> {
        self.launch_with(&[])
    }

    /// Starts nginx with more variables in its environment, and waits until a worker is there.
    #[track_caller]
    pub fn launch_with(&self, variables: &[(&str, &str)]) -> Result<(), StartFailure> {
        self.call(&[], variables)?;
        wait_until(&format!("{} has a worker", self.label()), PATIENCE, || {
            self.master().is_some_and(is_alive) && !self.pids(Role::Worker).is_empty()
        });
        Ok(())
    }

    /// Starts nginx with numbers of processes of its own, as in a container, and waits until a
    /// worker is there. It ends when the returned value is dropped.
    #[must_use]
    #[track_caller]
    pub fn launch_in_a_container(&self) -> Process {
        let mut container = Command::new("unshare");
        container.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        // Somebody has to stay, as process 1.
        container.args(["sh", "-c", r#""$@"; exec sleep 600"#, "sh"]);
        let nginx = self.command();
        container.arg(nginx.get_program()).args(nginx.get_args()).env_remove("NGINX");
        let container = self.host.spawn(&mut container);
        wait_until(&format!("{} has a worker", self.label()), PATIENCE, || {
            !self.pids(Role::Worker).is_empty()
        });
        container
    }

    /// Writes a file beside `nginx.conf`, or `nginx.conf` itself, for the next start or reload.
    #[track_caller]
    pub fn write(&self, name: &str, text: &str) {
        let text = if name == "nginx.conf" { self.adapted(text) } else { text.to_owned() };
        fs::write(self.prefix.join("conf").join(name), text).expect("the prefix is writable");
    }

    /// Returns where its files are.
    #[must_use]
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Returns which nginx it is.
    #[must_use]
    pub fn carrier(&self) -> &Carrier {
        &self.carrier
    }

    /// Returns where its engine can be made to fail, as long as it has the configuration that was
    /// written last. Takes a [fallible lab](crate::Lab::fallible).
    #[must_use]
    #[track_caller]
    pub fn failpoints(&self) -> Failpoints {
        Failpoints::last_in(&self.prefix)
    }

    /// Runs `nginx -t` on the configuration.
    pub fn check(&self) -> Result<(), StartFailure> {
        self.call(&["-t", "-q"], &[])
    }

    /// Reloads, and waits until new workers serve and the old ones accept no more.
    #[track_caller]
    pub fn reload(&self) {
        self.try_reload().unwrap_or_else(|said| panic!("{} does not reload: {said}", self.label()));
    }

    /// Reloads; says what the log does when nginx stays with the old configuration.
    #[track_caller]
    pub fn try_reload(&self) -> Result<(), String> {
        let log_before = self.error_log().len();
        let old = self.pids(Role::Worker);
        self.signal(Role::Master, Signal::SIGHUP);
        eventually("nginx reloads", PATIENCE, || {
            let said = self.error_log().split_off(log_before);
            let workers = self.pids(Role::Worker);
            let replaced = !workers.is_empty() && workers.iter().all(|pid| !old.contains(pid));
            match (replaced, said.contains("[emerg]") || said.contains("init_by_lua error")) {
                (_, true) => Ok(Err(said)),
                (true, false) => Ok(Ok(())),
                (false, false) => Err(said),
            }
        })
    }

    /// Quits gracefully and waits until every process has gone.
    #[track_caller]
    pub fn quit(&self) {
        self.signal(Role::Master, Signal::SIGQUIT);
        self.wait_for_the_end();
    }

    /// Stops at once and waits until every process has gone.
    #[track_caller]
    pub fn stop(&self) {
        self.signal(Role::Master, Signal::SIGTERM);
        self.wait_for_the_end();
    }

    /// Waits until every process has gone.
    #[track_caller]
    pub fn wait_for_the_end(&self) {
        eventually(&format!("{} ends", self.label()), PATIENCE, || {
            let left = self.pids(Role::All);
            if left.is_empty() { Ok(()) } else { Err(format!("processes {left:?}")) }
        });
    }

    /// Kills processes outright, with no chance to say good-bye.
    pub fn kill9(&self, role: Role) {
        self.signal(role, Signal::SIGKILL);
        if role == Role::All {
            // The master may have started one more after it was looked who there is.
            self.signal(role, Signal::SIGKILL);
        }
    }

    /// Sends a signal to every process of a role, as fast as can be.
    pub fn signal(&self, role: Role, which: Signal) {
        self.pids(role).into_iter().for_each(|pid| signal(pid, which));
    }

    /// Returns the master's process id, from the pid file.
    #[must_use]
    pub fn master(&self) -> Option<i32> {
        fs::read_to_string(self.prefix.join("nginx.pid")).ok()?.trim().parse().ok()
    }

    /// Returns the processes of a role, by ascending id, also those of a master that is dead.
    #[must_use]
    pub fn pids(&self, role: Role) -> Vec<i32> {
        let mut pids = all_pids();
        pids.retain(|&pid| has_role(pid, role) && self.owns(pid));
        pids.sort_unstable();
        pids
    }

    /// Returns the process that carries the thread `vrrp`, once there is one.
    #[must_use]
    #[track_caller]
    pub fn carrier_pid(&self) -> i32 {
        eventually(&format!("{} carries vrrp", self.label()), PATIENCE, || {
            self.pids(Role::Carrier).first().copied().ok_or_else(|| self.error_log())
        })
    }

    /// Returns the error log.
    #[must_use]
    pub fn error_log(&self) -> String {
        let bytes = fs::read(self.error_log_path()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns the lines of the error log that an administrator would worry about. A change of
    /// state is none: tests bring those about.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let is_change = |line: &str| line.contains(" -> ") && line.contains(", reason: ");
        let bad =
            |line: &&str| SERIOUS.iter().any(|level| line.contains(level)) && !is_change(line);
        self.error_log().lines().filter(bad).map(str::to_owned).collect()
    }

    /// Checks that the error log holds nothing of level error or worse.
    #[track_caller]
    pub fn assert_no_complaints(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{}:\n{}", self.label(), complaints.join("\n"));
    }

    /// Runs the executable with our directives and some more arguments, to its end.
    #[track_caller]
    fn call(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Result<(), StartFailure> {
        let terminal = self.prefix.join("terminal");
        let out = File::create(&terminal).expect("the prefix is writable");
        let copy = out.try_clone().expect("a file can be shared");
        let mut command = self.command();
        command.args(arguments).envs(variables.iter().copied()).stdout(out).stderr(copy);
        let status = self.host.spawn(&mut command).wait(PATIENCE);
        let output = fs::read_to_string(terminal).unwrap_or_default();
        if status.success() {
            return Ok(());
        }
        Err(StartFailure { status, output, error_log: self.error_log() })
    }

    fn command(&self) -> Command {
        let mut command = match self.carrier.kind {
            CarrierKind::Agent => Command::new(&self.carrier.program),
            CarrierKind::Worker => {
                let mut command = Command::new("setpriv");
                command.args(AS_WWW_DATA).arg(&self.carrier.program);
                command
            }
        };
        // nginx takes it for the list of sockets that a predecessor hands over, and does not go
        // into the background.
        command.env_remove("NGINX");
        command.arg("-p").arg(&self.prefix).arg("-c").arg(self.prefix.join("conf/nginx.conf"));
        command.arg("-e").arg(self.error_log_path()).arg("-g").arg(self.directives());
        command
    }

    fn directives(&self) -> String {
        let pid = self.prefix.join("nginx.pid");
        let log = self.error_log_path();
        let mut text = format!("pid {}; error_log {} notice;", pid.display(), log.display());
        let conf = fs::read_to_string(self.prefix.join("conf/nginx.conf")).unwrap_or_default();
        if self.carrier.kind == CarrierKind::Agent && !sets(&conf, "user") {
            text.push_str(" user www-data;");
        }
        if sets(&conf, "load_module") {
            return text;
        }
        let modules = self.carrier.modules.iter();
        let lines: Vec<_> = modules.map(|it| format!(" load_module {};", it.display())).collect();
        text + &lines.concat()
    }

    /// Adds what every configuration needs here.
    fn adapted(&self, conf: &str) -> String {
        let temp = self.prefix.join("temp");
        let mut line: Vec<String> = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {}/{name};", temp.display()))
            .into();
        if !sets(conf, "access_log") {
            line.push("access_log off;".to_owned());
        }
        if !sets(conf, "lua_package_path") {
            let lualib = install(self.host.lab_directory());
            let lualib = lualib.display();
            line.push(format!("lua_package_path \"{lualib}/?.lua;;\";"));
            line.push(format!("lua_package_cpath \"{lualib}/?.so;;\";"));
        }
        let failpoints = Failpoints::new_in(&self.prefix).directive();
        failpoints + &conf.replacen("http {", &format!("http {{ {}", line.join(" ")), 1)
    }

    /// Makes what systemd makes by `RuntimeDirectory=`.
    fn make_run_directory(&self) {
        let (path, owned) = match self.carrier.kind {
            CarrierKind::Agent => ("/run/openresty", false),
            CarrierKind::Worker => ("/run/resty-vrrp", true),
        };
        self.host.enter(|| {
            fs::create_dir_all(path).expect("a host has a /run of its own");
            if owned {
                give_to_www_data(Path::new(path));
            }
        });
    }

    /// Tells whether a process is ours: all of ours, and no others, have our log open.
    fn owns(&self, pid: i32) -> bool {
        let log = self.error_log_path();
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        files.filter_map(|file| fs::read_link(file.path()).ok()).any(|target| target == log)
    }

    fn error_log_path(&self) -> PathBuf {
        self.prefix.join("logs/error.log")
    }

    fn label(&self) -> String {
        format!("{} on {}", self.carrier.version, self.host.name())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if thread::panicking() && !interrupted() {
            let log = self.error_log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(TAIL)..];
            eprintln!("--- end of the error log of {}\n{}\n---", self.label(), tail.join("\n"));
        }
        for _ in 0..ROUNDS {
            let pids = self.pids(Role::All);
            if pids.is_empty() {
                break;
            }
            for pid in pids {
                signal(pid, Signal::SIGKILL);
            }
            thread::sleep(Duration::from_millis(2));
        }
    }
}

fn has_role(pid: i32, role: Role) -> bool {
    let Ok(title) = fs::read(format!("/proc/{pid}/cmdline")) else { return false };
    let Some(title) = title.strip_prefix(b"nginx: ") else { return false };
    let leaving = title.starts_with(b"worker process is shutting down");
    match role {
        Role::All => true,
        Role::Master => title.starts_with(b"master process"),
        Role::Worker => title.starts_with(b"worker process") && !leaving,
        Role::Leaving => leaving,
        Role::Agent => title.starts_with(b"privileged agent"),
        Role::Carrier => carries(pid),
    }
}

fn carries(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads
        .filter_map(|thread| fs::read_to_string(thread.path().join("comm")).ok())
        .any(|name| name.trim_end() == "vrrp")
}

/// Tells whether a configuration has a directive, at the beginning of a line.
fn sets(conf: &str, directive: &str) -> bool {
    conf.lines().any(|line| line.split_whitespace().next() == Some(directive))
}

fn give_to_www_data(path: &Path) {
    let user = User::from_name("www-data").ok().flatten().expect("Debian has www-data");
    let (uid, gid) = (user.uid.as_raw(), user.gid.as_raw());
    chown(path, Some(uid), Some(gid)).expect("root may give files away");
}

/// As in the unit: a user without rights, but for three capabilities.
const AS_WWW_DATA: &[&str] = &[
    "--reuid=www-data",
    "--regid=www-data",
    "--clear-groups",
    "--inh-caps=+net_admin,+net_raw,+net_bind_service",
    "--ambient-caps=+net_admin,+net_raw,+net_bind_service",
];

const SERIOUS: &[&str] = &["[error]", "[crit]", "[alert]", "[emerg]"];
const PATIENCE: Duration = Duration::from_secs(10);
const ROUNDS: usize = 500;
const TAIL: usize = 30;
