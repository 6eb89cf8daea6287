//! Reads `health.probe`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use super::ProbeConfig;
use super::table::{Read, Table, shown};
use super::timing::timing;

/// Reads the probe of the table `health`.
pub(super) fn read(health: &mut Table<'_>) -> Option<ProbeConfig> {
    let mut table = health.table("probe")?;
    let url = table.required("url", url);
    let timing = timing(&mut table, 2);
    table.finish();
    let Url { text, server, host, path } = url?;
    Some(ProbeConfig { url: text, server, host, path, timing })
}

struct Url {
    text: String,
    server: SocketAddr,
    host: String,
    path: String,
}

/// The thread that probes must never wait for a name server.
fn url(value: &Value) -> Read<Url> {
    let wrong = || {
        format!(
            "expected a URL with an IP address or localhost, such as \
             \"http://127.0.0.1:80/health\", got {}",
            shown(value)
        )
    };
    let url = value.as_str().filter(|url| url.bytes().all(|octet| octet.is_ascii_graphic()));
    let rest = url.and_then(|url| url.strip_prefix("http://")).ok_or_else(wrong)?;
    let slash = rest.find('/').unwrap_or(rest.len());
    let (host, path) = rest.split_at(slash);
    Ok(Url {
        text: url.unwrap_or_default().to_owned(),
        server: server(host).ok_or_else(wrong)?,
        host: host.to_owned(),
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
    })
}

fn server(host: &str) -> Option<SocketAddr> {
    if let Ok(server) = host.parse() {
        return Some(server);
    }
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok()?),
        _ => (host, 80),
    };
    let address = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(name) => IpAddr::V6(name.parse().ok()?),
        None if name == "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        None => IpAddr::V4(name.parse().ok()?),
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_an_address_or_localhost_with_or_without_a_port() {
        let known = [
            ("127.0.0.1", "127.0.0.1:80"),
            ("192.0.2.1:8080", "192.0.2.1:8080"),
            ("localhost", "127.0.0.1:80"),
            ("localhost:81", "127.0.0.1:81"),
            ("[::1]", "[::1]:80"),
            ("[::1]:82", "[::1]:82"),
        ];
        for (host, expected) in known {
            assert_eq!(server(host), expected.parse().ok(), "{host}");
        }
        for host in ["", "www.example.com", "::1", "127.0.0.1:http", "[::1"] {
            assert_eq!(server(host), None, "{host}");
        }
    }

    #[test]
    fn a_url_has_a_scheme_and_maybe_a_path() {
        let path = |text: &str| url(&Value::from(text)).map(|url| url.path).ok();

        assert_eq!(path("http://localhost").as_deref(), Some("/"));
        assert_eq!(path("http://localhost/a?b=c").as_deref(), Some("/a?b=c"));
        assert_eq!(path("https://localhost/"), None);
        assert_eq!(path("http://localhost/a b"), None);
    }
}
