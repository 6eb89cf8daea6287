//! Options as an operator wrote them: a table, a JSON file, or a `keepalived.conf`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::config::{Config, ConfigError, ConfigErrors};
use crate::keepalived::{self, ConfFiles, RemarkKind, Translation};

/// Options, and where they come from.
#[derive(Debug)]
pub struct Written {
    json: Vec<u8>,
    translation: Option<Translation>,
}

impl Written {
    /// Takes the options of a table.
    #[must_use]
    pub fn table(json: &[u8]) -> Self {
        Self { json: json.to_vec(), translation: None }
    }

    /// Reads a file. It is JSON if its name ends with `.json` or if it begins with `{`, else a
    /// `keepalived.conf`.
    ///
    /// # Errors
    ///
    /// If it cannot be read or translated.
    pub fn file(path: &Path) -> Result<Self, ConfigErrors> {
        let is_json = path.extension().is_some_and(|end| end == "json")
            || begins_as_json(path).map_err(|error| unreadable(path, &error))?;
        if is_json {
            let json = read_json(path).map_err(|error| unreadable(path, &error))?;
            return Ok(Self { json, translation: None });
        }
        let translation = keepalived::translate(path, &short_host_name(), &Disk);
        let translation = translation.map_err(|complaints| {
            let complaints = complaints.into_iter();
            let error = |it: keepalived::Complaint| ConfigError {
                path: it.place.to_string(),
                problem: it.problem,
            };
            ConfigErrors(complaints.map(error).collect())
        })?;
        Ok(Self { json: translation.to_json().into_bytes(), translation: Some(translation) })
    }

    /// Checks the options.
    ///
    /// # Errors
    ///
    /// As [`Config::from_octets`]; each option that comes from a `keepalived.conf` is named with
    /// its place there.
    pub fn config(&self) -> Result<Config, ConfigErrors> {
        Config::from_octets(&self.json).map_err(|errors| self.placed(errors))
    }

    /// Adds to each option where it stands, if it comes from a `keepalived.conf`.
    #[must_use]
    pub fn placed(&self, mut errors: ConfigErrors) -> ConfigErrors {
        for error in &mut errors.0 {
            *error = self.placed_one(error.clone());
        }
        errors
    }

    /// As [`placed`](Self::placed), of one.
    #[must_use]
    pub fn placed_one(&self, error: ConfigError) -> ConfigError {
        let place = self.translation.as_ref().and_then(|it| it.place_of(&error.path));
        match place {
            Some(place) => ConfigError { path: format!("{place}: {}", error.path), ..error },
            None => error,
        }
    }

    /// Returns the options as JSON.
    #[must_use]
    pub fn json(&self) -> &[u8] {
        &self.json
    }

    /// Returns the call of `setup` that does the same as a `keepalived.conf`.
    #[must_use]
    pub fn setup(&self) -> Option<String> {
        self.translation.as_ref().map(Translation::to_lua)
    }

    /// Returns the notes about a `keepalived.conf`, each with its place. A note begins with `note:
    /// `.
    pub fn remarks(&self) -> impl Iterator<Item = String> {
        let remarks = self.translation.iter().flat_map(|it| &it.remarks);
        remarks.map(|remark| match remark.kind {
            RemarkKind::Note => format!("note: {remark}"),
            RemarkKind::Warning => remark.to_string(),
        })
    }
}

/// The file system.
pub(super) struct Disk;

impl ConfFiles for Disk {
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let mut octets = Vec::new();
        let limit = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = regular(path).and_then(|file| file.take(limit).read_to_end(&mut octets));
        read.map_err(|error| error.to_string())?;
        Ok(octets)
    }

    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let text = pattern.to_str().ok_or("not valid UTF-8")?;
        let options = glob::MatchOptions {
            require_literal_separator: true,
            require_literal_leading_dot: true,
            ..glob::MatchOptions::new()
        };
        let found = glob::glob_with(text, options).map_err(|error| error.to_string())?;
        let found = found.filter(|path| !path.as_ref().is_ok_and(|path| path.is_dir()));
        let found: Result<Vec<_>, _> = found.take(MAX_MATCHES + 1).collect();
        let found = found.map_err(|error| error.to_string())?;
        if found.len() > MAX_MATCHES {
            return Err(format!("more than {MAX_MATCHES} files match"));
        }
        Ok(found)
    }
}

/// Opens a file that can be read without waiting for anybody.
fn regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    File::open(path)
}

fn read_json(path: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    regular(path)?.take(MAX_JSON + 1).read_to_end(&mut octets)?;
    if u64::try_from(octets.len()).is_ok_and(|length| length <= MAX_JSON) {
        return Ok(octets);
    }
    Err(io::Error::other(format!("longer than {} MiB", MAX_JSON >> 20)))
}

fn begins_as_json(path: &Path) -> io::Result<bool> {
    let mut octets = Vec::new();
    regular(path)?.take(LOOKED_AT).read_to_end(&mut octets)?;
    let mut octets = octets.iter().skip_while(|octet| octet.is_ascii_whitespace());
    Ok(octets.next().is_some_and(|first| *first == b'{'))
}

fn unreadable(path: &Path, error: &io::Error) -> ConfigErrors {
    let problem = format!("cannot read the options: {}: {error}", path.display());
    ConfigErrors(vec![ConfigError { path: String::new(), problem }])
}

/// Returns the name of this host up to the first dot, as keepalived compares it with `@name`.
fn short_host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or_default().to_owned()
}

const LOOKED_AT: u64 = 4096;
const MAX_MATCHES: usize = 1000;
/// Twice what the largest configuration takes.
const MAX_JSON: u64 = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_matches_too_many_files_is_an_error() {
        let folder = std::env::temp_dir().join(format!("vrrp-conf-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        for number in 0..=MAX_MATCHES {
            File::create(folder.join(format!("{number}.conf"))).unwrap();
        }

        let all = Disk.matching(&folder.join("*.conf"));
        fs::remove_file(folder.join("0.conf")).unwrap();
        let fewer = Disk.matching(&folder.join("*.conf"));

        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(all, Err("more than 1000 files match".to_owned()));
        assert_eq!(fewer.map(|found| found.len()), Ok(MAX_MATCHES));
    }

    #[test]
    fn options_are_read_from_regular_files_only() {
        let refused = Written::file(Path::new("/dev/../dev/zero")).unwrap_err().to_string();
        assert!(refused.contains("not a regular file"), "{refused}");

        let json = std::env::temp_dir().join(format!("vrrp-{}.json", std::process::id()));
        std::os::unix::fs::symlink("/dev/zero", &json).unwrap();
        let refused = Written::file(&json).unwrap_err().to_string();
        fs::remove_file(&json).unwrap();
        assert!(refused.contains("not a regular file"), "{refused}");
    }
}
