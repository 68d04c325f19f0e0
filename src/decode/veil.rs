//! Puts what stands for a value in its place, before anybody else has seen it.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::schema::Disguise;

/// The most values of which it is remembered what stands for them. What people are told apart by has few; what has more
/// is reckoned anew.
const MOST: usize = 1024;

/// Disguises the texts of a column while it is made.
pub struct Veil {
    disguise: Disguise,
    /// What stands for each of the values that were met before, as far as it takes long to know. It does not outlive the
    /// decoder, like the records themselves.
    known: HashMap<String, String, FixedState>,
    /// The value at hand.
    raw: String,
}

impl Veil {
    pub fn new(disguise: Disguise) -> Veil {
        Veil { disguise, known: HashMap::default(), raw: String::new() }
    }

    /// Appends to a text what stands for what `write` writes.
    ///
    /// # Errors
    /// As of `write`, when there is no value.
    #[inline]
    pub fn write<E>(&mut self, text: &mut String, write: impl FnOnce(&mut String) -> Result<(), E>) -> Result<(), E> {
        self.raw.clear();
        write(&mut self.raw)?;
        if let Disguise::Named(_) = self.disguise {
            text.push_str(&self.disguise.of(&self.raw));
        } else if let Some(known) = self.known.get(&self.raw) {
            text.push_str(known);
        } else {
            let stand_in = self.disguise.of(&self.raw).into_owned();
            text.push_str(&stand_in);
            if self.known.len() == MOST {
                self.known.clear();
            }
            self.known.insert(self.raw.clone(), stand_in);
        }
        Ok(())
    }
}
