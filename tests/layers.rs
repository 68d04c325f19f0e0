//! Holds every source file to the layers that `src/lib.rs` declares.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The last line of a file, its tests included, that still fits on one desk.
const LONGEST: usize = 500;

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every Rust file under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The modules of `lib.rs` in their order, each with the number of its layer.
fn modules() -> Vec<(String, u32)> {
    let text = fs::read_to_string(source().join("lib.rs")).expect("lib.rs can be read");
    let (mut layer, mut modules) = (0, Vec::new());
    for line in text.lines() {
        if let Some((number, _)) = line.strip_prefix("// ").and_then(|rest| rest.split_once('.')) {
            layer = number.parse().unwrap_or(layer);
        } else if let Some(name) = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            modules.push((name.to_owned(), layer));
        }
    }
    modules
}

/// The modules that a text names after `crate::`, also in a braced list.
fn named(text: &str) -> Vec<String> {
    let first_word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => {
                names.extend(list.split('}').next().unwrap_or("").split(',').map(|item| first_word(item.trim())))
            }
            None => names.push(first_word(rest)),
        }
    }
    names
}

#[test]
fn a_module_names_only_modules_that_stand_above_it() {
    let order: BTreeMap<String, usize> =
        modules().into_iter().enumerate().map(|(place, (name, _))| (name, place)).collect();
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let inside = file.strip_prefix(source()).expect("it is under src").to_owned();
        let module = inside
            .components()
            .next()
            .and_then(|first| Path::new(first.as_os_str()).file_stem()?.to_str().map(str::to_owned));
        let Some(&place) = module.as_ref().and_then(|module| order.get(module)) else { continue };
        let text = fs::read_to_string(&file).expect("the file can be read");
        for name in named(&text) {
            if order.get(&name).is_some_and(|&other| other > place) {
                wrong.push(format!("{} names {name}, which stands below it", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_files_of_a_folder_do_not_import_one_another() {
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let inside = file.strip_prefix(source()).expect("it is under src").to_owned();
        let parts: Vec<String> = inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let [folder, leaf] = parts.as_slice() else { continue };
        if leaf == "mod.rs" || !["stat", "tally"].contains(&folder.as_str()) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("the file can be read");
        for sibling in files(&source().join(folder)) {
            let name = sibling.file_stem().expect("it has a name").to_string_lossy().into_owned();
            let by_path = format!("crate::{folder}::{name}::");
            if name != "mod" && *leaf != format!("{name}.rs") && text.contains(&by_path) {
                wrong.push(format!("{} imports {by_path}", inside.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn layers_one_to_four_are_pure() {
    const IMPURE: [&str; 10] = [
        "tokio::",
        "std::fs",
        "std::net",
        "std::env",
        "Instant::now",
        "SystemTime",
        "Utc::now",
        "tracing::",
        "async fn",
        "std::thread",
    ];
    let pure: Vec<String> =
        modules().into_iter().filter(|(_, layer)| (1..=4).contains(layer)).map(|(name, _)| name).collect();
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let inside = file.strip_prefix(source()).expect("it is under src").to_owned();
        let first = inside.iter().next().map(|part| part.to_string_lossy().replace(".rs", "")).unwrap_or_default();
        if !pure.contains(&first) {
            continue;
        }
        let text = fs::read_to_string(&file).expect("the file can be read");
        // What only tests do does not make the module impure.
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or("").to_owned();
        if is_for_tests(&file) {
            continue;
        }
        wrong.extend(
            IMPURE.iter().filter(|word| text.contains(**word)).map(|word| format!("{}: {word}", inside.display())),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a file, or the folder that it is in, is declared for tests only.
fn is_for_tests(file: &Path) -> bool {
    let declares = |module: &Path, name: &str| {
        let text = fs::read_to_string(module).unwrap_or_default();
        text.contains(&format!("#[cfg(test)]\nmod {name};"))
    };
    let mut inside = file.to_owned();
    while inside.starts_with(source()) {
        let name = inside.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let folder = inside.parent().expect("it is in a folder").to_owned();
        let modules = [folder.join("mod.rs"), folder.with_extension("rs")];
        if modules.iter().any(|module| declares(module, &name)) {
            return true;
        }
        inside = folder;
    }
    false
}

#[test]
fn nothing_but_the_shell_imports_the_configuration() {
    let shell: Vec<String> = modules().into_iter().filter(|(_, layer)| *layer >= 7).map(|(name, _)| name).collect();
    for file in files(&source()) {
        let inside = file.strip_prefix(source()).expect("it is under src").to_owned();
        let first = inside.iter().next().map(|part| part.to_string_lossy().replace(".rs", "")).unwrap_or_default();
        let text = fs::read_to_string(&file).expect("the file can be read");
        let names_it = named(&text).iter().any(|name| name == "config");
        assert!(!names_it || shell.contains(&first) || first == "main", "{} names config", inside.display());
    }
}

#[test]
fn every_file_opens_with_its_caption_and_stays_on_one_desk() {
    let mut wrong = Vec::new();
    for file in files(&source()) {
        let text = fs::read_to_string(&file).expect("the file can be read");
        if !text.starts_with("//! ") {
            wrong.push(format!("{} has no caption", file.display()));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{} has {lines} lines", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
