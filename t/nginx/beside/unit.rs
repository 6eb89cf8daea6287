//! Debian's nginx as its unit starts it with the drop-in: as a user of its own.

use std::fs;
use std::path::{Path, PathBuf};

use harness::{
    Host, Lab, Signal, carriers, conf, eventually, library, project, signal, wait_until,
};

use super::installation::make;
use crate::{ONE, PATIENCE, conf_with, get, status_when};

#[test]
fn nginx_of_a_unit_runs_as_a_user_of_its_own_and_finds_all_that_it_needs() {
    on_every_debian("unit", |host, unit| {
        unit.start(host);

        let status = status_when(host, "active");

        assert_eq!(status["node"]["carrier"], "worker");
        let all = host.pids();
        // A master, two workers, a guard.
        assert!(all.len() >= 4, "{all:?}");
        for pid in all {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
            let runs_as = status.lines().find_map(|line| line.strip_prefix("Uid:\t"));
            assert_eq!(runs_as, Some([OWN_ID; 4].join("\t").as_str()), "{pid}");
        }
        let stored = host.exec("curl", &["-fsS", "-d", "a body", "http://127.0.0.1/body"]);
        assert!(stored.starts_with("/var/lib/nginx/body/"), "{stored}");
        wait_until("it is logged", PATIENCE, || error_log(host).contains("-> active"));
        for check in [
            format!("{} {}", unit.as_its_user(), unit.one("ExecReload")),
            readme_command("sh -c").replace("/etc/systemd/system", &shipped("systemd")),
        ] {
            let checked = sh(host, &format!("{check} 2>&1"));
            assert!(checked.contains("configuration is valid"), "{checked}");
        }
        let owner = host.exec("stat", &["-c", "%u", "/var/lib/nginx/body"]);
        assert_eq!(owner.trim(), OWN_ID);
    });
}

#[test]
fn nginx_of_a_unit_follows_the_rotation_of_its_logs_and_starts_with_logs_of_www_data() {
    on_every_debian("rotation", |host, unit| {
        unit.start(host);
        status_when(host, "active");
        // As an administrator does it once.
        sh(host, &readme_command("sed -i"));

        rotate_logs(host);

        wait_until("the new log is written", PATIENCE, || {
            get(host, "/after-rotation");
            host.exec("cat", &["/var/log/nginx/access.log"]).contains("/after-rotation")
        });
        eventually("nobody writes into the old one", PATIENCE, || {
            let mut pids = host.pids();
            pids.retain(|pid| has_open(*pid, "error.log.1"));
            if pids.is_empty() { Ok(()) } else { Err(format!("{pids:?}")) }
        });

        // An update of the package may bring its own rotation back.
        kill_all(host);
        sh(host, "chown www-data /var/log/nginx/*.log");
        unit.start(host);

        status_when(host, "active");
        assert!(!error_log(host).contains("Permission denied"), "{}", error_log(host));
    });
}

#[test]
fn another_program_of_www_data_can_neither_stop_nginx_of_a_unit_nor_meet_its_engine() {
    on_every_debian("www-data", |host, unit| {
        unit.start(host);
        let before = status_when(host, "active");
        let pid = &before["node"]["pid"];
        let door = host.exec("find", &["/run/resty-vrrp", "-name", "*.sock"]);
        let door = door.trim();
        let knock = format!("perl -MIO::Socket::UNIX -e '{KNOCK}' {door}");
        let as_www_data = |command: &str| sh(host, &format!("{AS_WWW_DATA} {command} 2>&1; :"));

        for command in [
            format!("/bin/kill -9 {pid}"),
            format!("rm -f {door}"),
            format!("sh -c ': > /proc/{pid}/mem'"),
            "sh -c ': >> /var/log/nginx/error.log'".to_owned(),
            "sh -c ': > /run/nginx/nginx.pid'".to_owned(),
            "touch /var/lib/nginx/body/mine".to_owned(),
            knock.clone(),
        ] {
            let said = as_www_data(&command).to_lowercase();
            let denied = ["permission denied", "not permitted"];
            assert!(denied.iter().any(|words| said.contains(words)), "{command}: {said:?}");
        }
        // As if nothing but who the visitor is stood in the way.
        host.exec("chmod", &["666", door]);
        assert_eq!(as_www_data(&knock), "");

        let told = "turned away: a process of user 33 wants to take the routers over";
        wait_until("it is told", PATIENCE, || error_log(host).contains(told));
        let after = get(host, "/ha/status").json();
        assert_eq!(after["node"]["pid"], before["node"]["pid"]);
        let transitions =
            |status: &serde_json::Value| status["instances"][0]["transitions"].clone();
        assert_eq!(transitions(&after), transitions(&before));
    });
}

/// What the drop-in sets.
pub(crate) struct Unit {
    settings: Vec<(String, String)>,
}

impl Unit {
    fn read() -> Self {
        Self::of(&conf("systemd/nginx.service.d/resty-vrrp.conf"))
    }

    pub(crate) fn of(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let settings = lines.filter_map(|line| line.split_once('='));
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { settings: settings.collect() }
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let settings = self.settings.iter().filter(move |(it, _)| it == name);
        settings.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    #[track_caller]
    fn one(&self, name: &str) -> &str {
        self.all(name).next().unwrap_or_else(|| panic!("the drop-in sets {name}"))
    }

    /// Does what systemd does to start the unit.
    #[track_caller]
    pub(crate) fn start(&self, host: &Host) {
        let owner = format!("{}:{}", self.one("User"), self.one("Group"));
        for (setting, place) in [("RuntimeDirectory", "/run"), ("StateDirectory", "/var/lib")] {
            for name in self.one(setting).split(' ') {
                let path = format!("{place}/{name}");
                host.exec("mkdir", &["-p", &path]);
                host.exec("chown", &["-R", &owner, &path]);
            }
        }
        for command in self.all("ExecStartPre").chain(self.all("ExecStart")) {
            match command.strip_prefix('+') {
                Some(of_root) => sh(host, of_root),
                None => sh(host, &format!("{} {command}", self.as_its_user())),
            };
        }
    }

    /// Returns what to write before a command that has no more rights than the unit.
    fn as_its_user(&self) -> String {
        let capabilities = self.one("AmbientCapabilities").to_lowercase();
        let few = capabilities.replace("cap_", "+").replace(' ', ",");
        format!(
            "setpriv --reuid={} --regid={} --groups={} --no-new-privs --bounding-set=-all,{few} \
             --inh-caps={few} --ambient-caps={few}",
            self.one("User"),
            self.one("Group"),
            self.one("SupplementaryGroups"),
        )
    }
}

/// Runs a test with each nginx of Debian's, on a host that has what its packages make.
fn on_every_debian(name: &str, test: impl Fn(&Host, &Unit)) {
    for carrier in carriers().iter().filter(|it| it.program == Path::new("/usr/sbin/nginx")) {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let debian = Debian { root: lab.directory().join("debian"), host: &host };
        debian.make_users();
        debian.make_directories();
        debian.install_the_module();
        test(&host, &Unit::read());
    }
}

/// A host with files of its own in the usual places.
struct Debian<'a> {
    root: PathBuf,
    host: &'a Host,
}

impl Debian<'_> {
    /// Makes the user that the drop-in names, as `systemd-sysusers` does.
    fn make_users(&self) {
        let shipped = conf("systemd/sysusers.d/resty-vrrp.conf");
        let user = shipped.lines().find_map(|line| line.strip_prefix("u "));
        let user = user.and_then(|line| line.split(' ').next()).expect("it makes a user");
        let lines = [
            ("/etc/passwd", format!("{user}:x:{OWN_ID}:{OWN_ID}::/:/usr/sbin/nologin\n")),
            ("/etc/group", format!("{user}:x:{OWN_ID}:\n")),
        ];
        for (file, line) in lines {
            let others = fs::read_to_string(file).expect("anybody may read it");
            let others: String = others
                .lines()
                .filter(|it| !it.starts_with(user))
                .fold(String::new(), |text, line| text + line + "\n");
            self.put(file, &(others + &line));
            self.mount(file);
        }
    }

    fn make_directories(&self) {
        let nginx = conf_with(ONE).replacen("server {", STORES_BODIES, 1);
        self.put("/etc/nginx/nginx.conf", &nginx);
        let modules = "/etc/nginx/modules-enabled";
        self.host.exec("cp", &["-r", modules, &self.path("/etc/nginx").display().to_string()]);
        let rotation = fs::read_to_string("/etc/logrotate.d/nginx").expect("Debian has it");
        self.put("/etc/logrotate.d/nginx", &rotation);
        self.put("/var/log/nginx/access.log", "");
        self.put("/var/log/nginx/error.log", "");
        self.put("/var/lib/nginx/body/of-www-data", "");
        for path in ["/etc/nginx", "/etc/logrotate.d", "/var/log/nginx", "/var/lib/nginx"] {
            self.mount(path);
        }
        sh(self.host, "chown www-data:adm /var/log/nginx/*; chmod 640 /var/log/nginx/*");
        sh(self.host, "chown -R www-data /var/lib/nginx/body; chmod 700 /var/lib/nginx/body");
    }

    /// Has `make` install the module where a stock nginx looks for it.
    fn install_the_module(&self) {
        // Cargo may be where nothing can be seen then.
        assert!(library().exists());
        self.host.exec("mount", &["-t", "tmpfs", "tmpfs", "/usr/local"]);
        self.put("/built", "");
        let built = format!("BUILT={}", self.path("/built").display());
        let places =
            ["LUA_LIB_DIR=/usr/local/share/lua/5.1", "LUA_CLIB_DIR=/usr/local/lib/lua/5.1"];
        let prefix = "PREFIX=/usr/local";
        let arguments = [&["CARGO=false", prefix, &built], &places[..], &["install"]].concat();
        let installed = self.host.enter(|| make(&arguments));
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.path(path);
        let directory = path.parent().expect("it is a file");
        fs::create_dir_all(directory).expect("the lab's directory is writable");
        fs::write(path, text).expect("the lab's directory is writable");
    }

    fn mount(&self, path: &str) {
        self.host.exec("mount", &["--bind", &self.path(path).display().to_string(), path]);
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// Does what logrotate does with the logs of nginx.
#[track_caller]
fn rotate_logs(host: &Host) {
    let rotation = host.exec("cat", &["/etc/logrotate.d/nginx"]);
    let create = rotation.lines().find_map(|line| line.trim().strip_prefix("create "));
    let words: Vec<_> = create.expect("it makes new logs").split(' ').collect();
    let [mode, user, group] = words[..] else { panic!("{create:?}") };
    for log in ["access.log", "error.log"].map(|log| format!("/var/log/nginx/{log}")) {
        host.exec("mv", &[&log, &format!("{log}.1")]);
        host.exec("install", &["-m", mode, "-o", user, "-g", group, "/dev/null", &log]);
    }
    // The end of `invoke-rc.d nginx rotate`.
    host.exec("/etc/init.d/nginx", &["rotate"]);
}

/// Returns the path of something in `nginx-conf`.
fn shipped(name: &str) -> String {
    project().join("nginx-conf").join(name).display().to_string()
}

/// Returns the command of nginx-conf/README.md that begins with these words after `sudo`.
fn readme_command(words: &str) -> String {
    let readme = conf("README.md");
    let mut commands = readme.lines().filter_map(|line| line.strip_prefix("$ sudo "));
    commands.find(|line| line.starts_with(words)).expect("the README shows it").to_owned()
}

#[track_caller]
fn sh(host: &Host, line: &str) -> String {
    host.exec("sh", &["-c", line])
}

#[track_caller]
fn kill_all(host: &Host) {
    wait_until("all processes are gone", PATIENCE, || {
        host.pids().into_iter().for_each(|pid| signal(pid, Signal::SIGKILL));
        host.pids().is_empty()
    });
}

fn has_open(pid: i32, name: &str) -> bool {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    files.filter_map(|file| fs::read_link(file.path()).ok()).any(|path| path.ends_with(name))
}

#[track_caller]
fn error_log(host: &Host) -> String {
    host.exec("cat", &["/var/log/nginx/error.log"])
}

const OWN_ID: &str = "4712";
const AS_WWW_DATA: &str = "setpriv --reuid=www-data --regid=www-data --init-groups";
/// Asks for the routers, and prints all that is answered.
const KNOCK: &str = r#"$SIG{PIPE} = "IGNORE";
    my $door = IO::Socket::UNIX->new(Peer => shift) or die $!;
    syswrite $door, "\0\0\0\x07\"Hello\"\0\0\0\x06\"Take\"";
    print while <$door>"#;
const STORES_BODIES: &str = "access_log /var/log/nginx/access.log;
    server {
        client_body_in_file_only clean;
        location = /body { content_by_lua_block {
            ngx.req.read_body()
            ngx.print(ngx.req.get_body_file())
        } }";
