//! A directive of nginx's configuration that Lua is not told: `worker_shutdown_timeout`.
//!
//! nginx itself has read the configuration before. So the directive stands in the main context, and
//! once at most: it is enough to look for a statement that begins with its name.

use std::fs;
use std::path::{Path, PathBuf};

use super::written::Disk;
use crate::keepalived::ConfFiles;

/// Returns the `worker_shutdown_timeout` of the nginx that calls this, in milliseconds; 0 if it has
/// none, `u32::MAX` if its configuration cannot be read. `usual` is the file that it reads unless
/// it was told otherwise, and `prefix` where its relative paths begin.
#[must_use]
pub fn shutdown_timeout(usual: &Path, prefix: &Path) -> u32 {
    let call = fs::read("/proc/self/cmdline").unwrap_or_default();
    // A master that runs shows its arguments as one title, with spaces between them.
    let call = String::from_utf8_lossy(&call).replace('\0', " ");
    let told = following(&call, "-c").unwrap_or(usual.to_string_lossy().into_owned());
    look(&Disk, &prefix.join(told), following(&call, NAME))
}

/// Looks through a configuration, unless nginx was called with the directive (`-g`).
fn look(files: &dyn ConfFiles, conf: &Path, called_with: Option<String>) -> u32 {
    let base = conf.parent().unwrap_or(Path::new("/")).to_owned();
    let mut search = Search { files, base, left: MOST_FILES, found: called_with };
    if !search.look_through(conf) {
        return u32::MAX;
    }
    search.found.map_or(0, |time| milliseconds(&time).unwrap_or(u32::MAX))
}

struct Search<'a> {
    files: &'a dyn ConfFiles,
    /// Where relative paths of `include` begin.
    base: PathBuf,
    /// How many files it may still read.
    left: usize,
    found: Option<String>,
}

impl Search<'_> {
    /// Looks through a file and all that it includes. Tells whether the file could be read.
    fn look_through(&mut self, file: &Path) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let Ok(octets) = self.files.read(file, MOST_OCTETS) else { return false };
        for statement in statements(&String::from_utf8_lossy(&octets)) {
            let quotes = ['"', '\''];
            let mut words = statement.split_ascii_whitespace().map(|it| it.trim_matches(quotes));
            match (words.next(), words.next()) {
                (Some(NAME), Some(time)) => self.found = Some(time.to_owned()),
                (Some("include"), Some(pattern)) => {
                    let included = self.files.matching(&self.base.join(pattern));
                    for file in included.unwrap_or_default() {
                        // What looks like an include in code of Lua is none.
                        self.look_through(&file);
                    }
                }
                _ => {}
            }
        }
        true
    }
}

/// Returns the statements of a configuration, without comments.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let begins = |(at, _): &(usize, &str)| {
            line[..*at].chars().next_back().is_none_or(|c| c.is_whitespace() || ";{}".contains(c))
        };
        let comment = line.match_indices('#').find(begins).map(|(at, _)| at);
        &line[..comment.unwrap_or(line.len())]
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split([';', '{', '}']).map(str::to_owned).collect()
}

/// Returns the word after this one.
fn following(call: &str, word: &str) -> Option<String> {
    let mut words = call.split([' ', ';', '\n']).filter(|it| !it.is_empty());
    words.find(|it| *it == word)?;
    words.next().map(str::to_owned)
}

/// Reads a time as nginx does: `10s`, `100ms`, `1m30s`, `5`.
fn milliseconds(time: &str) -> Option<u32> {
    let mut total = 0_u64;
    let mut rest = time;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, more) = rest.split_at(digits);
        let letters = more.find(|c: char| c.is_ascii_digit()).unwrap_or(more.len());
        let (unit, more) = more.split_at(letters);
        let factor = match unit.trim() {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(factor)?)?;
        rest = more;
    }
    // Longer than any of ours, whatever it is.
    Some(u32::try_from(total).unwrap_or(u32::MAX - 1))
}

const NAME: &str = "worker_shutdown_timeout";
const MOST_FILES: usize = 1000;
const MOST_OCTETS: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A configuration of several files.
    struct Files(BTreeMap<PathBuf, &'static str>);

    impl ConfFiles for Files {
        fn read(&self, path: &Path, _limit: usize) -> Result<Vec<u8>, String> {
            let text = self.0.get(path).ok_or("there is no such file")?;
            Ok(text.as_bytes().to_vec())
        }

        fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
            let folder = pattern.parent();
            let found = self.0.keys().filter(|path| {
                *path == pattern || pattern.ends_with("*") && path.parent() == folder
            });
            Ok(found.cloned().collect())
        }
    }

    #[track_caller]
    fn found(files: &[(&str, &'static str)]) -> u32 {
        let files = files.iter().map(|(path, text)| (PathBuf::from(path), *text));
        look(&Files(files.collect()), Path::new("/etc/nginx/nginx.conf"), None)
    }

    #[test]
    fn the_directive_is_found_in_the_file_and_in_what_it_includes() {
        let main = "/etc/nginx/nginx.conf";
        let elsewhere = "events {} http { }\nworker_shutdown_timeout\n 1m30s;";

        assert_eq!(found(&[(main, "user a; worker_shutdown_timeout 10s; events {}")]), 10_000);
        assert_eq!(found(&[(main, elsewhere)]), 90_000);
        assert_eq!(found(&[(main, "worker_shutdown_timeout \"300ms\";")]), 300);
        assert_eq!(
            found(&[
                (main, "include main.d/*;"),
                ("/etc/nginx/main.d/a", "include /etc/b;"),
                ("/etc/b", "worker_shutdown_timeout 7;"),
            ]),
            7_000
        );
    }

    #[test]
    fn without_the_directive_there_is_no_limit_and_without_the_file_nothing_is_known() {
        let main = "/etc/nginx/nginx.conf";

        assert_eq!(found(&[(main, "# worker_shutdown_timeout 1s;\nevents {}")]), 0);
        assert_eq!(found(&[(main, "events {} # worker_shutdown_timeout 1s;")]), 0);
        assert_eq!(found(&[(main, "include gone; include nginx.conf;")]), 0, "a circle ends");
        assert_eq!(found(&[]), u32::MAX);
        assert_eq!(found(&[(main, "worker_shutdown_timeout soon;")]), u32::MAX);
    }

    #[test]
    fn what_nginx_was_called_with_counts() {
        let title = "nginx: master process /usr/sbin/nginx -c /etc/a.conf -g pid /run/a; \
                     worker_shutdown_timeout 5s;";

        assert_eq!(following(title, "-c"), Some("/etc/a.conf".to_owned()));
        assert_eq!(following(title, NAME), Some("5s".to_owned()));
        assert_eq!(following("nginx -c", "-c"), None);
        let files = Files([(PathBuf::from("/a"), "events {}")].into());
        assert_eq!(look(&files, Path::new("/a"), Some("5s".to_owned())), 5_000);
    }

    #[test]
    fn times_are_those_of_nginx() {
        let read = ["1", "1s", "20ms", "1h1m1s", "1000d", "1x", "s"].map(milliseconds);

        let long = Some(u32::MAX - 1);
        assert_eq!(read, [Some(1000), Some(1000), Some(20), Some(3_661_000), long, None, None]);
    }
}
