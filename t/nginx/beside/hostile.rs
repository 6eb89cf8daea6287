//! Requests of strangers: whatever they send, they get an answer that fits, and change nothing.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use harness::{Host, Nginx, Rng, Role};

use crate::{ONE, conf_with, get, lua, on_every_nginx, status_when};

#[test]
fn with_a_token_a_drain_is_for_who_shows_it() {
    on_every_nginx("token", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(&guarded()));
        status_when(host, "active");

        for wrong in [
            "",
            "Authorization: Bearer\r\n",
            "Authorization: Bearer 0123456789abcdeX\r\n",
            "Authorization: Bearer 0123456789abcdef0\r\n",
            "Authorization: Bearer 0123456789abcde\r\n",
            "Authorization: Basic 0123456789abcdef\r\n",
            "Authorization: 0123456789abcdef\r\n",
        ] {
            let answer = ask(host, "POST /ha/drain HTTP/1.1", wrong);
            assert!(answer.starts_with("HTTP/1.1 401 "), "{wrong:?}: {answer}");
            assert!(answer.contains("\r\nWWW-Authenticate: Bearer realm="), "{answer}");
            assert!(answer.contains("\r\nCache-Control: no-store\r\n"), "{answer}");
        }
        let right = format!("Authorization: bearer {TOKEN}\r\n");
        let from_a_page = format!("{right}Origin: http://evil.example\r\n");
        let answer = ask(host, "POST /ha/drain HTTP/1.1", &from_a_page);
        assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
        status_when(host, "active");

        let answer = ask(host, "POST /ha/drain HTTP/1.1", &right);
        assert!(answer.ends_with("{\"draining\":true}\n"), "{answer}");
        let answer = ask(host, "POST /ha/undrain HTTP/1.1", &right);
        assert!(answer.ends_with("{\"draining\":false}\n"), "{answer}");
        let said = [nginx.error_log(), get(host, "/ha/status").body, get(host, "/ha/metrics").body];
        assert!(!said.concat().contains(TOKEN));
        nginx.assert_no_complaints();
    });
}

#[test]
fn a_hundred_thousand_random_questions_are_each_refused_for_a_reason() {
    on_every_nginx("random", |host, carrier| {
        let _nginx = Nginx::start(host, carrier, &conf_with(&guarded()));

        for seed in 1..=20 {
            let questions = RANDOM_QUESTIONS.replace("SEED", &seed.to_string());
            assert_eq!(lua(host, &questions), "5000", "seed {seed}");
        }
    });
}

#[test]
fn thousands_of_random_requests_change_nothing_and_write_nothing_into_the_log() {
    on_every_nginx("hostile", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(&guarded()));
        let before = status_when(host, "active");
        let workers = nginx.pids(Role::Worker);

        let statuses = host.enter(|| send_random_requests(4000));

        let known = [200, 400, 401, 403, 404, 405, 503];
        assert!(statuses.iter().all(|status| known.contains(status)), "{statuses:?}");
        for status in [200, 400, 401, 403, 404, 405] {
            assert!(statuses.contains(&status), "no {status}");
        }
        let after = get(host, "/ha/status").json();
        assert_eq!(after["node"]["draining"], false);
        for member in ["state", "transitions", "reason", "warnings"] {
            assert_eq!(after["instances"][0][member], before["instances"][0][member], "{member}");
        }
        assert_eq!(nginx.pids(Role::Worker), workers);
        nginx.assert_no_complaints();
        let log = nginx.error_log();
        assert!(!log.contains(MARK) && !log.contains(TOKEN), "{log}");
        assert!(!log.contains(|c: char| c.is_control() && c != '\n'), "{log}");
    });
}

/// Sends requests over connections that stay open as long as nginx keeps them; returns the status
/// of each answer.
fn send_random_requests(count: usize) -> Vec<u16> {
    let mut random = Rng::seeded(7);
    let mut connection = None;
    let mut statuses = Vec::new();
    while statuses.len() < count {
        let (request, has_body) = random_request(&mut random);
        let mut stream = connection.take().unwrap_or_else(connect);
        if stream.get_mut().write_all(&request).is_err() {
            continue;
        }
        let Ok((status, stays)) = read_answer(&mut stream, has_body) else { continue };
        statuses.push(status);
        connection = stays.then_some(stream);
    }
    statuses
}

fn connect() -> BufReader<TcpStream> {
    let stream = TcpStream::connect("127.0.0.1:80").expect("nginx listens");
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("it is a socket");
    BufReader::new(stream)
}

/// Returns a request, and whether its answer has a body.
fn random_request(random: &mut Rng) -> (Vec<u8>, bool) {
    let mut pick = |from: &[&str]| {
        let index = random.below(from.len() as u64);
        from[usize::try_from(index).unwrap_or(0)].to_owned()
    };
    let method = pick(&["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "LOCK"]);
    let path = pick(&["status", "healthz", "metrics", "drain", "undrain", "doctor", "", "x"]);
    let query =
        pick(&["", "?instance=", "?state=", "?compat=", "?live=", "?draining=", "?format="]);
    let header =
        pick(&["Origin: ", "Authorization: Bearer ", "Sec-Fetch-Site: ", "X: ", "Cookie: "]);
    let prefix = pick(&["/ha/", "/ha/x/", "/ha//"]);
    let line = format!("{method} {prefix}{path}{query}{MARK}");
    let mut request = line.into_bytes();
    request.extend(noise(random, b" \r\n\0"));
    request.extend(b" HTTP/1.1\r\nHost: ");
    if random.below(8) == 0 {
        request.extend(noise(random, b"\r\n\0"));
    } else {
        request.extend(b"worker-01");
    }
    request.extend(format!("\r\n{header}").bytes());
    request.extend(noise(random, b"\r\n\0"));
    request.extend(b"\r\nContent-Length: 0\r\n\r\n");
    // Half of the requests are for one of ours without anything behind it.
    if random.below(2) == 0 {
        let plain =
            format!("{method} {prefix}{path} HTTP/1.1\r\nHost: a\r\n{header}{MARK}\r\n\r\n");
        return (plain.into_bytes(), method != "HEAD");
    }
    (request, method != "HEAD")
}

/// Returns random octets, but for some.
fn noise(random: &mut Rng, without: &[u8]) -> Vec<u8> {
    let length = random.below(24);
    (0..length).map(|_| random.octet()).filter(|octet| !without.contains(octet)).collect()
}

/// Returns the status, and whether the connection stays open.
fn read_answer(stream: &mut BufReader<TcpStream>, has_body: bool) -> io::Result<(u16, bool)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let head = head.to_ascii_lowercase();
    let value = |name: &str| {
        head.split(name).nth(1).and_then(|rest| rest.split("\r\n").next()).map(str::to_owned)
    };
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let length = value("content-length: ").and_then(|length| length.parse::<usize>().ok());
    let mut body = vec![0; if has_body { length.unwrap_or(0) } else { 0 }];
    stream.read_exact(&mut body)?;
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    Ok((status, value("connection: ").as_deref() != Some("close")))
}

/// Sends a request with some headers; returns all of the answer.
fn ask(host: &Host, line: &str, headers: &str) -> String {
    host.enter(|| {
        let mut stream = TcpStream::connect("127.0.0.1:80").expect("nginx listens");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("it is a socket");
        let request = format!("{line}\r\nHost: a\r\nConnection: close\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).expect("nginx reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("nginx answers");
        answer
    })
}

fn guarded() -> String {
    ONE.replacen('{', &format!("{{ control = true, token = '{TOKEN}',"), 1)
}

const TOKEN: &str = "0123456789abcdef";
/// What no log may repeat.
const MARK: &str = "mark5e7";
/// Asks the functions that decide what becomes of a request.
const RANDOM_QUESTIONS: &str = r#"
    local endpoint = require "resty.vrrp.endpoint"
    local drain = require "resty.vrrp.drain_page"
    local healthz = require "resty.vrrp.healthz"
    local random, char = math.random, string.char
    math.randomseed(SEED)
    local function text()
        local n = random(0, 12)
        local s = {}
        for i = 1, n do s[i] = char(random(0, 255)) end
        return table.concat(s)
    end
    local function maybe(value) if random(2) == 1 then return value end end
    local words = { "instance", "state", "live", "draining" }
    local values = { "VI_1", "active", "true", true }
    local known = { [400] = true, [404] = true }
    local count = 0
    for n = 1, 5000 do
        local row, code, problem = endpoint.find(text() .. "/x" .. text(), text())
        assert(not row and (code == 404 or code == 405) and #problem < 200)
        local schemes = { "Bearer ", "bearer  ", "Basic ", "" }
        local authorization = maybe(schemes[random(4)] .. text())
        code, problem = drain.first_problem(authorization, random(2) == 1, "0123456789abcdef")
        assert((code == 401 or code == 403) and #problem < 200)
        local arguments = {}
        for i = 1, random(0, 3) do
            local word = maybe(words[random(4)]) or text()
            arguments[word] = maybe(values[random(4)]) or maybe({ text(), true }) or text()
        end
        code = healthz.first_problem(arguments, { VI_1 = {} })
        assert(code == nil or known[code])
        count = count + 1
    end
    return count"#;
