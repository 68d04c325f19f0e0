//! `tidegauge check`: whether configuration and monitors are right, and every problem if they are not.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::config::{self, Problem, Problems};

/// Checks files and folders. Returns true when there is nothing wrong.
///
/// # Errors
/// With all the problems, or when there is nothing to check.
pub fn run(paths: &[PathBuf]) -> Result<bool> {
    let paths = if paths.is_empty() { vec![default_path()?] } else { paths.to_vec() };
    let (mut monitors, mut configurations) = (0, 0);
    let mut problems: Vec<Problem> = Vec::new();
    for file in config::files(&paths).map_err(Problems)? {
        if config::is_daemon(&file) {
            match config::load(&file) {
                Ok(config) => {
                    configurations += 1;
                    monitors += config.monitors.len();
                }
                Err(found) => problems.extend(found),
            }
        } else {
            match config::load_monitor(&file) {
                Ok(_) => monitors += 1,
                Err(found) => problems.extend(found),
            }
        }
    }
    if !problems.is_empty() {
        problems.sort();
        problems.dedup();
        return Err(Problems(problems).into());
    }
    // Unlike `println!` this does not panic when whoever reads it has gone.
    writeln!(io::stdout(), "good: {configurations} configuration(s), {monitors} monitor(s)")?;
    Ok(true)
}

fn default_path() -> Result<PathBuf> {
    for name in ["tidegauge.yaml", "rules"] {
        if Path::new(name).exists() {
            return Ok(PathBuf::from(name));
        }
    }
    bail!("there is neither tidegauge.yaml nor rules here; name what to check")
}
