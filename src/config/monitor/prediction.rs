//! Reads what a model says, and how it can be right or wrong.

use super::schema::{PROBABILITY, field};
use crate::config::{Item, Map, all, alternatives, shown};
use crate::schema::{Answers, Choice, Field, Kind, Path, Role};

/// The most classes that are told apart. Each has figures of its own.
const MOST: usize = 1000;

/// The fields of the prediction, and what of it a label can prove.
pub fn read(item: Item<'_>) -> Option<(Vec<Field>, Option<Answers>)> {
    let map = item.map()?;
    let score = map.maybe("score", |item| Some(field("score", item.path()?, Kind::Numeric, Role::Score)));
    let class = map.maybe("class", |item| Some(field("prediction", item.path()?, Kind::Categorical, Role::Prediction)));
    let number = |key, role| map.maybe(key, |item| Some(field(key, item.path()?, Kind::Numeric, role)));
    let value = number("value", Role::Value);
    let (confidence, entropy) = (number("confidence", Role::Confidence), number("entropy", Role::Entropy));
    let probabilities = map.maybe("probabilities", |item| {
        for key in ["confidence", "entropy"] {
            if let Some(own) = map.find(key) {
                let hint = format!("leave `{key}` out, or `probabilities`, from which it is made");
                own.report(format!("`{key}` is given twice"), Some(hint));
            }
        }
        item.path()
    });
    let answers = answers(&map, probabilities.as_ref());
    let given = [score?, value?, class?, confidence?, entropy?].into_iter().flatten();
    let mut fields: Vec<Field> = given.collect();
    let (answers, probabilities) = (answers?, probabilities?);
    if let Some(path) = &probabilities {
        fields.push(field("confidence", path.clone(), Kind::Confidence, Role::Confidence));
        fields.push(field("entropy", path.clone(), Kind::Entropy, Role::Entropy));
    }
    if fields.is_empty() {
        let hint = "write `{score: prediction.score}`, `{class: prediction.class}` or both".to_owned();
        item.report(
            "`prediction` has no `score`, `value`, `class`, `probabilities`, `confidence` or `entropy`",
            Some(hint),
        );
    }
    if let (Some(answers), Some(within)) = (answers.as_ref().filter(|answers| answers.classes.len() > 1), probabilities)
    {
        let of_class = |(subject, class): (&String, &String)| {
            field(subject, Path(format!("{within}.{class}")), Kind::Numeric, Role::Score)
        };
        fields.extend(answers.scores.iter().zip(&answers.classes).map(of_class));
    }
    Some((fields, answers))
}

/// What the model answers: one class that matters or another, one of several, or a number.
fn answers(map: &Map<'_>, probabilities: Option<&Option<Path>>) -> Option<Option<Answers>> {
    let positive = map.find("positive");
    let classes = map.find("classes");
    let threshold = map.maybe("threshold", |item| Some((item.number("a number", "0.5", |_| true)?, item)));
    let value = map.find("value");
    let given = [("positive", positive), ("classes", classes), ("value", value)];
    let given: Vec<(&str, Item<'_>)> = given.into_iter().filter_map(|(key, item)| Some((key, item?))).collect();
    if let [(first, _), (second, item), ..] = given[..] {
        let hint = "`positive` is of two classes, `classes` of more, and `value` of numbers: write one of them";
        item.report(format!("a model does not answer with `{first}` and `{second}` at once"), Some(hint.to_owned()));
        return None;
    }
    let threshold = threshold?;
    if let (None, Some((_, item))) = (positive, threshold) {
        let hint = "write the class that a score of at least this means: `positive: CLASS`".to_owned();
        item.report("`threshold` is of the score of `positive`, which is not there", Some(hint));
        return None;
    }
    match (positive, classes, value) {
        (Some(item), ..) => binary(item, map, threshold.map(|(threshold, _)| threshold)).map(Some),
        (_, Some(item), _) => several(item, map, probabilities?.is_some()).map(Some),
        (.., Some(_)) => Some(Some(Answers { classes: Vec::new(), choice: Choice::Said, scores: Vec::new() })),
        _ => Some(None),
    }
}

fn binary(item: Item<'_>, map: &Map<'_>, threshold: Option<f64>) -> Option<Answers> {
    const THRESHOLD: f64 = 0.5;
    let class = item.category()?;
    let (has_class, has_score) = (map.find("class").is_some(), map.find("score").is_some());
    let choice =
        if has_class && threshold.is_none() { Choice::Said } else { Choice::AtLeast(threshold.unwrap_or(THRESHOLD)) };
    if !has_score && choice != Choice::Said {
        let (message, hint) = if has_class {
            ("`threshold` needs a `score`", "write where the score of the class is: `score: PATH`")
        } else {
            ("`positive` needs a `class` or a `score`", "write where the class is, or its score: `score: PATH`")
        };
        map.find("threshold").unwrap_or(item).report(message, Some(hint.to_owned()));
        return None;
    }
    let scores = if has_score { vec!["score".to_owned()] } else { Vec::new() };
    Some(Answers { classes: vec![class], choice, scores })
}

fn several(item: Item<'_>, map: &Map<'_>, has_probabilities: bool) -> Option<Answers> {
    let items = item.list()?;
    if items.len() < 2 {
        let hint = "write all classes that are told apart, such as [cat, dog, bird], or `positive: CLASS`".to_owned();
        item.report(format!("{item} has fewer than two"), Some(hint));
        return None;
    }
    if items.len() > MOST {
        let hint = "name those that matter: all others are told apart from them as one".to_owned();
        item.report(format!("{item} has more than {MOST}"), Some(hint));
        return None;
    }
    let classes = all(items.iter().map(|item| item.category()))?;
    let mut is_good = true;
    for (index, class) in classes.iter().enumerate() {
        if classes[..index].contains(class) {
            items[index].report(format!("the class `{}` is listed twice", shown(class)), None);
            is_good = false;
        }
        if has_probabilities && class.split('.').any(|key| key.trim().is_empty()) {
            let hint = "a class is looked for as a key among the `probabilities`".to_owned();
            items[index].report(format!("`{}` cannot be a key", shown(class)), Some(hint));
            is_good = false;
        }
    }
    let has_class = map.find("class").is_some();
    if !has_class && !has_probabilities {
        let either = alternatives(&["class", "probabilities"], "or").unwrap_or_default();
        let hint = "write where the class is, `class: PATH`, or the object of the probabilities of all classes, \
                    `probabilities: PATH`";
        item.report(format!("{item} needs {either}"), Some(hint.to_owned()));
        return None;
    }
    let scores = classes.iter().filter(|_| has_probabilities).map(|class| format!("{PROBABILITY}{class}"));
    let (scores, choice) = (scores.collect(), if has_class { Choice::Said } else { Choice::Likeliest });
    is_good.then_some(Answers { classes, choice, scores })
}
