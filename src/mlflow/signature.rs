//! The signature of a model: the names and types of its inputs, as the MLmodel file beside it has them.

use serde::{Deserialize, Serialize};

use crate::schema::{Field, Kind, Role};

/// The named columns that a model takes. One that takes tensors has no names to compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    pub inputs: Vec<Input>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    pub name: String,
    /// In MLflow's words, such as `double`; empty for what has a name and is no scalar.
    pub kind: String,
    pub required: bool,
}

/// The part of an MLmodel file that is read.
#[derive(Deserialize)]
struct Model {
    signature: Option<Texts>,
}

/// Each part of a signature is a text that is JSON.
#[derive(Deserialize)]
struct Texts {
    inputs: Option<String>,
}

/// A column, or a tensor, which may have a name as well.
#[derive(Deserialize)]
struct Column {
    name: Option<String>,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default = "yes")]
    required: bool,
}

fn yes() -> bool {
    true
}

impl Signature {
    /// The signature in an MLmodel file; `None` when it has none that names columns.
    pub fn of_model(text: &str) -> Option<Signature> {
        let model: Model = serde_saphyr::from_str(text).ok()?;
        let columns: Vec<Column> = serde_json::from_str(&model.signature?.inputs?).ok()?;
        let input = |column: Column| Some(Input { name: column.name?, kind: column.kind, required: column.required });
        let inputs: Vec<Input> = columns.into_iter().filter_map(input).collect();
        (!inputs.is_empty()).then_some(Signature { inputs })
    }

    /// In what the features that are watched differ from what the model takes, in words. A feature is the input of its
    /// own name, or of the name that it has in the log.
    pub fn differences(&self, fields: &[Field]) -> Vec<String> {
        let features: Vec<&Field> = fields.iter().filter(|field| field.role == Role::Feature).collect();
        let is_it = |field: &Field, input: &Input| {
            field.subject == input.name || field.path.segments().last().is_some_and(|last| last == input.name)
        };
        let mut differences = Vec::new();
        for field in &features {
            let subject = &field.subject;
            match self.inputs.iter().find(|input| is_it(field, input)) {
                None => differences.push(format!("the model has no input `{subject}`")),
                Some(input) if !fits(field.kind, &input.kind) => {
                    let kind = format!("{:?}", field.kind).to_lowercase();
                    differences.push(format!("`{subject}` is {kind} here and {} in the model", input.kind));
                }
                Some(_) => {}
            }
        }
        let unwatched = self.inputs.iter().filter(|input| !features.iter().any(|field| is_it(field, input)));
        let unwatched = unwatched.filter(|input| input.required);
        differences.extend(unwatched.map(|input| format!("the model's input `{}` is not watched", input.name)));
        differences
    }
}

/// Whether values of this type of MLflow's can be watched as this kind. A whole number may as well be the code of a
/// category, and of what is no scalar nothing is known.
fn fits(kind: Kind, of_model: &str) -> bool {
    match of_model {
        "double" | "float" => kind != Kind::Categorical,
        "string" | "binary" => !kind.is_numeric(),
        "boolean" => !kind.is_numeric(),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Path;

    /// As MLflow 3.17.2 writes it.
    const MODEL: &str = r#"flavors:
  python_function:
    loader_module: mlflow.sklearn
    python_version: 3.11.7
mlflow_version: 3.17.2
model_id: m-5b0d
signature:
  inputs: '[{"type": "double", "name": "income", "required": true}, {"type": "string",
    "name": "purpose", "required": true}, {"type": "long", "name": "region", "required":
    true}, {"type": "double", "name": "age", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]'
  params: null
utc_time_created: '2026-11-26 03:55:02.308396'
"#;

    fn field(subject: &str, path: &str, kind: Kind, role: Role) -> Field {
        Field { subject: subject.into(), path: Path(path.into()), kind, role, scale: 1.0, disguise: None }
    }

    #[test]
    fn the_inputs_of_a_model_are_read() {
        let signature = Signature::of_model(MODEL).expect("it has one");
        let found: Vec<_> = signature.inputs.iter().map(|i| (i.name.as_str(), i.kind.as_str(), i.required)).collect();
        let expected = [
            ("income", "double", true),
            ("purpose", "string", true),
            ("region", "long", true),
            ("age", "double", false),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn what_names_no_columns_has_no_signature() {
        let tensor =
            r#"signature: {inputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 4]}}]'}"#;
        for text in [tensor, "signature: null", "signature: {inputs: 'no json'}", "flavors: {}", "]", ""] {
            assert_eq!(Signature::of_model(text), None, "{text}");
        }
    }

    #[test]
    fn a_difference_is_told_for_each_feature_and_each_input_that_is_needed() {
        let signature = Signature::of_model(MODEL).expect("it has one");
        let same = [
            field("salary", "features.income", Kind::Numeric, Role::Feature),
            field("purpose", "purpose", Kind::Categorical, Role::Feature),
            field("region", "region", Kind::Categorical, Role::Feature),
            field("score", "score", Kind::Numeric, Role::Score),
        ];
        assert_eq!(signature.differences(&same), [""; 0]);
        let other = [
            field("income", "income", Kind::Categorical, Role::Feature),
            field("purpose", "purpose", Kind::Numeric, Role::Feature),
            field("hour", "hour", Kind::Numeric, Role::Feature),
        ];
        let told = [
            "`income` is categorical here and double in the model",
            "`purpose` is numeric here and string in the model",
            "the model has no input `hour`",
            "the model's input `region` is not watched",
        ];
        assert_eq!(signature.differences(&other), told);
    }
}
