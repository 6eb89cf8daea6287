//! Finds modules that use each other in a circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::File;

/// The names of a module, from the root of the crate on.
type ModulePath = Vec<String>;

/// What each module names: paths from the root of the crate on.
pub(crate) type Sources = BTreeMap<ModulePath, Source>;

/// One module without its tests.
pub(crate) struct Source {
    /// Words, `::` and punctuation.
    tokens: Vec<String>,
    /// Everything it names by a path, with `*` for all that a module has.
    names: Vec<ModulePath>,
}

/// Reads what the modules of the library name.
pub(crate) fn sources(files: &[File]) -> Sources {
    let modules = files.iter().filter_map(|file| Some((module_of(&file.path)?, tokens(file))));
    let mut sources: Sources =
        modules.map(|(module, tokens)| (module, Source { tokens, names: Vec::new() })).collect();
    let all: BTreeSet<_> = sources.keys().cloned().collect();
    for (module, source) in &mut sources {
        source.names = names(module, &source.tokens, &all);
    }
    sources
}

/// Returns every import that is part of a circle: `src/runtime: checks -> probe`.
pub(crate) fn in_any_folder(sources: &Sources) -> Vec<String> {
    let mut imports: BTreeMap<&[String], BTreeSet<(&str, &str)>> = BTreeMap::new();
    for (module, source) in sources {
        for target in source.names.iter().filter_map(|name| defined_in(name, module, sources)) {
            let common = module.iter().zip(target).take_while(|(ours, its)| ours == its).count();
            if let (Some(from), Some(to)) = (module.get(common), target.get(common)) {
                imports.entry(&module[..common]).or_default().insert((from, to));
            }
        }
    }
    let mut circles = Vec::new();
    for (folder, mut edges) in imports {
        strip(&mut edges);
        let folder = [&["src".to_owned()], folder].concat().join("/");
        circles.extend(edges.iter().map(|(from, to)| format!("{folder}: {from} -> {to}")));
    }
    circles
}

/// Takes away what leads nowhere, or comes from nowhere, until only circles are left.
fn strip(edges: &mut BTreeSet<(&str, &str)>) {
    loop {
        let froms: BTreeSet<_> = edges.iter().map(|edge| edge.0).collect();
        let tos: BTreeSet<_> = edges.iter().map(|edge| edge.1).collect();
        let before = edges.len();
        edges.retain(|(from, to)| froms.contains(to) && tos.contains(from));
        if edges.len() == before {
            return;
        }
    }
}

/// Returns the module that defines a name. What a module has from elsewhere, and passes on to those
/// below it, is looked for there.
fn defined_in<'a>(
    name: &[String],
    user: &[String],
    sources: &'a Sources,
) -> Option<&'a ModulePath> {
    let mut lengths = (0..=name.len()).rev();
    let (module, source) = lengths.find_map(|length| sources.get_key_value(&name[..length]))?;
    let Some(word) = name.get(module.len()).filter(|_| user.starts_with(module)) else {
        return Some(module);
    };
    let passed_on = |passed_on: &&ModulePath| {
        passed_on.last().is_some_and(|last| last == word)
            || passed_on.split_last().is_some_and(|(last, module)| {
                last == "*" && sources.get(module).is_some_and(|source| source.defines(word))
            })
    };
    let origin = source.names.iter().filter(|name| !name.starts_with(user)).find(passed_on);
    match origin {
        Some(origin) if origin != name => defined_in(origin, module, sources),
        _ => Some(module),
    }
}

impl Source {
    fn defines(&self, word: &str) -> bool {
        let kinds = ["struct", "enum", "trait", "fn", "const", "type", "static"];
        let mut pairs = self.tokens.windows(2);
        pairs.any(|pair| kinds.contains(&pair[0].as_str()) && pair[1] == word)
    }
}

/// Returns the module that a file of the library holds.
fn module_of(path: &str) -> Option<ModulePath> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let module: Vec<_> = path.split('/').filter(|part| !["mod", "lib"].contains(part)).collect();
    let beside = ["bin", "build", "tests"].iter().any(|name| module.contains(name));
    (!beside).then(|| module.into_iter().map(str::to_owned).collect())
}

fn tokens(file: &File) -> Vec<String> {
    let code: Vec<_> = file.code().map(|(_, line)| line).collect();
    let code = code.join("\n");
    let code = code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in code.chars() {
        let is_of_word = c.is_alphanumeric() || c == '_';
        match tokens.last_mut() {
            Some(last) if is_of_word && in_word || c == ':' && last == ":" => last.push(c),
            _ if !c.is_whitespace() => tokens.push(c.to_string()),
            _ => {}
        }
        in_word = is_of_word;
    }
    tokens
}

/// Returns everything that the tokens of a module name by a path.
fn names(
    module: &ModulePath,
    tokens: &[String],
    modules: &BTreeSet<ModulePath>,
) -> Vec<ModulePath> {
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let after = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
        let child = [module.as_slice(), &tokens[at..=at]].concat();
        let begins = ["crate", "super", "self"].contains(&tokens[at].as_str())
            || after == "use" && modules.contains(&child);
        let is_path = tokens.get(at + 1).is_some_and(|next| next == "::") && after != "::";
        if begins && is_path {
            at = expand(module, Vec::new(), at, tokens, &mut names);
        } else {
            at += 1;
        }
    }
    names
}

/// Adds the names of the path, or of the tree of paths, that begins `at`; returns where it ends.
fn expand(
    module: &ModulePath,
    mut path: Vec<String>,
    mut at: usize,
    tokens: &[String],
    names: &mut Vec<ModulePath>,
) -> usize {
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let skip = tokens[at] == ",";
                    at =
                        if skip { at + 1 } else { expand(module, path.clone(), at, tokens, names) };
                }
                return at + 1;
            }
            Some(word) => path.push(word.to_owned()),
            None => return at,
        }
        at += 1;
        if tokens.get(at).is_none_or(|next| next != "::") {
            names.push(absolute(module, path));
            // The other name of `Name as Other`.
            return if tokens.get(at).is_some_and(|next| next == "as") { at + 2 } else { at };
        }
        at += 1;
    }
}

fn absolute(module: &ModulePath, path: Vec<String>) -> ModulePath {
    let mut absolute = module.clone();
    for (place, word) in path.into_iter().enumerate() {
        match word.as_str() {
            "crate" if place == 0 => absolute.clear(),
            "self" => {}
            "super" => drop(absolute.pop()),
            _ => absolute.push(word),
        }
    }
    absolute
}
