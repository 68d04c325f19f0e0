//! The mail as HTML.
//!
//! Mail programs know little of HTML and less of style sheets, so it is tables with styles at each element, without
//! pictures, which many do not show; how the bars of a field are drawn is told in `chart`. Everything that comes from
//! rules or data is escaped.

use crate::notify::chart;
use crate::notify::limit::and_more;
use crate::notify::story::{Entry, Story};
use crate::notify::template::{Dialect, escaped};
use crate::rule::Severity;

/// Pictures of fields, whose many cells make a mail long.
const PICTURES: usize = 6;

/// The whole page, with so many of the alerts.
pub fn page(told: &Story<'_>, shown: usize) -> String {
    let title = plain(&told.title);
    let mut body = String::new();
    if !told.causes.is_empty() {
        let causes: Vec<String> = told.causes.iter().map(|cause| plain(cause)).collect();
        body.push_str(&row(&format!("<p style=\"margin:0\">{}</p>\n", causes.join("<br>\n"))));
    }
    let mut pictures = PICTURES;
    for (index, one) in told.entries.iter().enumerate().take(shown) {
        if let Some(section) = told.section(index) {
            body.push_str(&row(&format!("<h2 style=\"margin:8px 0 0;font-size:16px\">{section}</h2>\n")));
        }
        let picture = one.shape.filter(|_| pictures > 0).and_then(chart::html);
        pictures -= usize::from(picture.is_some());
        body.push_str(&row(&entry(one, picture)));
    }
    let more = and_more(told.entries.len().saturating_sub(shown));
    let page = (!told.page.is_empty()).then(|| link(&told.page, "tidegauge"));
    let end: Vec<String> = more.into_iter().chain(page).collect();
    if !end.is_empty() {
        body.push_str(&row(&format!("<p style=\"margin:0\">{}</p>\n", end.join(" &middot; "))));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n</head>\n\
         <body style=\"margin:0;padding:16px;font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:20px;\
         color:#1f2933;background-color:#ffffff\">\n\
         <table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"max-width:720px;\
         border-collapse:collapse\">\n\
         <tr><td bgcolor=\"{colour}\" style=\"padding:12px 16px;background-color:{colour};color:#ffffff;font-size:18px;\
         line-height:24px;font-weight:bold\">{title}</td></tr>\n{body}</table>\n</body>\n</html>\n",
        colour = colour(told.severity),
    )
}

fn row(content: &str) -> String {
    format!("<tr><td style=\"padding:12px 16px;border-bottom:1px solid #e4e7eb\">\n{content}</td></tr>\n")
}

fn entry(entry: &Entry<'_>, picture: Option<String>) -> String {
    let mut text = format!(
        "<h3 style=\"margin:0;font-size:15px\">{}</h3>\n<p style=\"margin:4px 0 8px\">{}</p>\n",
        plain(&entry.heading),
        plain(&entry.summary)
    );
    text.push_str("<table cellpadding=\"0\" cellspacing=\"0\" border=\"0\">\n");
    for (name, fact) in &entry.facts {
        text.push_str(&format!(
            "<tr><td valign=\"top\" style=\"padding-right:12px;color:#616e7c\">{name}</td><td>{}</td></tr>\n",
            plain(fact)
        ));
    }
    text.push_str("</table>\n");
    if let Some(picture) = picture {
        text.push_str(&picture);
        text.push('\n');
    }
    let links: Vec<String> = entry.links.iter().map(|(name, url)| link(url, name)).collect();
    if !links.is_empty() {
        text.push_str(&format!("<p style=\"margin:8px 0 0\">{}</p>\n", links.join(" &middot; ")));
    }
    text
}

fn link(url: &str, name: &str) -> String {
    format!("<a href=\"{}\" style=\"color:#0967d2\">{}</a>", plain(url), plain(name))
}

fn plain(text: &str) -> String {
    escaped(text, Dialect::Html)
}

fn colour(severity: Option<Severity>) -> &'static str {
    match severity {
        Some(Severity::Critical) => "#ba2525",
        Some(Severity::Warning) => "#b44d12",
        Some(Severity::Info) => "#0967d2",
        None => "#2f8132",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::origin::Origin;
    use crate::notify::story::story;
    use crate::notify::tests::{alert, notice, notice_of};
    use crate::rule::State;
    use crate::rule::alert::Shape;

    #[test]
    fn a_page_is_tables_in_which_everything_is_escaped() {
        let mut told = alert("a<b>", State::Resolved);
        told.annotations.insert("summary".into(), "\"x\" & 'y'".into());
        told.annotations.insert("runbook_url".into(), "https://x.example/?a='b'&c".into());
        let expected = "\
<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<title>[resolved] credit/7: FeatureDrift, a&lt;b&gt;, after 1h</title>
</head>
<body style=\"BODY\">
<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"max-width:720px;border-collapse:collapse\">
<tr><td bgcolor=\"#2f8132\" style=\"TITLE\">[resolved] credit/7: FeatureDrift, a&lt;b&gt;, after 1h</td></tr>
<tr><td style=\"ROW\">
<h2 style=\"margin:8px 0 0;font-size:16px\">Resolved: 1</h2>
</td></tr>
<tr><td style=\"ROW\">
<h3 style=\"margin:0;font-size:15px\">FeatureDrift: a&lt;b&gt;</h3>
<p style=\"margin:4px 0 8px\">&quot;x&quot; &amp; &#39;y&#39;</p>
<table cellpadding=\"0\" cellspacing=\"0\" border=\"0\">
<tr><td valign=\"top\" style=\"padding-right:12px;color:#616e7c\">resolved</td><td>1970-01-01 02:00 UTC after 1h</td></tr>
<tr><td valign=\"top\" style=\"padding-right:12px;color:#616e7c\">reason</td><td>the condition no longer holds</td></tr>
</table>
<p style=\"margin:8px 0 0\"><a href=\"https://x.example/?a=&#39;b&#39;&amp;c\" style=\"color:#0967d2\">runbook</a></p>
</td></tr>
</table>
</body>
</html>
";
        let body = "margin:0;padding:16px;font-family:Arial,Helvetica,sans-serif;font-size:14px;line-height:20px;\
                    color:#1f2933;background-color:#ffffff";
        let title = "padding:12px 16px;background-color:#2f8132;color:#ffffff;font-size:18px;line-height:24px;\
                     font-weight:bold";
        let row = "padding:12px 16px;border-bottom:1px solid #e4e7eb";
        let expected = expected.replace("BODY", body).replace("TITLE", title).replace("ROW", row);
        assert_eq!(page(&story(&notice_of(vec![told]), &Origin::default()), 9), expected);
    }

    #[test]
    fn a_long_mail_stays_below_what_mail_programs_cut_off() {
        let mut told = notice(100);
        for alert in &mut told.alerts {
            alert.shape = Some(Shape { reference: vec![0.01; 100], current: vec![0.01; 100] });
        }
        let html = page(&story(&told, &Origin::default()), 30);
        assert!(html.contains("<p style=\"margin:0\">and 70 more</p>"));
        // What is longer, Gmail shows in part only.
        assert!(html.len() < 102 << 10, "{}", html.len());
    }
}
