//! What is printed of an explanation.

use std::collections::BTreeSet;
use std::io::Write;

use anyhow::Result;

use super::compare::{Number, is_of_the_same};
use super::log::Found;
use crate::audit::{Entry, Told, What};
use crate::config::Config;
use crate::pane::Partition;
use crate::rule::basis::OffsetRange;

pub struct Show<W> {
    out: W,
}

impl<W: Write> Show<W> {
    pub fn new(out: W) -> Show<W> {
        Show { out }
    }

    /// Whether the log can be believed.
    pub fn log(&mut self, found: &Found) -> Result<()> {
        match &found.verdict {
            Ok(summary) => writeln!(self.out, "audit log   {}: {} entries, whole", found.place, summary.head.count)?,
            Err(broken) => writeln!(self.out, "audit log   {}: BROKEN: {broken}", found.place)?,
        }
        Ok(())
    }

    /// Which change of the alert comes now, and whether the configuration is that under which it came.
    pub fn change(&mut self, entry: &Entry, config: &Config) -> Result<()> {
        let What::Alert { alert, state, model, version, slice, subject, window_start, window_end, condition, .. } =
            &entry.what
        else {
            return Ok(());
        };
        let of = [subject, model, version, slice].into_iter().filter(|part| !part.is_empty());
        let of: Vec<&str> = of.map(String::as_str).collect();
        writeln!(self.out, "\n{alert} ({}) {} at {}", of.join(", "), state.name(), entry.at)?;
        writeln!(self.out, "  condition      {condition}")?;
        writeln!(self.out, "  window         {window_start} to {window_end}")?;
        let now = config.hash();
        if entry.config_hash == now {
            writeln!(self.out, "  configuration  {now}, as then")?;
        } else {
            writeln!(self.out, "  configuration  DIFFERS: {} then, {now} now", entry.config_hash)?;
        }
        Ok(())
    }

    pub fn nothing(&mut self) -> Result<()> {
        Ok(writeln!(self.out, "  it was told without numbers")?)
    }

    /// Where records are.
    pub fn records(&mut self, what: &str, ranges: impl IntoIterator<Item = OffsetRange>) -> Result<()> {
        for OffsetRange { partition: Partition { topic, partition }, first, last } in ranges {
            writeln!(self.out, "  {what:<14} {topic}/{partition}: offsets {first}-{last}")?;
        }
        Ok(())
    }

    /// How much was read.
    pub fn read(&mut self, rows: u64) -> Result<()> {
        Ok(writeln!(self.out, "  read again     {rows} records")?)
    }

    /// Whether what the window is compared with is what it was compared with then.
    pub fn references<'a>(&mut self, told: &'a [Told], again: impl Iterator<Item = &'a Told> + Clone) -> Result<()> {
        let hashes: BTreeSet<(&str, &str)> = told
            .iter()
            .filter_map(|told| {
                let again = again.clone().find(|again| is_of_the_same(told, again))?;
                Some((told.reference.as_deref()?, again.reference.as_deref().unwrap_or("none")))
            })
            .collect();
        for (then, now) in hashes {
            if then == now {
                writeln!(self.out, "  reference      {now}, as then")?;
            } else {
                writeln!(self.out, "  reference      DIFFERS: {then} then, {now} now")?;
            }
        }
        Ok(())
    }

    /// Why nothing is computed again.
    pub fn impossible(&mut self, why: &[String]) -> Result<()> {
        for why in why {
            writeln!(self.out, "  NOT COMPUTED   {why}")?;
        }
        Ok(())
    }

    /// Each number as it was and as it is now, and how many are the same.
    pub fn numbers(&mut self, numbers: &[Number]) -> Result<()> {
        let (mut same, mut all) = (0, 0);
        for number in numbers {
            writeln!(self.out, "  {}", number.name)?;
            if let Some(depends) = number.depends {
                writeln!(self.out, "    not computed again: it depends on {depends}")?;
            }
            for part in &number.parts {
                (same, all) = (same + usize::from(part.is_same()), all + 1);
                let recomputed = match &part.recomputed {
                    Some(recomputed) => or_none(recomputed),
                    None => "",
                };
                let verdict = match &part.recomputed {
                    Some(_) if part.is_same() => "identical",
                    Some(_) => "DIFFERS",
                    None => "not computed",
                };
                writeln!(self.out, "    {:<12} {:<24} {recomputed:<24} {verdict}", part.name, or_none(&part.recorded))?;
            }
        }
        Ok(writeln!(self.out, "  {same} of {all} numbers are identical")?)
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
