//! Finds the columns of a table that a schema's paths mean.

use crate::rows::Wanted;
use crate::schema::{Field, Path};

/// A column that is wanted of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Lookup {
    pub wanted: Wanted,
    /// What measurements call the field, which flat tables often name the column by.
    pub subject: Option<String>,
    /// Numbers are multiplied by this.
    pub scale: f64,
}

/// How many guesses there are at where a lookup is.
const RANKS: usize = 3;

impl Lookup {
    /// Where the lookup may be, by the rank of the guess.
    fn guess(&self, rank: usize) -> Option<Path> {
        match rank {
            0 => Some(self.wanted.path.clone()),
            1 => self.subject.clone().map(Path),
            _ => self.wanted.path.segments().last().map(|name| Path(name.to_owned())),
        }
    }

    /// All the paths where the lookup may be.
    pub fn guesses(&self) -> impl Iterator<Item = Path> {
        (0..RANKS).filter_map(|rank| self.guess(rank))
    }
}

impl From<&Field> for Lookup {
    fn from(field: &Field) -> Lookup {
        Lookup { wanted: Wanted::of(field), subject: Some(field.subject.clone()), scale: field.scale }
    }
}

impl From<Wanted> for Lookup {
    fn from(wanted: Wanted) -> Lookup {
        Lookup { wanted, subject: None, scale: 1.0 }
    }
}

/// Where the columns of these lookups are in a table: the names to follow from the outside in, `None` where there is
/// nothing.
pub fn locate(lookups: &[Lookup], shape: &Shape) -> Vec<Option<Vec<String>>> {
    let found = resolve(lookups, |lookup, path| match shape.find(path) {
        Some((_, Shape::Value)) => true,
        // Several probabilities are a list or have a name each.
        Some(_) => lookup.wanted.kind.is_of_probabilities(),
        None => false,
    });
    let at = |(lookup, found): (&Lookup, &Option<Path>)| shape.find(found.as_ref().unwrap_or(&lookup.wanted.path));
    lookups.iter().zip(&found).map(|both| at(both).map(|(names, _)| names)).collect()
}

/// What a table has under a name.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// One value for each row.
    Value,
    /// A list or the like, which no field can be.
    Other,
    Nested(Vec<(String, Shape)>),
}

impl Shape {
    /// The names of what is nested here, at the outermost level only.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let columns: &[(String, Shape)] = if let Shape::Nested(columns) = self { columns } else { &[] };
        columns.iter().map(|(name, _)| name.as_str())
    }

    /// The names to follow, from the outside in, and what they lead to. Longer names are tried first, so a column that
    /// is named like the whole path comes before nested ones.
    pub fn find(&self, path: &Path) -> Option<(Vec<String>, &Shape)> {
        let segments: Vec<&str> = path.segments().collect();
        self.follow(&segments)
    }

    fn follow(&self, segments: &[&str]) -> Option<(Vec<String>, &Shape)> {
        if segments.is_empty() {
            return Some((Vec::new(), self));
        }
        let Shape::Nested(columns) = self else { return None };
        (1..=segments.len()).rev().find_map(|taken| {
            let name = segments[..taken].join(".");
            let (_, shape) = columns.iter().find(|(column, _)| *column == name)?;
            let (mut names, end) = shape.follow(&segments[taken..])?;
            names.insert(0, name);
            Some((names, end))
        })
    }
}

/// For each lookup, the path at which the table has it: its own; else its subject; else the last segment of its path.
/// `None` when it has none of them.
///
/// `usable` says whether the table has values at a path that are of use for the lookup. A name that is another lookup's
/// own, or that lookups of two different paths would fall back to, is taken to mean neither: a missing column is
/// noticed, a wrong one is not.
pub fn resolve(lookups: &[Lookup], usable: impl Fn(&Lookup, &Path) -> bool) -> Vec<Option<Path>> {
    let mut found: Vec<Option<Path>> = vec![None; lookups.len()];
    for rank in 0..RANKS {
        let claims: Vec<Option<Path>> = lookups
            .iter()
            .zip(&found)
            .map(|(lookup, found)| found.clone().or_else(|| lookup.guess(rank).filter(|path| usable(lookup, path))))
            .collect();
        let is_disputed = |place: usize| {
            let rival = |(other, claim): (&Lookup, &Option<Path>)| {
                *claim == claims[place] && other.wanted.path != lookups[place].wanted.path
            };
            lookups.iter().zip(&claims).any(rival)
        };
        let settle = |(place, found): (usize, &Option<Path>)| {
            found.clone().or_else(|| claims[place].clone().filter(|_| !is_disputed(place)))
        };
        found = found.iter().enumerate().map(settle).collect();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Kind;

    fn nested(columns: &[(&str, Shape)]) -> Shape {
        Shape::Nested(columns.iter().map(|(name, shape)| ((*name).to_owned(), shape.clone())).collect())
    }

    #[track_caller]
    fn check_find(shape: &Shape, path: &str, names: Option<&[&str]>) {
        let found = shape.find(&Path(path.into())).map(|(names, _)| names);
        assert_eq!(found, names.map(|names| names.iter().map(|name| (*name).to_owned()).collect()));
    }

    #[test]
    fn a_path_is_found_flat_nested_and_mixed() {
        let inner = nested(&[("b", Shape::Value), ("b.c", Shape::Value)]);
        let shape = nested(&[("a", inner), ("a.b", Shape::Value), ("x.y", nested(&[("z", Shape::Value)]))]);
        check_find(&shape, "a.b", Some(&["a.b"]));
        check_find(&shape, "a.b.c", Some(&["a", "b.c"]));
        check_find(&shape, "x.y.z", Some(&["x.y", "z"]));
        check_find(&shape, "x.y.z.w", None);
        check_find(&shape, "b", None);
    }

    /// Lookups are written `path` or `path=subject`.
    #[track_caller]
    fn check_resolve(columns: &[&str], lookups: &[&str], found: &[&str]) {
        let shape = nested(&columns.iter().map(|name| (*name, Shape::Value)).collect::<Vec<_>>());
        let lookups: Vec<Lookup> = lookups
            .iter()
            .map(|text| {
                let (path, subject) = text.split_once('=').map_or((*text, None), |(path, name)| (path, Some(name)));
                let wanted = Wanted::new(Path(path.into()), Kind::Numeric);
                Lookup { subject: subject.map(str::to_owned), ..Lookup::from(wanted) }
            })
            .collect();
        let paths = resolve(&lookups, |_, path| shape.find(path).is_some());
        let paths: Vec<&str> = paths.iter().map(|path| path.as_ref().map_or("", |path| &path.0)).collect();
        assert_eq!(paths, found);
    }

    #[test]
    fn a_flat_table_is_searched_for_the_subject_and_then_the_last_segment() {
        check_resolve(&["features.x", "x"], &["features.x=x"], &["features.x"]);
        check_resolve(&["income", "x"], &["features.x=income"], &["income"]);
        check_resolve(&["x"], &["features.x=income"], &["x"]);
        check_resolve(
            &["score", "class"],
            &["prediction.score=score", "prediction.class=prediction"],
            &["score", "class"],
        );
        check_resolve(&["y"], &["features.x=x"], &[""]);
    }

    #[test]
    fn a_name_that_two_paths_would_fall_back_to_is_neither() {
        check_resolve(&["age"], &["first.age=a", "second.age=b"], &["", ""]);
        check_resolve(&["age"], &["first.age=age", "second.age=b"], &["age", ""]);
        check_resolve(&["ts"], &["ts", "features.ts=ts"], &["ts", ""]);
        check_resolve(&["age"], &["first.age=a", "first.age=b"], &["age", "age"]);
    }
}
