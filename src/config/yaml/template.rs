//! Reads templates, and finds what is wrong with them before they are needed.

use super::{Item, hint, shown};

/// What every template has, whoever gives it the rest.
const BUILT_IN: [&str; 4] = ["range", "dict", "namespace", "debug"];

/// Who gives values to templates, as messages call it.
pub struct Giver {
    pub name: &'static str,
    pub variables: &'static [&'static str],
    /// Compiling recurses, and the length in bytes bounds how deep.
    pub longest: usize,
    /// What to write.
    pub like: &'static str,
}

impl Item<'_> {
    /// A template that compiles and names only what it is given.
    pub fn template(self, giver: &Giver) -> Option<String> {
        let Giver { name: giver, variables, longest, like } = *giver;
        let text = self.text_like(&format!("a template such as {like}"))?;
        if text.len() > longest {
            self.report(format!("{self} is longer than {longest} bytes"), None);
            return None;
        }
        let environment = minijinja::Environment::new();
        let template = match environment.template_from_str(text) {
            Ok(template) => template,
            Err(error) => {
                let place = error.line().filter(|_| text.trim().contains('\n'));
                let place = place.map(|line| format!(", in its line {line}")).unwrap_or_default();
                let detail = error.detail().unwrap_or("it does not compile");
                let message = format!("{self} is not a template{place}: {detail}");
                self.report(message, Some(format!("write for example {like}")));
                return None;
            }
        };
        let mut unknown: Vec<String> = template.undeclared_variables(false).into_iter().collect();
        unknown.sort();
        let is_known = |name: &str| variables.contains(&name) || BUILT_IN.contains(&name);
        for name in unknown.iter().filter(|name| !is_known(name)) {
            let message = format!("{giver} gives no `{}` to its templates", shown(name));
            self.report_within(text.find(name).unwrap_or(0), message, hint(name, variables.iter().copied()));
        }
        Some(text.to_owned())
    }
}
