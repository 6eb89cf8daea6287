//! A `keepalived.conf` becomes the option table of `setup`.
//!
//! A file is read in four steps. [`reader`] follows `include`, drops comments and lines for other
//! hosts, and replaces variables. [`lexer`] splits each line into words and braces. [`tree`] nests
//! statements in blocks. [`translator`] makes options of them, and says of everything that has no
//! option what replaces it. The options then go the way of all others: `config` checks them.
//!
//! What keepalived itself overlooks, with a line in its log, is left out here, too, with a remark.
//! What it does not know is refused.

mod lexer;
mod line;
mod place;
mod reader;
mod setting;
mod translator;
mod tree;
mod variables;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

pub use place::{Complaint, Remark, RemarkKind, Spot};
pub use reader::ConfFiles;

use reader::Reader;
use setting::Setting;
use translator::Translator;

/// What became of a file.
#[derive(Debug)]
pub struct Translation {
    options: Setting,
    places: BTreeMap<String, Spot>,
    /// What is to be said of it, in no particular order.
    pub remarks: Vec<Remark>,
}

/// Translates a file, on a host whose name up to the first dot is `host`.
///
/// # Errors
///
/// Lists what cannot be translated, 50 at most.
pub fn translate(
    path: &Path,
    host: &str,
    files: &dyn ConfFiles,
) -> Result<Translation, Vec<Complaint>> {
    let roots: Vec<_> = words::all(words::ROOT).chain(words::BLOCKS.iter().copied()).collect();
    let read = Reader::open(path, host, files).and_then(|reader| tree::read(reader, &roots));
    let (statements, remarks) = read.map_err(|complaint| vec![complaint])?;
    let origin = Spot { file: path.display().to_string().into(), line: 1, column: 1 };
    let mut translator = Translator::new(remarks);
    let options = translator::options(&statements, &origin, &mut translator);
    let (complaints, mut remarks) = translator.finish();
    if !complaints.is_empty() {
        return Err(complaints);
    }
    remarks.sort_by(|a, b| a.place.cmp(&b.place));
    let mut places = BTreeMap::new();
    options.note_places("", &mut places);
    Ok(Translation { options, places, remarks })
}

impl Translation {
    /// Returns the options as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        self.options.to_json().to_string()
    }

    /// Returns the options as they can be pasted into `init_by_lua_block`.
    #[must_use]
    pub fn to_lua(&self) -> String {
        format!("require(\"resty.vrrp\").setup {}\n", self.options.to_lua())
    }

    /// Returns where an option comes from that an error names by its path.
    #[must_use]
    pub fn place_of(&self, path: &str) -> Option<&Spot> {
        let mut path = path;
        loop {
            if let Some(place) = self.places.get(path) {
                return Some(place);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
