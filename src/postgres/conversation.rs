//! PURE: whether a connection waits for an answer, by the letters of the messages that go over it.

/// What was asked over a connection, and what of it is answered.
///
/// It begins where nothing is under way: after the login.
#[derive(Default)]
pub struct Conversation {
    asked: u64,
    answered: u64,
    copies: bool,
    ours: Messages,
    theirs: Messages,
}

impl Conversation {
    /// These bytes were sent. Whether that is a sign of life: another question, behind one that is not
    /// answered, is none.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        let (waits, before) = (self.is_under_way(), self.asked);
        let Conversation { asked, ours, .. } = self;
        // A simple query, and the Sync behind others.
        ours.read(bytes, |letter| {
            *asked += u64::from(matches!(letter, b'Q' | b'S'));
        });
        !waits || self.asked == before
    }

    /// These bytes have come, which always is one.
    pub fn hear(&mut self, bytes: &[u8]) -> bool {
        let Conversation {
            asked,
            answered,
            copies,
            theirs,
            ..
        } = self;
        theirs.read(bytes, |letter| match letter {
            b'Z' => {
                // One too many would hide the next one that is not answered.
                *answered = (*answered + 1).min(*asked);
                *copies = false;
            }
            // The Sync that stands before the data of a COPY is passed over; the one behind them counts.
            b'G' => {
                *asked = asked.saturating_sub(1).max(*answered);
                *copies = true;
            }
            _ => {}
        });
        true
    }

    /// Whether something is not answered, or data are still to be sent.
    pub fn is_under_way(&self) -> bool {
        self.asked > self.answered || self.copies
    }
}

/// Messages of one direction: a letter, the length, and what it is about.
#[derive(Default)]
struct Messages {
    head: [u8; 5],
    known: usize,
    left: usize,
}

impl Messages {
    /// Tells the letter of each message that ends in these bytes.
    fn read(&mut self, mut bytes: &[u8], mut tell: impl FnMut(u8)) {
        while !bytes.is_empty() {
            let is_head = self.known < self.head.len();
            let wanted = match is_head {
                true => self.head.len() - self.known,
                false => self.left,
            };
            let (now, after) = bytes.split_at(wanted.min(bytes.len()));
            bytes = after;
            if is_head {
                self.head[self.known..self.known + now.len()].copy_from_slice(now);
                self.known += now.len();
                if self.known < self.head.len() {
                    return;
                }
                let [_, length @ ..] = self.head;
                // It counts itself.
                self.left = (u32::from_be_bytes(length) as usize).saturating_sub(4);
            } else {
                self.left -= now.len();
            }
            if self.left == 0 {
                self.known = 0;
                tell(self.head[0]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(letter: u8, about: usize) -> Vec<u8> {
        let mut bytes = vec![letter];
        bytes.extend((about as u32 + 4).to_be_bytes());
        // What looks like a message inside of one is none.
        bytes.extend(b"Z\0\0\0\x04".iter().cycle().take(about));
        bytes
    }

    fn messages(letters: &[u8]) -> Vec<u8> {
        let one = |letter: &u8| message(*letter, usize::from(*letter) % 7);
        letters.iter().flat_map(one).collect()
    }

    #[test]
    fn each_question_waits_for_its_own_answer() {
        let mut talk = Conversation::default();
        assert!(!talk.is_under_way());
        talk.say(&messages(b"QPBES"));
        talk.hear(&messages(b"TDCZ"));
        assert!(talk.is_under_way(), "two were asked");
        talk.hear(&messages(b"12DC"));
        assert!(talk.is_under_way(), "it is not at its end");
        talk.hear(&messages(b"Z"));
        assert!(!talk.is_under_way());
        // What the server says by itself.
        talk.hear(&messages(b"NAS"));
        assert!(!talk.is_under_way());
    }

    #[test]
    fn a_copy_is_under_way_until_its_end() {
        let mut talk = Conversation::default();
        talk.say(&messages(b"BES"));
        talk.hear(&messages(b"2G"));
        assert!(talk.is_under_way(), "data are to come");
        talk.say(&messages(b"dddcS"));
        assert!(talk.is_under_way());
        talk.hear(&messages(b"CZ"));
        assert!(!talk.is_under_way());
        talk.say(&messages(b"Q"));
        assert!(talk.is_under_way());
    }

    /// Whoever asked again and again kept a dead connection alive.
    #[test]
    fn asking_once_more_is_no_sign_of_life() {
        let mut talk = Conversation::default();
        assert!(talk.say(&messages(b"Q")));
        assert!(!talk.say(&messages(b"Q")));
        assert!(!talk.say(&messages(b"BES")));
        assert!(talk.hear(&messages(b"C")));
        assert!(!talk.say(&messages(b"Q")));
        // A long message, in parts; and the data of a COPY.
        let mut talk = Conversation::default();
        let long = message(b'Q', 1_000);
        assert!(long.chunks(100).all(|part| talk.say(part)));
        talk.hear(&messages(b"CZ"));
        talk.say(&messages(b"BES"));
        talk.hear(&messages(b"2G"));
        assert!(talk.say(&messages(b"ddd")));
    }

    #[test]
    fn an_answer_that_lacks_its_last_byte_is_none() {
        let mut talk = Conversation::default();
        talk.say(&messages(b"Q"));
        let answer = messages(b"CZ");
        talk.hear(&answer[..answer.len() - 1]);
        assert!(talk.is_under_way());
        talk.hear(&answer[answer.len() - 1..]);
        assert!(!talk.is_under_way());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            said in proptest::collection::vec(prop::sample::select(&b"QPBESd"[..]), 0..20),
            heard in proptest::collection::vec(prop::sample::select(&b"TDCZGN"[..]), 0..20),
            piece in 1_usize..20,
        ) {
            let (mut whole, mut pieces) = (Conversation::default(), Conversation::default());
            let (said, heard) = (messages(&said), messages(&heard));
            whole.say(&said);
            whole.hear(&heard);
            for bytes in said.chunks(piece) {
                pieces.say(bytes);
            }
            for bytes in heard.chunks(piece) {
                pieces.hear(bytes);
            }
            prop_assert_eq!(whole.asked, pieces.asked);
            prop_assert_eq!(whole.answered, pieces.answered);
            prop_assert_eq!(whole.is_under_way(), pieces.is_under_way());
        }
    }
}
