//! Finds the monitors' files.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::{Item, Map, ruletest, shown};

/// The files that `rules` names, each once; those of a folder or pattern are sorted. An entry that names nothing is on
/// record, and the monitors of the others are examined all the same.
pub fn read(map: &Map<'_>) -> Vec<PathBuf> {
    let Some(item) = map.find("rules") else { return in_default_folder(map) };
    let items = if item.is_scalar() { vec![item] } else { item.list().unwrap_or_default() };
    if items.is_empty() {
        item.report("`rules` names no monitor", Some("write the files or folders of the monitors".to_owned()));
    }
    let mut files: Vec<PathBuf> = items.into_iter().filter_map(find).flatten().collect();
    let mut seen = HashSet::new();
    files.retain(|file| seen.insert(fs::canonicalize(file).unwrap_or_else(|_| file.clone())));
    files
}

fn in_default_folder(map: &Map<'_>) -> Vec<PathBuf> {
    let folder = map.item().reader().resolve("rules");
    let files = in_folder(&folder).unwrap_or_default();
    if files.is_empty() {
        let hint = "write the monitors there, or where they are as `rules: [FOLDER]`".to_owned();
        map.item().report(format!("there are no monitors in `{}`", folder.display()), Some(hint));
    }
    files
}

/// The files that one entry names: a file, a folder, or a pattern such as `rules/*.yaml`.
fn find(item: Item<'_>) -> Option<Vec<PathBuf>> {
    let text = item.text_like("a file, a folder, or a pattern such as rules/*.yaml")?;
    let path = item.reader().resolve(text);
    let (folder, pattern) = (path.parent().unwrap_or(Path::new("")), path.file_name().unwrap_or_default());
    let pattern = pattern.to_string_lossy();
    if Path::new(text).parent().is_some_and(|folder| has_wildcard(&folder.to_string_lossy())) {
        let hint = "a pattern is for files: name each folder".to_owned();
        item.report(format!("`{}` has a `*` or `?` in the name of a folder", shown(text)), Some(hint));
        return None;
    }
    let found = if has_wildcard(&pattern) {
        listed(folder, &|name| matches(&pattern, name) && is_yaml(name) && !is_test(name))
    } else if path.is_dir() {
        in_folder(&path)
    } else if is_test(&pattern) {
        item.report(format!("`{}` is a test of a monitor, not a monitor", path.display()), None);
        return None;
    } else if path.exists() {
        Ok(vec![path.clone()])
    } else {
        Err(io::ErrorKind::NotFound.into())
    };
    match found {
        Ok(files) if !files.is_empty() => Some(files),
        Ok(_) => {
            let message = format!("there are no monitors in `{}`", path.display());
            item.report(message, Some("a monitor is a file that ends in .yaml or .yml".to_owned()));
            None
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let hint = "a path is relative to the folder that this file is in".to_owned();
            item.report(format!("there is no `{}`", path.display()), Some(hint));
            None
        }
        Err(error) => {
            item.report(format!("cannot read `{}`: {error}", path.display()), None);
            None
        }
    }
}

/// The monitors of a folder, sorted: no tests, and nothing that is hidden.
pub fn in_folder(folder: &Path) -> io::Result<Vec<PathBuf>> {
    listed(folder, &|name| is_yaml(name) && !is_test(name) && !name.starts_with('.'))
}

/// The tests of monitors in a folder, sorted.
pub fn tests_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    listed(folder, &|name| is_test(name) && !name.starts_with('.'))
}

fn listed(folder: &Path, is_wanted: &dyn Fn(&str) -> bool) -> io::Result<Vec<PathBuf>> {
    // An empty path is the folder that we are in, but the system does not know it by that name.
    let readable = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut files = Vec::new();
    for entry in fs::read_dir(readable)? {
        let name = entry?.file_name();
        let path = folder.join(&name);
        if name.to_str().is_some_and(is_wanted) && !path.is_dir() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

fn is_test(name: &str) -> bool {
    ruletest::is_test(Path::new(name))
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether a name is as a pattern says, in which `?` is any character and `*` any number of them.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // `reached[i]`: whether the pattern so far matches the first `i` characters of the name.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    for c in pattern {
        let before = reached.clone();
        for i in 0..reached.len() {
            reached[i] = match c {
                '*' => before[..=i].contains(&true),
                '?' => i > 0 && before[i - 1],
                c => i > 0 && before[i - 1] && name[i - 1] == c,
            };
        }
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name) in [("*.yaml", "a.yaml"), ("*", ""), ("a?c*", "abc"), ("*a*b*", "xxaxxb"), ("a", "a")] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("*.yaml", "a.yml"), ("?", ""), ("a?c", "abbc"), ("", "a"), ("*a*b", "ba")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }
}
