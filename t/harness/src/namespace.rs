//! Network namespaces, and the rest of what makes processes believe in a host of their own.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::process::Command;
use std::{fs, thread};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::sethostname;

use crate::process::{all_pids, run};

/// A network namespace made with `ip netns`.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    net: File,
    host: Option<HostView>,
}

/// A host name of its own, and `/run` and `/sys` of its own.
#[derive(Debug)]
struct HostView {
    uts: File,
    mounts: File,
}

impl Namespace {
    /// Makes a namespace with nothing but its network.
    pub(crate) fn new(name: &str) -> Self {
        run(Command::new("ip").args(["netns", "add", name]));
        run(Command::new("ip").args(["-n", name, "link", "set", "lo", "up"]));
        Self { name: name.to_owned(), net: open(&path(name)), host: None }
    }

    /// Makes a namespace whose processes see `host_name`, an empty `/run` and their own `/sys`.
    ///
    /// Without that, two hosts would share the name that is the default of `router_id`, and the
    /// directory for locks and sockets.
    pub(crate) fn with_host_view(name: &str, host_name: &str) -> Self {
        let mut namespace = Self::new(name);
        let view = namespace.enter(|| HostView::new(host_name));
        namespace.host = Some(view);
        namespace
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` in a thread inside the namespace. Children that it starts stay inside.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let inside = || {
            self.join();
            work()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Moves the calling thread inside, for good.
    pub(crate) fn join(&self) {
        // A thread that shares its working directory with others may not change its mounts.
        unshare(CloneFlags::CLONE_FS).expect("a thread may have its own working directory");
        if let Some(host) = &self.host {
            setns(host.mounts.as_fd(), CloneFlags::CLONE_NEWNS).expect("root may change mounts");
            setns(host.uts.as_fd(), CloneFlags::CLONE_NEWUTS).expect("root may change host names");
        }
        setns(self.net.as_fd(), CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
    }

    /// Runs `ip` on this namespace and returns what it prints.
    #[track_caller]
    pub(crate) fn ip(&self, arguments: &str) -> String {
        run(Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')))
    }

    /// Returns the processes inside.
    pub(crate) fn pids(&self) -> Vec<i32> {
        pids_inside(&self.name)
    }
}

impl HostView {
    /// Gives the calling thread a view of its own and keeps it for others to join.
    fn new(host_name: &str) -> Self {
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).expect("root may do so");
        sethostname(host_name).expect("the name is short");
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_SLAVE, nothing)
            .expect("root may keep mounts to itself");
        mount(Some("run"), "/run", Some("tmpfs"), MsFlags::MS_NOSUID, Some("mode=755"))
            .expect("root may mount a tmpfs");
        // Some containers forbid it; then /sys shows the machine, which nothing here looks at.
        mount(Some("sysfs"), "/sys", Some("sysfs"), MsFlags::empty(), nothing).ok();
        Self { uts: open("/proc/thread-self/ns/uts"), mounts: open("/proc/thread-self/ns/mnt") }
    }
}

/// Returns the namespaces whose names begin with `prefix`.
pub(crate) fn names_with(prefix: &str) -> Vec<String> {
    let entries = fs::read_dir(DIRECTORY).into_iter().flatten();
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| name.starts_with(prefix)).collect()
}

/// Returns the processes inside a namespace. Threads of this process inside it do not count.
pub(crate) fn pids_inside(name: &str) -> Vec<i32> {
    let Ok(wanted) = fs::metadata(path(name)) else { return Vec::new() };
    let mut pids = all_pids();
    pids.retain(|pid| {
        fs::metadata(format!("/proc/{pid}/ns/net"))
            .is_ok_and(|is| (is.dev(), is.ino()) == (wanted.dev(), wanted.ino()))
    });
    pids
}

fn path(name: &str) -> String {
    format!("{DIRECTORY}/{name}")
}

fn open(path: &str) -> File {
    File::open(path).unwrap_or_else(|error| panic!("cannot open {path}: {error}"))
}

const DIRECTORY: &str = "/run/netns";
