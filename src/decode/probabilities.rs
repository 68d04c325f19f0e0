//! Class probabilities, taken in one by one and summed up in the numbers that are measured of them.

/// What is known of a row's class probabilities so far. A class that a record leaves out and one that it gives as null
/// or 0 are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Probabilities {
    sum: f64,
    largest: f64,
    /// In bits.
    entropy: f64,
    /// Whether something was among them that is no probability.
    is_spoilt: bool,
}

/// By how much probabilities may miss 1 together: many are rounded to two or three digits when they are logged.
const TOLERANCE: f64 = 0.01;

impl Probabilities {
    /// Those of two classes of which one has this probability.
    pub fn of_two(probability: f64) -> Probabilities {
        let mut two = Probabilities::default();
        two.add(probability);
        two.add(1.0 - probability);
        two
    }

    /// Those in a text that is a list or an object of JSON, as it stands in a column of CSV.
    pub fn of_text(text: &str) -> Option<Probabilities> {
        use serde_json::Value;
        let values = match serde_json::from_str(text).ok()? {
            Value::Array(values) => values,
            Value::Object(values) => values.into_iter().map(|(_, value)| value).collect(),
            _ => return None,
        };
        let mut probabilities = Probabilities::default();
        for value in values {
            match value {
                Value::Null => {}
                Value::Number(number) => probabilities.add(number.as_f64().unwrap_or(f64::NAN)),
                _ => probabilities.spoil(),
            }
        }
        Some(probabilities)
    }

    pub fn add(&mut self, probability: f64) {
        if !(0.0..=1.0).contains(&probability) {
            self.spoil();
            return;
        }
        self.sum += probability;
        self.largest = self.largest.max(probability);
        if probability > 0.0 {
            self.entropy -= probability * probability.log2();
        }
    }

    /// Takes note of something that is no probability.
    pub fn spoil(&mut self) {
        self.is_spoilt = true;
    }

    /// The largest; `None` when they are not the probabilities of all the classes.
    pub fn confidence(&self) -> Option<f64> {
        self.are_whole().then_some(self.largest)
    }

    /// The Shannon entropy in bits, not divided by its greatest possible value, for which the number of classes would
    /// have to be known; `None` as above.
    pub fn entropy(&self) -> Option<f64> {
        self.are_whole().then_some(self.entropy)
    }

    fn are_whole(&self) -> bool {
        !self.is_spoilt && (self.sum - 1.0).abs() <= TOLERANCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Probabilities {
        let mut probabilities = Probabilities::default();
        values.iter().for_each(|&value| probabilities.add(value));
        probabilities
    }

    #[test]
    fn entropies_are_those_of_textbooks() {
        for (values, confidence, entropy) in [
            (&[0.5, 0.5][..], 0.5, 1.0),
            (&[0.25; 4], 0.25, 2.0),
            (&[1.0, 0.0], 1.0, 0.0),
            // Cover and Thomas, Elements of Information Theory, example 2.1.1.
            (&[0.5, 0.25, 0.125, 0.125], 0.5, 1.75),
        ] {
            assert_eq!(
                (of(values).confidence(), of(values).entropy()),
                (Some(confidence), Some(entropy)),
                "{values:?}"
            );
        }
        assert_eq!(Probabilities::of_two(0.25).confidence(), Some(0.75));
        assert_eq!(Probabilities::of_text("[0.5, null, 0.5]").and_then(|p| p.entropy()), Some(1.0));
        assert_eq!(Probabilities::of_text(r#"{"a": 0.9, "b": 0.1}"#).and_then(|p| p.confidence()), Some(0.9));
    }

    #[test]
    fn what_is_no_distribution_gives_no_number() {
        for values in [&[][..], &[0.5], &[0.5, 0.6], &[1.5, -0.5], &[f64::NAN, 1.0], &[f64::INFINITY]] {
            assert_eq!((of(values).confidence(), of(values).entropy()), (None, None), "{values:?}");
        }
        assert_eq!(Probabilities::of_two(1.2).confidence(), None);
        assert_eq!(of(&[0.333, 0.333, 0.333]).confidence(), Some(0.333));
        assert_eq!(Probabilities::of_text("[0.5, 0.5, true]").and_then(|p| p.confidence()), None);
        assert_eq!((Probabilities::of_text("0.5"), Probabilities::of_text("[0.5")), (None, None));
    }

    proptest! {
        #[test]
        fn entropy_is_at_most_the_logarithm_of_the_number_of_classes(
            weights in prop::collection::vec(0.001..1.0f64, 1..30),
        ) {
            let sum: f64 = weights.iter().sum();
            let values: Vec<f64> = weights.iter().map(|weight| weight / sum).collect();
            let (confidence, entropy) = (of(&values).confidence().unwrap(), of(&values).entropy().unwrap());
            prop_assert!(confidence >= 1.0 / values.len() as f64 - 1e-12 && confidence <= 1.0);
            prop_assert!(entropy >= 0.0 && entropy <= (values.len() as f64).log2() + 1e-9);
            // The most probable class alone bounds the entropy from below.
            prop_assert!(entropy >= -confidence.log2() - 1e-9);
        }
    }
}
