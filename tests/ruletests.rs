//! Drop a file of tests in `tests/ruletests`, get a test: what it says of the monitor there stands beside it, and is
//! nothing if there is no such file.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tidegauge::config::{Problems, load_monitor, ruletest::is_test};
use tidegauge::ruletest::run;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ruletests")
}

#[test]
fn tests_of_rules_say_what_came_and_what_should_have() {
    let monitor = load_monitor(&folder().join("monitor.yaml")).unwrap_or_else(|problems| panic!("{problems:?}"));
    let monitor = Arc::new(monitor);
    let mut files: Vec<PathBuf> = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| is_test(file));
    assert!(files.len() >= 3);
    for file in files {
        let mut problems = run(&file, &monitor).err().unwrap_or_default();
        problems.sort();
        let said = format!("{}\n", Problems(problems)).replace(&format!("{}/", folder().display()), "");
        let expected = fs::read_to_string(file.with_extension("expected")).unwrap_or("\n".to_owned());
        assert_eq!(said, expected, "{} should say\n{said}", file.display());
    }
}
