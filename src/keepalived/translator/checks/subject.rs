//! What a check script looks at, as far as its command says.

use std::net::IpAddr;

/// What a check is about.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum CheckSubject {
    /// Whether nginx runs.
    Nginx,
    /// Whether nginx answers a request to this URL without an error.
    Request(String),
    /// Whether another host can be reached, perhaps on one interface alone.
    Reach(IpAddr, Option<String>),
    /// Whether somebody wants the addresses to be elsewhere.
    Maintenance,
    /// Something else, or nobody can tell.
    Other,
}

impl CheckSubject {
    /// Reads a command, and the name of the check.
    pub(super) fn of_command(name: &str, command: &str) -> Self {
        let words: Vec<_> = command
            .split(|c: char| c.is_whitespace() || "'\"();|&".contains(c))
            .filter(|word| !word.is_empty())
            .collect();
        if [name, command].iter().any(|text| MAINTENANCE.iter().any(|word| text.contains(word))) {
            return Self::Maintenance;
        }
        let asks = words.iter().any(|word| ["curl", "wget"].contains(&program(word)));
        if let Some(url) = words.iter().find_map(|word| LocalUrl::read(word)).filter(|_| asks) {
            return url.subject(&words);
        }
        if let Some(reach) = reach(&words) {
            return reach;
        }
        let programs = || words.iter().map(|word| program(word));
        let names_process = programs().any(|program| PROCESS_TOOLS.contains(&program));
        if words.iter().any(|word| is_nginx(word)) {
            return Self::Nginx;
        }
        if names_process {
            return Self::Other;
        }
        let looks_at_port =
            programs().any(|it| PORT_TOOLS.contains(&it)) || command.contains("/dev/tcp/");
        if is_nginx(name) || looks_at_port && words.iter().any(|word| is_web_port(word)) {
            return Self::Nginx;
        }
        Self::Other
    }

    /// Reads the name of a process, perhaps with parameters.
    pub(super) fn of_process(process: &str) -> Self {
        let program = process.split_whitespace().next().unwrap_or_default();
        if is_nginx(program) { Self::Nginx } else { Self::Other }
    }
}

/// A URL whose server is this host.
struct LocalUrl<'a> {
    is_plain: bool,
    port: &'a str,
    url: String,
}

impl<'a> LocalUrl<'a> {
    fn read(word: &'a str) -> Option<Self> {
        let (is_plain, rest) = match word.strip_prefix("http://") {
            Some(rest) => (true, rest),
            None => match word.strip_prefix("https://") {
                Some(rest) => (false, rest),
                None => (true, word),
            },
        };
        let (server, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match server.strip_prefix("[::1]") {
            Some(port) => ("::1", port.strip_prefix(':').unwrap_or(port)),
            None => server.split_once(':').unwrap_or((server, "")),
        };
        let is_local = host == "localhost" || host == "::1" || host.starts_with("127.");
        let path = if path.is_empty() { "/" } else { path };
        is_local.then(|| Self { is_plain, port, url: format!("http://{server}{path}") })
    }

    /// Only a request that fails on an error status is one that the probe can make.
    fn subject(self, words: &[&str]) -> CheckSubject {
        if !self.port.is_empty() && !WEB_PORTS.contains(&self.port) {
            return CheckSubject::Other;
        }
        let is_short = |word: &str| word.starts_with('-') && !word.starts_with("--");
        let asks = |name| words.iter().any(|word| program(word) == name);
        let fails_on_status = asks("wget")
            || asks("curl")
                && words
                    .iter()
                    .any(|it| it.starts_with("--fail") || is_short(it) && it.contains('f'));
        if self.is_plain && fails_on_status {
            CheckSubject::Request(self.url)
        } else {
            CheckSubject::Nginx
        }
    }
}

/// Reads `ping -c 1 192.168.56.1`, perhaps with `-I eth0`.
fn reach(words: &[&str]) -> Option<CheckSubject> {
    if !words.iter().any(|word| ECHO_TOOLS.contains(&program(word))) {
        return None;
    }
    let on = words.iter().position(|word| *word == "-I").and_then(|at| words.get(at + 1));
    let addresses = words.iter().filter(|word| Some(*word) != on);
    let mut addresses = addresses.filter_map(|word| word.parse::<IpAddr>().ok());
    let address = addresses.next().filter(|address| !address.is_loopback())?;
    let is_one = addresses.next().is_none();
    let interface = on.filter(|on| on.parse::<IpAddr>().is_err()).map(|on| (*on).to_owned());
    is_one.then_some(CheckSubject::Reach(address, interface))
}

fn program(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_nginx(word: &str) -> bool {
    let word = program(word).to_ascii_lowercase();
    word.contains("nginx") || word.contains("openresty") || word == "ngx"
}

fn is_web_port(word: &str) -> bool {
    let port = word.rsplit([':', '/', '=']).next().unwrap_or(word);
    WEB_PORTS.contains(&port)
}

const MAINTENANCE: [&str; 3] = ["manual", "maintenance", "failover"];
const PROCESS_TOOLS: [&str; 8] =
    ["killall", "pidof", "pgrep", "pkill", "systemctl", "service", "docker", "supervisorctl"];
const ECHO_TOOLS: [&str; 5] = ["ping", "ping4", "ping6", "fping", "fping6"];
const PORT_TOOLS: [&str; 6] = ["nc", "ncat", "netcat", "ss", "netstat", "lsof"];
const WEB_PORTS: [&str; 4] = ["80", "443", "8080", "8443"];
