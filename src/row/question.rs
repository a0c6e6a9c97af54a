//! What the server is asked about texts that no encoder recognises, and what it answers.

use std::ops::Range;

/// Texts of one type that the server is asked to encode.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// The type, as the catalog writes it (`format_type(oid, -1)`).
    pub type_name: String,
    /// The time zone in which they are read, where it is not UTC.
    pub time_zone: Option<String>,
    /// The texts, one after the other.
    texts: String,
    /// Where each of them ends.
    ends: Vec<usize>,
}

impl Question {
    /// No text of this type yet.
    pub fn new(type_name: impl Into<String>) -> Question {
        Question {
            type_name: type_name.into(),
            ..Question::default()
        }
    }

    /// The same, read in this time zone.
    pub fn in_zone(mut self, time_zone: Option<&str>) -> Question {
        self.time_zone = time_zone.map(str::to_owned);
        self
    }

    /// Adds a text.
    pub fn push(&mut self, text: &str) {
        self.texts.push_str(text);
        self.ends.push(self.texts.len());
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// One of the texts.
    pub fn text(&self, index: usize) -> &str {
        let start = match index {
            0 => 0,
            _ => self.ends[index - 1],
        };
        &self.texts[start..self.ends[index]]
    }

    /// The length of all texts, in bytes.
    pub fn bytes(&self) -> usize {
        self.texts.len()
    }
}

/// What the server makes of the texts of a question, in the order asked.
#[derive(Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
    /// Where each value stands in the bytes, or why there is none.
    each: Vec<Result<Range<usize>, Box<Refusal>>>,
}

/// The server takes a text for no value of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The SQLSTATE.
    pub sqlstate: String,
    /// The server's words, which may hold the value.
    pub message: String,
}

impl Answers {
    /// The elements of an array of one dimension in PostgreSQL's binary format (`array_send` in
    /// src/backend/utils/adt/arrayfuncs.c); `None` where these bytes are no such array. An element
    /// that is NULL is a refusal: no input function may make NULL of a text.
    pub fn of_array(array: Vec<u8>) -> Option<Answers> {
        let word = |at: usize| Some(i32::from_be_bytes(*array.get(at..)?.first_chunk()?));
        if word(0)? != 1 {
            return None;
        }
        let count = usize::try_from(word(12)?).ok()?;
        let mut each = Vec::with_capacity(count.min(array.len()));
        // Behind the dimensions, flags, element type, length and lower bound.
        let mut at: usize = 20;
        for _ in 0..count {
            let length = word(at)?;
            at += 4;
            let Ok(length) = usize::try_from(length) else {
                each.push(Err(Box::new(null())));
                continue;
            };
            let end = at.checked_add(length)?;
            each.push(Ok(at..end));
            at = end;
        }
        (at == array.len()).then_some(Answers { bytes: array, each })
    }

    /// Adds a value's bytes.
    pub fn push(&mut self, value: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.each.push(Ok(start..self.bytes.len()));
    }

    /// Adds a refusal.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.each.push(Err(Box::new(refusal)));
    }

    /// Adds the answers to the texts that follow.
    pub fn append(&mut self, next: Answers) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&next.bytes);
        let each = next.each.into_iter();
        let moved = |span: Range<usize>| span.start + start..span.end + start;
        self.each.extend(each.map(|one| one.map(moved)));
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.each.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// The binary value of one of the texts, or why it has none.
    pub fn get(&self, index: usize) -> Result<&[u8], &Refusal> {
        match &self.each[index] {
            Ok(span) => Ok(&self.bytes[span.clone()]),
            Err(refusal) => Err(refusal),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Result<&[u8], &Refusal>> {
        (0..self.len()).map(|index| self.get(index))
    }
}

fn null() -> Refusal {
    Refusal {
        sqlstate: "22004".to_owned(),
        message: "the type's input makes NULL of it".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn array(elements: &[Option<&[u8]>]) -> Vec<u8> {
        let mut array = Vec::new();
        for word in [1, 0, 25, elements.len() as i32, 1] {
            array.extend_from_slice(&word.to_be_bytes());
        }
        for element in elements {
            let length = element.map_or(-1, |bytes| bytes.len() as i32);
            array.extend_from_slice(&length.to_be_bytes());
            array.extend_from_slice(element.unwrap_or_default());
        }
        array
    }

    #[test]
    fn texts_are_kept_apart() {
        let mut question = Question::new("inet");
        for text in ["a", "", "bé", ""] {
            question.push(text);
        }
        let texts: Vec<_> = (0..question.len())
            .map(|index| question.text(index))
            .collect();
        assert_eq!(texts, ["a", "", "bé", ""]);
        assert_eq!(question.bytes(), 4);
    }

    #[test]
    fn elements_are_found_and_added_to() {
        let mut answers = Answers::of_array(array(&[Some(b"ab"), None, Some(b"")])).unwrap();
        answers.refuse(Refusal {
            sqlstate: "22P02".into(),
            message: "no".into(),
        });
        answers.push(b"c");
        answers.append(Answers::of_array(array(&[Some(b"d"), None])).unwrap());
        let seen: Vec<_> = answers
            .iter()
            .map(|one| one.map_err(|refusal| refusal.sqlstate.as_str()))
            .collect();
        let expected: [Result<&[u8], &str>; 7] = [
            Ok(b"ab"),
            Err("22004"),
            Ok(b""),
            Err("22P02"),
            Ok(b"c"),
            Ok(b"d"),
            Err("22004"),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn bytes_that_are_no_array_are_told() {
        let good = array(&[Some(b"ab"), Some(b"c")]);
        for length in 0..good.len() {
            assert!(
                Answers::of_array(good[..length].to_vec()).is_none(),
                "{length}"
            );
        }
        let longer = [&good[..], b"x"].concat();
        assert!(Answers::of_array(longer).is_none());
        assert!(Answers::of_array(array(&[]).split_off(4)).is_none());
    }
}
