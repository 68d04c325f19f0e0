//! Wanted paths, compiled into what to do at each key.

use std::cell::Cell;
use std::collections::HashMap;

use foldhash::fast::FixedState;

/// Where objects are read: which keys lead somewhere, and where to.
///
/// A place is named by the keys that led to it, joined with dots. Joined keys do not tell how they were joined, so
/// `{"a":{"b.c":1}}`, `{"a.b":{"c":1}}` and the other spellings of a path meet in the same places, and a path of n
/// segments needs n places rather than one for each of its 2^(n-1) spellings.
pub struct Keys {
    /// The first is that of the outermost object.
    places: Vec<Place>,
}

/// Where an object is read.
#[derive(Default)]
pub struct Place {
    edges: Vec<Edge>,
    by_key: HashMap<Box<str>, usize, FixedState>,
    /// The edge to expect first.
    pub first: Guess,
}

/// A key that leads somewhere.
pub struct Edge {
    key: Box<str>,
    /// The columns that want the value.
    pub columns: Vec<usize>,
    inner: Option<usize>,
    /// The edge to expect next.
    pub next: Guess,
}

/// Which edge came at some point of the last object that was read. Most logs write the keys of every record in the same
/// order, and then it comes there again.
pub type Guess = Cell<usize>;

impl Keys {
    /// Compiles paths; a column is a path's position.
    pub fn new(paths: &[&str]) -> Keys {
        let mut names = vec![String::new()];
        let mut places: Vec<Place> = Vec::new();
        while let Some(name) = names.get(places.len()).cloned() {
            let mut place = Place::default();
            for (column, path) in paths.iter().enumerate() {
                let Some(rest) = path.strip_prefix(name.as_str()) else { continue };
                place.edge(rest).columns.push(column);
                for (dot, _) in rest.match_indices('.') {
                    let inner = &path[..=name.len() + dot];
                    let index = names.iter().position(|known| known == inner).unwrap_or_else(|| {
                        names.push(inner.to_owned());
                        names.len() - 1
                    });
                    place.edge(&rest[..dot]).inner = Some(index);
                }
            }
            places.push(place);
        }
        Keys { places }
    }

    /// The place of the outermost object.
    pub fn root(&self) -> &Place {
        &self.places[0]
    }

    /// The place of the object to which an edge leads, if anything in it is wanted.
    pub fn inner(&self, edge: &Edge) -> Option<&Place> {
        edge.inner.map(|place| &self.places[place])
    }
}

impl Place {
    /// The edge of a key, `None` when it leads nowhere.
    #[inline]
    pub fn find(&self, guess: &Guess, key: &str) -> Option<&Edge> {
        match self.edges.get(guess.get()) {
            Some(edge) if *edge.key == *key => Some(edge),
            _ => {
                let found = *self.by_key.get(key)?;
                guess.set(found);
                Some(&self.edges[found])
            }
        }
    }

    /// The edge of a key, made if there is none.
    fn edge(&mut self, key: &str) -> &mut Edge {
        let next = self.edges.len();
        let index = *self.by_key.entry(key.into()).or_insert(next);
        if index == next {
            self.edges.push(Edge { key: key.into(), columns: Vec::new(), inner: None, next: Cell::new(next + 1) });
        }
        &mut self.edges[index]
    }
}

#[cfg(test)]
mod tests {
    use super::Keys;

    /// Follows keys from the outermost object and returns the columns at the end.
    fn columns<'a>(keys: &'a Keys, way: &[&str]) -> &'a [usize] {
        let mut place = keys.root();
        let (last, before) = way.split_last().expect("a way has a key");
        for key in before {
            let Some(inner) = place.find(&place.first, key).and_then(|edge| keys.inner(edge)) else { return &[] };
            place = inner;
        }
        place.find(&place.first, last).map_or(&[], |edge| &edge.columns)
    }

    #[test]
    fn every_spelling_of_a_path_leads_to_its_columns() {
        let keys = Keys::new(&["a.b.c", "a.b", "x", "a.b.c"]);
        for way in [&["a", "b", "c"][..], &["a.b", "c"], &["a", "b.c"], &["a.b.c"]] {
            assert_eq!(columns(&keys, way), [0, 3], "{way:?}");
        }
        for way in [&["a", "b"][..], &["a.b"]] {
            assert_eq!(columns(&keys, way), [1], "{way:?}");
        }
        assert_eq!(columns(&keys, &["x"]), [2]);
        for way in [&["a"][..], &["b"], &["c"], &["a", "c"], &["a.b.c", "a"], &["a.b.c."], &[""]] {
            assert!(columns(&keys, way).is_empty(), "{way:?}");
        }
    }

    #[test]
    fn a_path_of_many_segments_stays_small() {
        let path = ["segment"; 60].join(".");
        assert_eq!(Keys::new(&[&path]).places.len(), 60);
    }

    #[test]
    fn guesses_follow_the_order_of_the_log() {
        let keys = Keys::new(&["a", "b", "c"]);
        let place = keys.root();
        for _ in 0..2 {
            let mut guess = &place.first;
            for key in ["c", "?", "a", "b"] {
                if let Some(edge) = place.find(guess, key) {
                    guess = &edge.next;
                }
            }
        }
        assert_eq!(place.first.get(), 2);
        assert_eq!(place.edges.iter().map(|edge| edge.next.get()).collect::<Vec<_>>(), [1, 2, 0]);
    }
}
