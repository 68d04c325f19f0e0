//! Who tells: what all receivers say of the daemon.

use reqwest::Url;

use crate::rule::alert::AlertEvent;

/// The daemon, as its receivers know it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The consumer group's name, which is that of the daemon, which may be many processes.
    pub group: String,
    /// Where people reach its page.
    pub external_url: Option<Url>,
}

impl Origin {
    /// The page's address, without a slash at its end; empty if nobody said where it is.
    pub fn page(&self) -> String {
        self.external_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned()).unwrap_or_default()
    }

    /// Where the page shows a model; empty if nobody said where the page is.
    pub fn model(&self, model: &str) -> String {
        let page = Url::parse(&format!("{}/", self.page()));
        page.map_or(String::new(), |mut page| {
            // The fragment is escaped.
            page.set_fragment(Some(&format!("model-{model}")));
            page.into()
        })
    }

    /// Where the page shows the alert; empty if nobody said where the page is. It is always a valid address, since
    /// ids are of letters and digits.
    pub fn link(&self, alert: &AlertEvent) -> String {
        let plain = |c: &char| c.is_ascii_alphanumeric() || "-_.~".contains(*c);
        match self.page() {
            page if page.is_empty() => page,
            page => format!("{page}/#alert-{}", alert.id.chars().filter(plain).collect::<String>()),
        }
    }
}
