//! A picture for content that has none: the same for the same content, without fonts or pictures from elsewhere.

use std::fmt::Write as _;

use content_blocks::digest_of;

/// How many characters of a title fit into a line, and how many lines.
const LINE: usize = 26;
const LINES: usize = 5;

/// A card of 600 by 600 as SVG. The colours follow from `seed`; the heading is shown as it is, in lines.
pub fn svg(seed: &[u8], heading: &str, label: &str) -> String {
    let [first, second, third, fourth, ..] = digest_of(seed);
    let hue = u32::from(first) * 360 / 256;
    let other = (hue + 40 + u32::from(second) % 80) % 360;
    let (x, y) = (100 + u32::from(third) * 400 / 256, 80 + u32::from(fourth) * 160 / 256);
    let mut text = String::new();
    for (at, line) in lines(heading).into_iter().enumerate() {
        let top = 330 + at * 46;
        write!(
            text,
            "<text x=\"48\" y=\"{top}\" font-size=\"34\" fill=\"#fff\">{}</text>",
            escaped(&line)
        )
        .expect("a string takes everything");
    }
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 600 600\" font-family=\"sans-serif\">\
         <defs><linearGradient id=\"g\" x2=\"1\" y2=\"1\"><stop stop-color=\"hsl({hue},55%,42%)\"/>\
         <stop offset=\"1\" stop-color=\"hsl({other},60%,24%)\"/></linearGradient></defs>\
         <rect width=\"600\" height=\"600\" fill=\"url(#g)\"/>\
         <circle cx=\"{x}\" cy=\"{y}\" r=\"120\" fill=\"#fff\" fill-opacity=\".12\"/>\
         <text x=\"48\" y=\"88\" font-size=\"24\" fill=\"#fff\" fill-opacity=\".8\">{}</text>{text}</svg>",
        escaped(label)
    )
}

/// The heading in lines, broken between words; what does not fit ends with an ellipsis.
fn lines(heading: &str) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in heading.split_whitespace() {
        let word: String = word.chars().take(LINE).collect();
        let is_last = lines.len() == LINES;
        let line = lines.last_mut().expect("there is always a line");
        let length = line.chars().count() + word.chars().count();
        if line.is_empty() {
            *line = word;
        } else if length < LINE {
            line.push(' ');
            line.push_str(&word);
        } else if is_last {
            line.push('…');
            break;
        } else {
            lines.push(word);
        }
    }
    lines
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no way to write the others.
            other if other.is_control() => {}
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_the_same_for_the_same_content_and_another_for_another() {
        assert_eq!(svg(b"1", "Bread", "Food"), svg(b"1", "Bread", "Food"));
        assert_ne!(svg(b"1", "Bread", "Food"), svg(b"2", "Bread", "Food"));
    }

    #[test]
    fn what_somebody_writes_stays_text() {
        let card = svg(b"1", "</text><script>alert(1)</script>\u{1}", "a & \"b\"");

        assert!(!card.contains("<script"));
        assert!(card.contains("&lt;/text&gt;"));
        assert!(card.contains("a &amp; &quot;b&quot;"));
        assert!(!card.contains('\u{1}'));
    }

    #[test]
    fn a_long_heading_is_broken_between_words_and_cut() {
        let found = lines(&"sourdough ".repeat(40));

        assert_eq!(found.len(), LINES);
        assert!(found.iter().all(|line| line.chars().count() <= LINE + 1));
        assert!(found.last().unwrap().ends_with('…'));
        assert_eq!(lines(&"x".repeat(500)), ["x".repeat(LINE)]);
        assert_eq!(lines(""), [""]);
    }
}
