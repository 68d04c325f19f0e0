//! `tidegauge check`: whether configuration and monitors are right and rules do what their tests say, and every problem
//! if not.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, bail};

use crate::config::{self, Problem, Problems, ruletest as tests};
use crate::ruletest;

/// Checks files and folders, and runs the tests that stand beside monitors. Returns true when there is nothing wrong.
///
/// # Errors
/// With all the problems, or when there is nothing to check.
pub fn run(paths: &[PathBuf]) -> Result<bool> {
    let paths = if paths.is_empty() { vec![default_path()?] } else { paths.to_vec() };
    let (named, paths): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| tests::is_test(path));
    let (mut monitors, mut configurations) = (0, 0);
    let mut problems: Vec<Problem> = Vec::new();
    let mut tested: BTreeSet<PathBuf> = named.into_iter().collect();
    tested.extend(paths.iter().filter_map(|path| config::tests_in(path).ok()).flatten());
    for file in config::files(&paths).map_err(Problems)? {
        if config::is_daemon(&file) {
            tested.extend(config::monitors_of(&file).iter().flat_map(|monitor| tests::beside(monitor)));
            match config::load(&file) {
                Ok(config) => {
                    configurations += 1;
                    monitors += config.monitors.len();
                }
                Err(found) => problems.extend(found),
            }
        } else {
            tested.extend(tests::beside(&file));
            match config::load_monitor(&file) {
                Ok(_) => monitors += 1,
                Err(found) => problems.extend(found),
            }
        }
    }
    let mut passed = 0;
    for file in &tested {
        match test(file) {
            Ok(tests) => passed += tests,
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(Problems(problems).into());
    }
    let passed = if tested.is_empty() { String::new() } else { format!(", {passed} test(s)") };
    // Unlike `println!` this does not panic when whoever reads it has gone.
    writeln!(io::stdout(), "good: {configurations} configuration(s), {monitors} monitor(s){passed}")?;
    Ok(true)
}

/// Runs the tests in a file. Returns how many there are.
fn test(file: &Path) -> Result<usize, Vec<Problem>> {
    let Some(monitor) = tests::monitor_of(file) else {
        let message = "there is no monitor beside it".to_owned();
        let hint = Some("the tests of credit.yaml are in credit.test.yaml".to_owned());
        return Err(vec![Problem { file: file.to_owned(), line: 1, column: 1, message, hint }]);
    };
    ruletest::run(file, &Arc::new(config::load_monitor(&monitor)?))
}

fn default_path() -> Result<PathBuf> {
    for name in ["tidegauge.yaml", "rules"] {
        if Path::new(name).exists() {
            return Ok(PathBuf::from(name));
        }
    }
    bail!("there is neither tidegauge.yaml nor rules here; name what to check")
}
