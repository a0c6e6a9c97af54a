//! PURE: answers that are shared. Who asks now and then has a list read from the ledger; however often
//! one and the same question is asked, reading costs it a hundredth of a core, and the others get what
//! was answered just before.
//!
//! Each question has a credit, as in the leaky bucket of ITU-T I.371 (the generic cell rate algorithm):
//! a reading that took so long is paid off after a hundred times as long, and who owes more than the
//! credit shares.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;

/// A reading is paid off after so many times as long as it took.
const TIMES: u32 = 100;
/// What may be owed before anything is shared: a tenth of a second of reading.
const CREDIT: Duration = Duration::from_secs(10);
/// The oldest answer that is given again.
const OLDEST: Duration = Duration::from_millis(250);
/// The most questions that are known; further ones are answered anew each time.
const QUESTIONS: usize = 64;
/// The longest answer that is kept, in bytes.
const LONGEST: usize = 256 << 10;

/// Whether answers of this path are shared: they are read for whoever asks, and the same for all.
pub fn is_shared(path: &str) -> bool {
    let path = path.strip_prefix("/api/v1/").unwrap_or(path);
    let lists = ["files", "dead-letters", "dead-letters/groups", "events"];
    lists.contains(&path) || matches!(path, "alerts" | "/metrics")
}

/// What was answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The `Content-Type`.
    pub kind: Option<HeaderValue>,
    /// The body.
    pub body: Bytes,
}

/// The questions that were asked lately.
#[derive(Debug, Default)]
pub struct Shared {
    questions: HashMap<String, Question>,
    forgotten: Option<Instant>,
}

#[derive(Debug)]
struct Question {
    /// When all readings so far are paid off.
    owes_until: Instant,
    /// How long the last one took.
    took: Duration,
    answer: Option<(Instant, Answer)>,
}

impl Shared {
    /// What was answered just before, where that is to do; else it is to be read, and put here.
    pub fn take(&mut self, question: &str, now: Instant) -> Option<Answer> {
        let known = self.questions.get_mut(question)?;
        let owes = known.owes_until.saturating_duration_since(now) > CREDIT;
        let answer = known.answer.as_ref();
        let fresh = answer.filter(|(read, _)| now.saturating_duration_since(*read) < OLDEST);
        if let (true, Some((_, answer))) = (owes, fresh) {
            return Some(answer.clone());
        }
        // Those who ask while this one reads find it paid for.
        known.owes_until = known.owes_until.max(now) + known.took * TIMES;
        None
    }

    /// Puts an answer here whose reading has taken from then until now.
    pub fn put(&mut self, question: &str, answer: Answer, began: Instant, now: Instant) {
        if self.forgotten.is_some_and(|at| began <= at) {
            return;
        }
        let took = now.saturating_duration_since(began);
        if !self.questions.contains_key(question) && self.questions.len() >= QUESTIONS {
            self.questions.retain(|_, known| known.owes_until > now);
            if self.questions.len() >= QUESTIONS {
                return;
            }
        }
        let first = || Question {
            owes_until: now + took * TIMES,
            took,
            answer: None,
        };
        let known = self
            .questions
            .entry(question.to_owned())
            .or_insert_with(first);
        known.took = took;
        let owes = known.owes_until.saturating_duration_since(now) > CREDIT;
        let is_kept = owes && answer.body.len() <= LONGEST;
        known.answer = is_kept.then_some((began, answer));
    }

    /// Forgets all answers, and those that are being read: something was changed.
    pub fn forget(&mut self, now: Instant) {
        self.forgotten = Some(now);
        for known in self.questions.values_mut() {
            known.answer = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Duration = Duration::from_millis(2);

    fn answer(text: String) -> Answer {
        Answer {
            kind: None,
            body: text.into(),
        }
    }

    /// Asks every `gap` for so long; how often it was read, and how old the oldest answer was.
    fn ask(shared: &mut Shared, from: Instant, every: Duration, long: Duration) -> (u32, Duration) {
        let (mut read, mut oldest) = (0, Duration::ZERO);
        let mut now = from;
        while now < from + long {
            match shared.take("q", now) {
                Some(answer) => {
                    let text = std::str::from_utf8(&answer.body).expect("text");
                    let at = Duration::from_micros(text.parse().expect("a time"));
                    oldest = oldest.max(now - from - at);
                }
                None => {
                    read += 1;
                    let text = (now - from).as_micros().to_string();
                    shared.put("q", answer(text), now, now + READING);
                }
            }
            now += every;
        }
        (read, oldest)
    }

    #[test]
    fn who_asks_now_and_then_has_it_read_each_time() {
        let mut shared = Shared::default();
        let every = Duration::from_millis(200);
        let (read, _) = ask(&mut shared, Instant::now(), every, every * 1_000);
        assert_eq!(read, 1_000);
    }

    #[test]
    fn a_flood_is_answered_from_a_hundredth_of_a_core() {
        let mut shared = Shared::default();
        let (every, long) = (Duration::from_millis(5), Duration::from_secs(100));
        let (read, oldest) = ask(&mut shared, Instant::now(), every, long);
        // A second of reading in 100 s, and the credit of a tenth.
        assert!((500..=560).contains(&read), "{read}");
        assert!(oldest < OLDEST, "{oldest:?}");
    }

    #[test]
    fn what_takes_long_is_old_for_no_longer_either() {
        let mut shared = Shared::default();
        let from = Instant::now();
        shared.put("q", answer(String::new()), from, from + OLDEST / 2);
        assert!(shared.take("q", from + OLDEST / 2).is_some());
        assert!(shared.take("q", from + OLDEST).is_none());
    }

    #[test]
    fn after_a_change_nothing_is_given_that_was_read_before() {
        let mut shared = Shared::default();
        let from = Instant::now();
        let second = Duration::from_secs(1);
        shared.put("q", answer(String::new()), from, from + second);
        assert!(shared.take("q", from).is_some());
        shared.forget(from + second);
        assert!(shared.take("q", from + second).is_none());
        // This one was being read meanwhile.
        shared.put(
            "q",
            answer(String::new()),
            from + second / 2,
            from + second * 2,
        );
        assert!(shared.take("q", from + second).is_none());
    }

    #[test]
    fn there_is_an_end_to_what_it_keeps() {
        let mut shared = Shared::default();
        let from = Instant::now();
        let late = from + Duration::from_secs(1);
        for question in 0..QUESTIONS * 2 {
            shared.put(&question.to_string(), answer(String::new()), from, late);
        }
        assert_eq!(shared.questions.len(), QUESTIONS);
        let long = answer("x".repeat(LONGEST + 1));
        shared.put("0", long, from, late);
        assert!(shared.take("0", from).is_none());
        // Those that are paid off make room.
        let later = late + Duration::from_secs(3_600);
        shared.put("new", answer(String::new()), later, later);
        assert_eq!(shared.questions.len(), 1);
    }
}
