//! Slices: the rows that are measured apart because a dimension, or a crossing of several, has a value.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;

use foldhash::fast::FixedState;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::grid::Vocabulary;
use crate::rows::Column;

/// The value under which a slice's name stands for all rows of its dimension that no slice of its own has.
pub const OTHER_VALUES: &str = "~other";

/// A value of more bytes has no slice of its own, since names are labels and keys. Cut short, two could look the same.
const LONGEST: usize = 128;

/// What a monitor is sliced by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slicing {
    /// The dimensions, each by its subjects: one, or several of the same log whose values are crossed.
    pub by: Vec<Vec<String>>,
    /// The most slices of their own, of all dimensions together. The slice of all other rows comes on top for each.
    pub most: usize,
    /// The least rows that the reference must have of what gets a slice of its own.
    pub min_rows: u64,
}

/// A dimension, and which of its values have a slice of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    pub subjects: Vec<String>,
    /// The commonest first; each is one value for each subject.
    pub values: Vec<Vec<String>>,
}

impl Dimension {
    /// The names of its slices in their order, that of all other rows last: `country=US`, `sex=F,age_group=4` and, for
    /// the others, `sex=~other,age_group=~other`.
    pub fn names(&self) -> impl Iterator<Item = String> {
        let own = self.values.iter().map(|values| self.name(values.iter().map(|value| escaped(value))));
        own.chain([self.name(self.subjects.iter().map(|_| OTHER_VALUES.to_owned()))])
    }

    fn name(&self, values: impl Iterator<Item = String>) -> String {
        let pairs = self.subjects.iter().zip(values).map(|(subject, value)| format!("{}={value}", escaped(subject)));
        pairs.collect::<Vec<_>>().join(",")
    }
}

/// A text as a part of a name. What would be read as something else is written as in an address, `%2C` for a comma.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for (at, c) in text.char_indices() {
        if matches!(c, ',' | '=' | '%') || c.is_control() || (c == '~' && at == 0) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        } else {
            escaped.push(c);
        }
    }
    escaped
}

impl Slicing {
    /// Whether a subject is, or is part of, a dimension.
    pub fn is_by(&self, subject: &str) -> bool {
        self.by.iter().flatten().any(|known| known == subject)
    }

    /// Chooses the slices by the reference's columns, each cut into the same batches. A dimension without its columns
    /// is left out.
    pub fn choose(&self, columns: &BTreeMap<&str, Vec<&Column>>) -> Vec<Dimension> {
        let found = self.by.iter().map(|subjects| {
            let of_subjects: Option<Vec<&Vec<&Column>>> =
                subjects.iter().map(|subject| columns.get(subject.as_str())).collect();
            let of_subjects = of_subjects?;
            let mut found = Combinations::default();
            for batch in 0..of_subjects.iter().map(|columns| columns.len()).min().unwrap_or(0) {
                found.observe(&of_subjects.iter().map(|columns| columns[batch]).collect::<Vec<_>>());
            }
            Some(found)
        });
        self.choose_among(found.collect())
    }

    /// Chooses the slices by how often each dimension's values are met together in the reference, `None` for one to
    /// leave out: of all dimensions together the commonest that have enough rows, and among equally common ones those
    /// of the dimension that was written first, and that sort first, so that the order of the rows does not matter.
    pub fn choose_among(&self, found: Vec<Option<Combinations>>) -> Vec<Dimension> {
        let (mut dimensions, mut common) = (Vec::new(), Vec::new());
        for (subjects, found) in self.by.iter().zip(found) {
            let Some(Combinations(found)) = found else { continue };
            let is_common = |values: &[String], rows: u64| {
                rows >= self.min_rows.max(1) && values.iter().all(|value| value.len() <= LONGEST)
            };
            let found = found.into_iter().filter(|(values, rows)| is_common(values, *rows));
            common.extend(found.map(|(values, rows)| (rows, dimensions.len(), values)));
            dimensions.push(Dimension { subjects: subjects.clone(), values: Vec::new() });
        }
        common.sort_unstable_by(|a, b| b.0.cmp(&a.0).then_with(|| (a.1, &a.2).cmp(&(b.1, &b.2))));
        for (_, dimension, values) in common.into_iter().take(self.most) {
            dimensions[dimension].values.push(values);
        }
        dimensions
    }
}

/// How many rows have each combination of a dimension's values. Rows without a value in any of the columns are not
/// among them.
#[derive(Debug, Default)]
pub struct Combinations(HashMap<Vec<String>, u64>);

impl Combinations {
    /// Counts a batch of rows, by the columns of the dimension's subjects.
    pub fn observe(&mut self, columns: &[&Column]) {
        let mut rows_of: HashMap<Vec<&str>, u64> = HashMap::new();
        let mut values = Vec::new();
        for row in 0..columns.iter().map(|column| column.len()).min().unwrap_or(0) {
            values.clear();
            values.extend(columns.iter().map_while(|column| column.text(row)));
            if values.len() < columns.len() {
                continue;
            }
            match rows_of.get_mut(values.as_slice()) {
                Some(rows) => *rows += 1,
                None => drop(rows_of.insert(values.clone(), 1)),
            }
        }
        for (values, rows) in rows_of {
            *self.0.entry(values.into_iter().map(str::to_owned).collect()).or_default() += rows;
        }
    }
}

/// Tells the rows of each slice apart. Of each dimension, a row is in exactly one slice.
#[derive(Clone, Debug, Default)]
pub struct Slicer {
    names: Arc<[Arc<str>]>,
    /// How many of the first names are of slices, and not of groups.
    slices: usize,
    cutters: Arc<[Cutter]>,
}

/// One dimension of a slicer.
#[derive(Debug)]
struct Cutter {
    /// The columns of its subjects, and those of their values that are in any slice.
    columns: Vec<(usize, Vocabulary)>,
    /// The slice of each combination of the values' cells that has one of its own.
    slices: HashMap<Box<[u32]>, usize, FixedState>,
    other: usize,
}

impl Slicer {
    /// A slicer by those of the dimensions whose subjects all have a column; `place` says which.
    pub fn new<'a>(
        dimensions: impl IntoIterator<Item = &'a Dimension>,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Slicer {
        Slicer::with_groups(dimensions, [], place)
    }

    /// The same, which beside slices tells groups apart: slices of which only outcomes are counted. What is a dimension
    /// of slices already is not cut once more.
    pub fn with_groups<'a>(
        dimensions: impl IntoIterator<Item = &'a Dimension>,
        groups: impl IntoIterator<Item = &'a Dimension>,
        place: impl Fn(&str) -> Option<usize>,
    ) -> Slicer {
        let (mut names, mut cutters) = (Vec::new(), Vec::new());
        let mut cut: Vec<&[String]> = Vec::new();
        for dimension in dimensions {
            cut.push(&dimension.subjects);
            cutters.extend(Cutter::new(dimension, &place, &mut names));
        }
        let slices = names.len();
        for group in groups.into_iter().filter(|group| !cut.contains(&group.subjects.as_slice())) {
            cutters.extend(Cutter::new(group, &place, &mut names));
        }
        Slicer { names: names.into(), slices, cutters: cutters.into() }
    }

    /// Whether only outcomes are counted of the slice with this place.
    pub fn is_group(&self, place: usize) -> bool {
        place >= self.slices
    }

    /// The place of a name.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| **known == *name)
    }

    /// The names of all slices, in their order.
    pub fn names(&self) -> &[Arc<str>] {
        &self.names
    }

    /// What tells this slicer from others: the first 16 hex digits of a SHA-256 over the names.
    pub fn hash(&self) -> String {
        let mut hash = Sha256::new();
        for name in self.names.iter() {
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name.as_bytes());
        }
        hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The rows of each slice, in the order of the names and each in the order of the rows.
    pub fn apart<'a>(
        &self,
        rows: impl Iterator<Item = u32> + Clone,
        column: impl Fn(usize) -> Option<&'a Column>,
    ) -> Vec<Vec<u32>> {
        let mut apart = vec![Vec::new(); self.names.len()];
        for cutter in self.cutters.iter() {
            cutter.cut(rows.clone(), &column, |row, slice| apart[slice].push(row));
        }
        apart
    }

    /// The slices that each row is in, one of each dimension.
    pub fn of_rows<'a>(
        &self,
        rows: impl Iterator<Item = u32> + Clone,
        column: impl Fn(usize) -> Option<&'a Column>,
    ) -> Vec<Box<[u16]>> {
        let mut of_rows = vec![Vec::with_capacity(self.cutters.len()); rows.clone().count()];
        for cutter in self.cutters.iter() {
            let mut next = of_rows.iter_mut();
            cutter.cut(rows.clone(), &column, |_, slice| next.next().into_iter().for_each(|of| of.push(slice as u16)));
        }
        of_rows.into_iter().map(Vec::into_boxed_slice).collect()
    }
}

impl Cutter {
    /// A dimension's cutter, whose slices are named after those that are there already; `None` when a subject has no
    /// column.
    fn new(dimension: &Dimension, place: impl Fn(&str) -> Option<usize>, names: &mut Vec<Arc<str>>) -> Option<Cutter> {
        let places = dimension.subjects.iter().map(|subject| place(subject)).collect::<Option<Vec<usize>>>()?;
        let known = |at: usize| dimension.values.iter().filter_map(move |values| values.get(at).cloned());
        let columns: Vec<(usize, Vocabulary)> =
            places.into_iter().enumerate().map(|(at, place)| (place, Vocabulary::new(known(at)))).collect();
        let cells = |values: &Vec<String>| -> Option<Box<[u32]>> {
            columns.iter().zip(values).map(|((_, known), value)| known.cell(value).map(|cell| cell as u32)).collect()
        };
        let first = names.len();
        let slices = dimension.values.iter().zip(first..).filter_map(|(values, slice)| Some((cells(values)?, slice)));
        let slices = slices.collect();
        names.extend(dimension.names().map(Arc::from));
        Some(Cutter { columns, slices, other: names.len() - 1 })
    }

    /// Says of each row which slice it is in.
    fn cut<'a>(
        &self,
        rows: impl Iterator<Item = u32>,
        column: impl Fn(usize) -> Option<&'a Column>,
        mut visit: impl FnMut(u32, usize),
    ) {
        let columns: Vec<(Option<&Column>, &Vocabulary)> =
            self.columns.iter().map(|(place, known)| (column(*place), known)).collect();
        let mut cells: Vec<u32> = Vec::with_capacity(columns.len());
        for row in rows {
            cells.clear();
            cells.extend(columns.iter().map_while(|(column, known)| {
                let value = (*column)?.text(row as usize)?;
                known.cell(value).map(|cell| cell as u32)
            }));
            visit(row, self.slices.get(cells.as_slice()).copied().unwrap_or(self.other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{Absent, Values};
    use arrow_array::StringArray;
    use proptest::prelude::*;

    fn column(values: &[Option<&str>]) -> Column {
        let marks = values.iter().map(|value| value.map_or(Absent::Null as u8, |_| 0)).collect();
        Column { values: Values::Categorical(StringArray::from(values.to_vec())), marks }
    }

    fn slicing(by: &[&[&str]], most: usize, min_rows: u64) -> Slicing {
        let by = by.iter().map(|subjects| subjects.iter().map(|subject| subject.to_string()).collect()).collect();
        Slicing { by, most, min_rows }
    }

    fn names(dimensions: &[Dimension]) -> Vec<String> {
        dimensions.iter().flat_map(Dimension::names).collect()
    }

    #[test]
    fn the_commonest_values_get_a_slice_and_all_others_share_one() {
        let sex = column(&[Some("F"), Some("F"), Some("M"), Some("M"), None, Some("F")]);
        let age = column(&[Some("1"), Some("1"), Some("1"), Some("2"), Some("1"), None]);
        let columns = BTreeMap::from([("sex", vec![&sex]), ("age", vec![&age])]);
        let by: &[&[&str]] = &[&["age"], &["sex", "age"]];
        let all = slicing(by, 10, 1).choose(&columns);
        let expected =
            ["age=1", "age=2", "age=~other", "sex=F,age=1", "sex=M,age=1", "sex=M,age=2", "sex=~other,age=~other"];
        assert_eq!(names(&all), expected);
        assert_eq!(names(&slicing(by, 10, 2).choose(&columns)), [0, 2, 3, 6].map(|at| expected[at]));
        assert_eq!(names(&slicing(by, 1, 1).choose(&columns)), [0, 2, 6].map(|at| expected[at]));
        assert_eq!(names(&slicing(&[&["sex", "region"]], 10, 1).choose(&columns)), [""; 0]);

        let place = |subject: &str| ["age", "sex"].iter().position(|known| *known == subject);
        let apart = Slicer::new(&all, place).apart(0..6, |place| [&age, &sex].get(place).copied());
        let expected: [&[u32]; 7] = [&[0, 1, 2, 4], &[3], &[5], &[0, 1], &[2], &[3], &[4, 5]];
        assert_eq!(apart, expected);
        let only_age = Slicer::new(&all, |subject| (subject == "age").then_some(0));
        assert_eq!(only_age.names().len(), 3);
        assert_ne!(only_age.hash(), Slicer::new(&all, place).hash());
    }

    #[test]
    fn names_are_read_in_one_way_only() {
        let dimension = |value: &str| Dimension { subjects: vec!["a=b".into()], values: vec![vec![value.into()]] };
        let name = |value: &str| dimension(value).names().next();
        for (value, shown) in [
            ("US", "US"),
            ("a,b=c", "a%2Cb%3Dc"),
            ("100%", "100%25"),
            ("~other", "%7Eother"),
            ("a~b", "a~b"),
            ("\n\u{85}é", "%0A%C2%85é"),
            ("", ""),
        ] {
            assert_eq!(name(value), Some(format!("a%3Db={shown}")));
        }
    }

    #[test]
    fn a_value_too_long_for_a_name_is_among_the_others() {
        let long = "x".repeat(LONGEST + 1);
        let column = column(&[Some(&long), Some(&long[1..])]);
        let dimensions = slicing(&[&["a"]], 10, 1).choose(&BTreeMap::from([("a", vec![&column])]));
        assert_eq!(dimensions[0].values, [[long[1..].to_owned()]]);
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_slice_of_each_dimension_and_in_the_right_one(
            rows in prop::collection::vec((prop::option::of("[a-c]"), prop::option::of("[a-c~,]{0,2}")), 0..60),
            most in 0..8usize,
            cut in any::<prop::sample::Index>(),
        ) {
            let a: Vec<Option<&str>> = rows.iter().map(|row| row.0.as_deref()).collect();
            let b: Vec<Option<&str>> = rows.iter().map(|row| row.1.as_deref()).collect();
            let cut = cut.index(rows.len() + 1);
            let parts = [&a[..cut], &a[cut..], &b[..cut], &b[cut..]].map(column);
            let columns = BTreeMap::from([("a", vec![&parts[0], &parts[1]]), ("b", vec![&parts[2], &parts[3]])]);
            let slicing = slicing(&[&["a"], &["b", "a"]], most, 2);
            let dimensions = slicing.choose(&columns);
            let whole = [column(&a), column(&b)];
            let at_once = BTreeMap::from([("a", vec![&whole[0]]), ("b", vec![&whole[1]])]);
            prop_assert_eq!(&slicing.choose(&at_once), &dimensions);
            prop_assert!(dimensions.iter().map(|dimension| dimension.values.len()).sum::<usize>() <= most);

            let slicer = Slicer::new(&dimensions, |subject| Some(usize::from(subject == "b")));
            let apart = slicer.apart(0..rows.len() as u32, |place| whole.get(place));
            let name = |values: [(&str, Option<&str>); 2], own: &[Vec<String>], count: usize| {
                let values = &values[2 - count..];
                let combination: Option<Vec<_>> = values.iter().map(|(_, value)| value.map(str::to_owned)).collect();
                let is_own = combination.is_some_and(|combination| own.contains(&combination));
                let shown = |text: &Option<&str>| escaped(text.filter(|_| is_own).unwrap_or(""));
                let value = |text| if is_own { shown(text) } else { OTHER_VALUES.into() };
                values.iter().map(|(subject, text)| format!("{subject}={}", value(text))).collect::<Vec<_>>().join(",")
            };
            for row in 0..rows.len() {
                let is_in = |slice: &usize| apart[*slice].contains(&(row as u32));
                let found: Vec<&str> = (0..apart.len()).filter(is_in).map(|slice| &*slicer.names()[slice]).collect();
                let values = [("b", b[row]), ("a", a[row])];
                let expected = [name(values, &dimensions[0].values, 1), name(values, &dimensions[1].values, 2)];
                prop_assert_eq!(found, expected);
            }
        }
    }
}
