//! Which of the alarmed subjects to look at first.

/// What is known of how much a subject matters.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Weight<'a> {
    pub subject: &'a str,
    /// How far it has drifted: any distance, of the same statistic for all of them.
    pub drift: Option<f64>,
    /// How much the model relies on it: the mean magnitude of its attributions, or another importance.
    pub attribution: Option<f64>,
    /// How much worse the model is estimated to do because of it.
    pub loss: Option<f64>,
}

/// Orders subjects by `drift × attribution × loss`, largest first, and gives the product with each.
///
/// Each factor is first divided by its mean over the subjects of which it is known, so that 1 is what an average one has,
/// whatever it is measured in. One that is not known, or not a finite number, counts as 1: it moves a subject neither up
/// nor down. A negative one, such as a loss that is a gain, counts as 0. Subjects with equal products are in the order of
/// their drift, and then of their names.
pub fn rank<'a>(weights: &[Weight<'a>]) -> Vec<(&'a str, f64)> {
    let scale = |of: fn(&Weight<'a>) -> Option<f64>| {
        let known: Vec<f64> = weights.iter().filter_map(|weight| usable(of(weight))).collect();
        let mean = known.iter().sum::<f64>() / known.len().max(1) as f64;
        move |weight: &Weight<'a>| match usable(of(weight)) {
            Some(factor) if mean > 0.0 && mean.is_finite() => factor / mean,
            _ => 1.0,
        }
    };
    let (drift, attribution, loss) =
        (scale(|weight| weight.drift), scale(|weight| weight.attribution), scale(|weight| weight.loss));
    let mut ranked: Vec<(&'a str, f64, f64)> = weights
        .iter()
        .map(|weight| (weight.subject, drift(weight) * attribution(weight) * loss(weight), drift(weight)))
        .collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(b.2.total_cmp(&a.2)).then(a.0.cmp(b.0)));
    ranked.into_iter().map(|(subject, product, _)| (subject, product)).collect()
}

fn usable(factor: Option<f64>) -> Option<f64> {
    factor.filter(|factor| factor.is_finite()).map(|factor| factor.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(subject: &str, drift: f64, attribution: Option<f64>, loss: Option<f64>) -> Weight<'_> {
        Weight { subject, drift: Some(drift), attribution, loss }
    }

    fn order(weights: &[Weight<'_>]) -> Vec<String> {
        rank(weights).into_iter().map(|(subject, _)| subject.to_owned()).collect()
    }

    #[test]
    fn what_drifted_most_comes_first_where_nothing_else_is_known() {
        let weights = [weight("a", 0.1, None, None), weight("b", 0.5, None, None), weight("c", 0.2, None, None)];
        assert_eq!(order(&weights), ["b", "c", "a"]);
    }

    #[test]
    fn what_the_model_relies_on_counts_for_more() {
        let weights =
            [weight("a", 0.2, Some(0.9), None), weight("b", 0.5, Some(0.1), None), weight("c", 0.3, None, None)];
        assert_eq!(order(&weights), ["a", "c", "b"]);
        assert_eq!(rank(&weights).len(), 3);
    }

    #[test]
    fn what_is_no_number_or_a_gain_does_no_harm() {
        let weights = [
            weight("a", f64::NAN, Some(f64::INFINITY), Some(-1.0)),
            weight("b", 0.5, Some(0.0), Some(0.2)),
            weight("c", 0.3, Some(0.4), Some(0.1)),
        ];
        assert_eq!(order(&weights), ["c", "b", "a"]);
        assert!(rank(&weights).iter().all(|(_, product)| product.is_finite()));
        assert!(rank(&[]).is_empty());
    }
}
