//! PURE: answers that are shared. Who asks now and then has a list read from the ledger; however often
//! one and the same question is asked, it is read twice a second, and the others get what was answered
//! just before.
//!
//! Each question has a credit, as in the leaky bucket of ITU-T I.371 (the generic cell rate algorithm):
//! a reading is paid off after half a second, or a hundred times as long as it took, and who owes more than
//! the credit shares.
//!
//! To one and the same question nobody is given what is older than what was given before, nor what was read
//! before a command that has been answered, or before a state that has been told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use actix_web::http::header::HeaderValue;
use actix_web::web::Bytes;

/// A reading is paid off after so many times as long as it took.
const TIMES: u32 = 100;
/// What may be owed before anything is shared: twenty readings.
const CREDIT: Duration = Duration::from_secs(10);
/// The least that one reading costs, however fast it was.
const CHEAPEST: Duration = Duration::from_millis(500);
/// The most that one reading costs: a few slow ones are no flood.
const DEAREST: Duration = Duration::from_millis(1_250);
/// The most that is owed: so much later than the longest flood, all is as if there had been none.
const MOST: Duration = Duration::from_secs(20);
/// The oldest answer that is given again.
const OLDEST: Duration = Duration::from_millis(500);
/// The most questions that are known; further ones are answered anew each time.
const QUESTIONS: usize = 64;
/// The longest question that is known, in bytes.
const LONGEST_QUESTION: usize = 1 << 10;
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

/// The same ones, for all who answer.
#[derive(Clone, Debug, Default)]
pub struct SharedByAll(Arc<Mutex<Shared>>);

impl SharedByAll {
    /// Nobody else has them meanwhile.
    pub fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    /// When the newest one began, whether its answer is kept or not.
    began: Instant,
    answer: Option<Answer>,
}

impl Question {
    fn owes(&self, now: Instant) -> bool {
        self.owes_until.saturating_duration_since(now) > CREDIT
    }

    fn charge(&mut self, now: Instant) {
        let price = (self.took * TIMES).clamp(CHEAPEST, DEAREST);
        self.owes_until = (self.owes_until.max(now) + price).min(now + MOST);
    }

    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.began) < OLDEST
    }
}

impl Shared {
    /// What was answered just before, where that is to do; else it is to be read, and put here.
    pub fn take(&mut self, question: &str, now: Instant) -> Option<Answer> {
        self.tidy(now);
        let known = self.questions.get_mut(question)?;
        if known.owes(now) && known.answer.is_some() {
            return known.answer.clone();
        }
        // Those who ask while this one reads find it paid for.
        known.charge(now);
        None
    }

    /// Puts an answer here whose reading has taken from then until now.
    pub fn put(&mut self, question: &str, answer: &Answer, began: Instant, now: Instant) {
        if self.forgotten.is_some_and(|at| began <= at) {
            return;
        }
        self.tidy(now);
        let took = now.saturating_duration_since(began);
        if !self.questions.contains_key(question) {
            if self.questions.len() >= QUESTIONS || question.len() > LONGEST_QUESTION {
                return;
            }
            let mut first = Question {
                owes_until: now,
                took,
                began,
                answer: None,
            };
            first.charge(now);
            self.questions.insert(question.to_owned(), first);
        }
        // One that began later may have been faster.
        let Some(known) = self
            .questions
            .get_mut(question)
            .filter(|it| it.began <= began)
        else {
            return;
        };
        (known.took, known.began) = (took, began);
        let is_kept = known.owes(now) && known.is_fresh(now) && answer.body.len() <= LONGEST;
        known.answer = is_kept.then(|| Answer {
            kind: answer.kind.clone(),
            // Without the room behind it that it may have been written with.
            body: Bytes::copy_from_slice(&answer.body),
        });
    }

    /// Forgets all answers, and those that are being read: something was changed.
    pub fn forget(&mut self, now: Instant) {
        self.forgotten = Some(now);
        for known in self.questions.values_mut() {
            known.answer = None;
        }
    }

    /// Lets go of what is of no use any more.
    fn tidy(&mut self, now: Instant) {
        self.questions.retain(|_, known| {
            let is_fresh = known.is_fresh(now);
            known.answer.take_if(|_| !is_fresh);
            is_fresh || known.owes_until > now
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READING: Duration = Duration::from_millis(2);
    const SECOND: Duration = Duration::from_secs(1);

    fn answer(text: &str) -> Answer {
        Answer {
            kind: None,
            body: text.to_owned().into(),
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
                    shared.put("q", &answer(&text), now, now + READING);
                }
            }
            now += every;
        }
        (read, oldest)
    }

    /// The question was asked so often until then that what is answered next is shared.
    fn in_a_flood(until: Instant) -> Shared {
        let mut shared = Shared::default();
        for _ in 0..20 {
            shared.take("q", until);
            shared.put("q", &answer(""), until - SECOND, until);
        }
        assert!(shared.questions["q"].owes(until + SECOND));
        shared
    }

    #[test]
    fn who_asks_now_and_then_has_it_read_each_time() {
        let mut shared = Shared::default();
        let every = Duration::from_millis(500);
        let (read, _) = ask(&mut shared, Instant::now(), every, every * 1_000);
        assert_eq!(read, 1_000);
    }

    #[test]
    fn in_a_flood_it_is_read_twice_a_second() {
        let mut shared = Shared::default();
        let (every, long) = (Duration::from_millis(5), SECOND * 100);
        let (read, oldest) = ask(&mut shared, Instant::now(), every, long);
        // And the credit.
        assert!((200..=230).contains(&read), "{read}");
        assert!(oldest < OLDEST, "{oldest:?}");
    }

    #[test]
    fn one_slow_answer_is_not_shared() {
        let mut shared = Shared::default();
        let from = Instant::now();
        shared.put("q", &answer(""), from, from + OLDEST / 2);
        assert_eq!(shared.take("q", from + OLDEST / 2), None);
    }

    #[test]
    fn soon_after_a_flood_it_is_read_each_time() {
        let from = Instant::now();
        let mut shared = in_a_flood(from);
        for step in 0..1_000 {
            let now = from + READING * step;
            shared.take("q", now);
            shared.put("q", &answer(""), now - OLDEST, now);
        }
        let later = from + READING * 1_000 + MOST - CREDIT;
        shared.put("q", &answer(""), later, later + READING);
        assert_eq!(shared.take("q", later + READING), None);
    }

    #[test]
    fn what_takes_long_is_old_for_no_longer_either() {
        let from = Instant::now();
        let mut shared = in_a_flood(from);
        shared.put("q", &answer("new"), from, from + OLDEST / 2);
        assert!(shared.take("q", from + OLDEST / 2).is_some());
        assert!(shared.take("q", from + OLDEST).is_none());
    }

    #[test]
    fn what_began_later_is_not_replaced_by_what_was_slower() {
        let from = Instant::now();
        let mut shared = in_a_flood(from);
        shared.put("q", &answer("new"), from + READING, from + READING * 2);
        shared.put("q", &answer("old"), from, from + READING * 3);
        assert_eq!(shared.take("q", from + READING * 3), Some(answer("new")));
        // Nor where the newer one was not kept.
        let long = answer(&"x".repeat(LONGEST + 1));
        shared.put("q", &long, from + READING * 5, from + READING * 6);
        shared.put("q", &answer("old"), from + READING * 4, from + READING * 7);
        assert_eq!(shared.take("q", from + READING * 7), None);
    }

    #[test]
    fn after_a_change_nothing_is_given_that_was_read_before() {
        let from = Instant::now();
        let mut shared = in_a_flood(from);
        shared.put("q", &answer(""), from, from + READING);
        assert!(shared.take("q", from + READING).is_some());
        shared.forget(from + READING * 2);
        assert_eq!(shared.take("q", from + READING * 2), None);
        // This one was being read meanwhile.
        shared.put("q", &answer(""), from + READING, from + READING * 3);
        assert_eq!(shared.take("q", from + READING * 3), None);
    }

    #[test]
    fn there_is_an_end_to_what_it_keeps() {
        let from = Instant::now();
        let mut shared = in_a_flood(from);
        let long = answer(&"x".repeat(LONGEST + 1));
        shared.put("q", &long, from, from + READING);
        assert_eq!(shared.take("q", from + READING), None);
        shared.put("q", &answer(&"x".repeat(LONGEST)), from, from + READING);
        assert!(shared.take("q", from + READING).is_some());
        // What nobody may be given any more is not kept for the next who asks for it.
        shared.take("another", from + OLDEST);
        assert!(shared.questions["q"].answer.is_none());

        for question in 0..QUESTIONS * 2 {
            shared.put(&question.to_string(), &answer(""), from, from + SECOND);
        }
        assert_eq!(shared.questions.len(), QUESTIONS);
        // Those that are paid off make room.
        let later = from + Duration::from_secs(3_600);
        shared.put(&"?".repeat(LONGEST_QUESTION + 1), &answer(""), later, later);
        assert_eq!(shared.questions.len(), 0);
        shared.put("new", &answer(""), later, later);
        assert_eq!(shared.questions.len(), 1);
    }
}
