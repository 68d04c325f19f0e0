//! A field's picture: the reference's bars against the window's.
//!
//! In HTML a bar is a table cell with a height and a background colour. That is the one kind of picture that every mail
//! program shows without asking: a picture on a server is blocked until the reader agrees, one inside of the mail
//! (`cid:`) is blocked by some or put below the text as an attachment, and SVG is left out by nearly all. It also needs
//! no program that draws, and stays sharp. Where there is only text, eight block characters of growing height do.

use crate::rule::alert::Shape;

/// More bars than this are joined with their neighbours.
const MOST: usize = 24;
/// The height of the highest bar in pixels.
const HIGHEST: f64 = 64.0;
const WIDTH: usize = 7;
const REFERENCE: &str = "#9aa5b1";
const CURRENT: &str = "#d9480f";

/// Both as rows of characters, to be shown below each other in letters of one width.
pub fn characters(shape: &Shape) -> Option<(String, String)> {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let (reference, current, highest) = bars(shape)?;
    let one = |share: &f64| BLOCKS[((share / highest * 8.0).ceil() as usize).clamp(1, 8) - 1];
    Some((reference.iter().map(one).collect(), current.iter().map(one).collect()))
}

/// Both as bars beside each other, in HTML for mail programs.
pub fn html(shape: &Shape) -> Option<String> {
    let (reference, current, highest) = bars(shape)?;
    let bar = |share: f64, colour: &str| {
        let height = (share / highest * HIGHEST).round().max(1.0);
        format!(
            "<td><table cellpadding=\"0\" cellspacing=\"0\"><tr><td width=\"{WIDTH}\" height=\"{height}\" \
             bgcolor=\"{colour}\" style=\"font-size:1px;line-height:1px\">&nbsp;</td></tr></table></td>"
        )
    };
    const GAP: &str = "<td width=\"3\"></td>";
    let pairs: Vec<String> = reference
        .iter()
        .zip(&current)
        .map(|(reference, current)| format!("{}{}", bar(*reference, REFERENCE), bar(*current, CURRENT)))
        .collect();
    Some(format!(
        "<table cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"margin-top:8px;border-bottom:1px solid #ced4da\">\
         <tr valign=\"bottom\">{}</tr></table>\n<div style=\"font-size:12px;color:#616e7c\"><span style=\"color:{REFERENCE}\">&#9632;</span> \
         reference <span style=\"color:{CURRENT}\">&#9632;</span> this window, as shares of rows</div>",
        pairs.join(GAP)
    ))
}

/// As many bars as can be shown, and the highest of them; `None` if there is nothing to see.
fn bars(shape: &Shape) -> Option<(Vec<f64>, Vec<f64>, f64)> {
    let count = shape.reference.len();
    let is_share = |share: &f64| share.is_finite() && *share >= 0.0;
    let whole = count == shape.current.len() && shape.reference.iter().chain(&shape.current).all(is_share);
    let joined = |shares: &[f64]| -> Vec<f64> {
        shares.chunks(count.div_ceil(MOST)).map(|neighbours| neighbours.iter().sum()).collect()
    };
    if count == 0 || !whole {
        return None;
    }
    let (reference, current) = (joined(&shape.reference), joined(&shape.current));
    let highest = reference.iter().chain(&current).copied().fold(0.0, f64::max);
    (highest > 0.0).then_some((reference, current, highest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_drawn_to_one_scale() {
        let shape = Shape { reference: vec![0.5, 0.25, 0.25, 0.0], current: vec![0.0, 0.0, 0.2, 0.8] };
        let (reference, current) = characters(&shape).unwrap();
        assert_eq!((reference.as_str(), current.as_str()), ("▅▃▃▁", "▁▁▂█"));
        let html = html(&shape).unwrap();
        let heights: Vec<&str> = html.split(" height=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
        assert_eq!(heights, ["40", "1", "20", "1", "20", "16", "1", "64"]);
    }

    #[test]
    fn many_bars_are_joined_and_what_is_none_is_not_drawn() {
        let many = Shape { reference: vec![0.01; 100], current: vec![0.01; 100] };
        assert_eq!(characters(&many).unwrap().0.chars().count(), 20);
        for (reference, current) in
            [(vec![], vec![]), (vec![0.0], vec![0.0]), (vec![1.0], vec![0.5, 0.5]), (vec![f64::NAN], vec![1.0])]
        {
            assert_eq!(characters(&Shape { reference, current }), None);
        }
    }
}
