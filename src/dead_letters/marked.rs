//! PURE: a record as it is shown on a terminal, with a mark under the field at fault.

use serde::Serialize;

use crate::logging::is_unsafe;

/// The most characters of one line that are shown.
const WIDTH: usize = 100;
/// The most lines of a record.
const LINES: usize = 12;
/// What stands for what is left out.
const CUT: char = '…';

/// A record as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marked {
    /// Its lines, each with the line of marks below it, where there is any.
    pub lines: Vec<(String, Option<String>)>,
    /// Whether something of it is left out.
    pub is_cut: bool,
}

/// Something that is shown: its text, how wide it is, and whether it is marked.
struct Cell {
    text: String,
    width: usize,
    marked: bool,
}

/// A record, of which bytes are marked. Control characters are shown as escapes and bytes that are no
/// UTF-8 as `\xNN`; of a long line what is near the mark is shown.
pub fn marked(raw: &[u8], span: Option<(usize, usize)>) -> Marked {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in line_ends(raw) {
        lines.push(cells(&raw[start..end], start, span));
        start = end + 1;
    }
    let with_mark = |line: &Vec<Cell>| line.iter().any(|cell| cell.marked);
    let first = lines.iter().position(with_mark).unwrap_or(0);
    // The line at fault is among those that are shown.
    let skipped = first
        .saturating_sub(LINES / 2)
        .min(lines.len().saturating_sub(LINES));
    let mut shown = Marked {
        is_cut: lines.len() > LINES,
        ..Marked::default()
    };
    for line in lines.iter().skip(skipped).take(LINES) {
        let (text, marks, cut) = show(line);
        shown.is_cut |= cut;
        shown.lines.push((text, marks));
    }
    shown
}

fn line_ends(raw: &[u8]) -> Vec<usize> {
    let ends = raw.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.map(|(at, _)| at).chain([raw.len()]).collect()
}

fn cells(line: &[u8], offset: usize, span: Option<(usize, usize)>) -> Vec<Cell> {
    let mut cells = Vec::new();
    let mut at = offset;
    let is_marked = |from: usize, to: usize| match span {
        // An empty field is a place between two others.
        Some((start, end)) if start == end => from == start,
        Some((start, end)) => from < end && to > start,
        None => false,
    };
    for chunk in line.utf8_chunks() {
        for c in chunk.valid().chars() {
            let text = match is_unsafe(c) {
                true => c.escape_default().to_string(),
                false => c.to_string(),
            };
            let to = at + c.len_utf8();
            let width = text.chars().map(width_of).sum();
            cells.push(Cell {
                text,
                width,
                marked: is_marked(at, to),
            });
            at = to;
        }
        for byte in chunk.invalid() {
            let text = format!("\\x{byte:02X}");
            cells.push(Cell {
                width: text.len(),
                text,
                marked: is_marked(at, at + 1),
            });
            at += 1;
        }
    }
    // What is missing at the end of a line has a place behind it.
    if span == Some((at, at)) {
        cells.push(Cell {
            text: " ".to_owned(),
            width: 1,
            marked: true,
        });
    }
    cells
}

/// How many columns of a terminal it takes: two, where it is East Asian or an emoji; none, where it
/// stands over another.
fn width_of(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200F | 0x20D0..=0x20FF | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F
        | 0x2E80..=0x303E
        | 0x3041..=0x33FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xA000..=0xA4CF
        | 0xAC00..=0xD7A3
        | 0xF900..=0xFAFF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60
        | 0xFFE0..=0xFFE6
        | 0x1F300..=0x1F64F
        | 0x1F900..=0x1F9FF
        | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// A line, the marks under it, and whether something of it is left out.
fn show(line: &[Cell]) -> (String, Option<String>, bool) {
    let first = line.iter().position(|cell| cell.marked);
    let from = match first {
        // As much before the mark as after it.
        Some(first) => {
            let mut from = first;
            let mut room = WIDTH / 2;
            while from > 0 && line[from - 1].width <= room {
                from -= 1;
                room -= line[from].width;
            }
            from
        }
        None => 0,
    };
    let mut room = WIDTH;
    let shown = line[from..].iter().take_while(|cell| {
        let fits = cell.width <= room;
        room = room.saturating_sub(cell.width);
        fits
    });
    let shown: Vec<&Cell> = shown.collect();
    let behind = from + shown.len() < line.len();
    let (mut text, mut marks) = (String::new(), String::new());
    if from > 0 {
        text.push(CUT);
        marks.push(' ');
    }
    for cell in shown {
        text.push_str(&cell.text);
        let mark = if cell.marked { "^" } else { " " };
        marks.push_str(&mark.repeat(cell.width));
    }
    if behind {
        text.push(CUT);
    }
    let marks = first.map(|_| marks.trim_end().to_owned());
    (
        text.trim_end_matches(' ').to_owned(),
        marks,
        from > 0 || behind,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show_it(raw: &[u8], span: (usize, usize)) -> Vec<String> {
        let lines = marked(raw, Some(span)).lines.into_iter();
        lines
            .flat_map(|(text, marks)| [Some(text), marks])
            .flatten()
            .collect()
    }

    #[test]
    fn the_mark_stands_under_its_field() {
        assert_eq!(
            show_it(b"17,secret,5", (3, 9)),
            ["17,secret,5", "   ^^^^^^"]
        );
        assert_eq!(
            show_it("日本,x,é".as_bytes(), (7, 8)),
            ["日本,x,é", "     ^"]
        );
        assert_eq!(show_it(b"a,,c", (2, 2)), ["a,,c", "  ^"]);
        assert_eq!(show_it(b"a,", (2, 2)), ["a,", "  ^"]);
    }

    #[test]
    fn a_record_of_lines_is_shown_in_lines() {
        let raw = b"1,\"two\nlines\",x";
        assert_eq!(
            show_it(raw, (3, 12)),
            ["1,\"two", "   ^^^", "lines\",x", "^^^^^"]
        );
    }

    #[test]
    fn nothing_steers_a_terminal() {
        let raw = b"\x1b[2J,a\xFFb\0,\xE2\x80\xAE";
        let lines = show_it(raw, (5, 8));
        assert_eq!(lines[0], "\\u{1b}[2J,a\\xFFb\\u{0},\\u{202e}");
        assert_eq!(lines[1].trim(), "^^^^^^");
        assert!(!lines.concat().contains(is_unsafe));
    }

    #[test]
    fn of_a_long_line_the_mark_is_shown() {
        let raw = [vec![b'a'; 5000], vec![b'X'; 3], vec![b'b'; 5000]].concat();
        let shown = marked(&raw, Some((5000, 5003)));
        assert!(shown.is_cut);
        let (text, marks) = &shown.lines[0];
        let at = marks.as_ref().expect("marks").find('^').expect("a mark");
        assert_eq!(text.chars().nth(at), Some('X'));
        assert!(text.chars().count() <= WIDTH + 2);
        let many = marked(&vec![b'\n'; 1000], None);
        assert!(many.is_cut && many.lines.len() == LINES);
    }
}
