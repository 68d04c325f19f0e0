//! The keys under which things are stored.

use crate::block::{Block, BlockKey};
use crate::engine::LearntKey;
use crate::notify::LetterId;
use crate::pane::{Pane, Partition};
use crate::rule::alert::stable_id;
use crate::time::Time;

pub type Key = Vec<u8>;

// Names are hashed, because they may be of any length and a key may not, and so that no name begins with another.

pub fn model_key(model: &str) -> Key {
    stable_id(&[model]).into_bytes()
}

/// The least key of the model's panes, or blocks, that start at this or later.
pub fn starting_at(model: &str, start: Time) -> Key {
    let mut key = model_key(model);
    // With the sign turned over, negative numbers sort first.
    key.extend((start.0 ^ i64::MIN).to_be_bytes());
    key
}

pub fn pane_key(pane: &Pane) -> Key {
    let of = &pane.key;
    let mut key = starting_at(&of.model, of.start);
    let partition = of.partition.partition.to_string();
    key.extend(stable_id(&[&of.version, &of.slice, &of.partition.topic, &partition]).into_bytes());
    key
}

pub fn block_key(block: &Block) -> Key {
    let BlockKey { model, start, series } = &block.key;
    let mut key = starting_at(model, *start);
    key.extend(stable_id(&[&series.version, &series.slice, &series.topic]).into_bytes());
    key
}

pub fn position_key(partition: &Partition) -> Key {
    stable_id(&[&partition.topic, &partition.partition.to_string()]).into_bytes()
}

pub fn learnt_key(learnt: &LearntKey) -> Key {
    let mut key = model_key(&learnt.model);
    key.extend(stable_id(&[&learnt.version, &learnt.topic]).into_bytes());
    key
}

/// Ids sort by age.
pub fn letter_key(id: &LetterId) -> Key {
    id.0.clone().into_bytes()
}

/// What has a name of its own already.
pub fn text_key(name: &str) -> Key {
    name.as_bytes().to_vec()
}
