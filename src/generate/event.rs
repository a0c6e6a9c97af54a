//! One event as typed values: what a row means, whatever way it is written.

use super::random::{self, Purpose, Stream};
use super::{EventType, Product, Spec, text};

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The key.
    pub id: u128,
    /// When it happened, in microseconds since 1970.
    pub time: u64,
    /// What happened.
    pub event_type: EventType,
    /// Whose event it is, from 1.
    pub user: u64,
    /// The number of the product, from 1.
    pub product: u64,
    /// The product's category, where the shop noted one; may be empty.
    pub category: Option<&'static str>,
    /// The visit that it belongs to.
    pub session: u64,
    /// The price of one piece, in hundredths.
    pub cents: u64,
    /// How many pieces.
    pub quantity: u64,
}

/// 2025-01-01T00:00:00Z, in seconds since 1970.
const FIRST_SECOND: u64 = 1_735_689_600;

/// Each row has two seconds of its own, so that times increase also where one is cut to seconds.
const SECONDS_PER_ROW: u64 = 2;

/// The first second that the event of a row can happen in.
pub(super) fn second_of(row: u64) -> u64 {
    FIRST_SECOND + row * SECONDS_PER_ROW
}

/// The id of the event that a row tells of first.
pub(super) fn id_of(seed: u64, row: u64) -> u128 {
    let high = random::number(seed, Purpose::IdHigh, row) & !0xf000 | 0x4000;
    let low = random::number(seed, Purpose::IdLow, row) & !(3 << 62) | 2 << 62;
    u128::from(high) << 64 | u128::from(low)
}

impl Event {
    /// The values of a row, under an id of its own or of an earlier one.
    pub(super) fn new(spec: &Spec, row: u64, id: u128) -> Self {
        let mut random = Stream::new(spec.seed, Purpose::Values, row);
        let event_type = spec.weights.pick(random.below(spec.weights.total()));
        let user = 1 + random.below(spec.users);
        // Two draws, the lower one counts: some products sell better than others.
        let product = 1 + random.below(spec.products).min(random.below(spec.products));
        let product = Product::new(spec.seed, product);
        let micros = random.below(SECONDS_PER_ROW * 1_000_000);
        let micros = if random.one_in(4) {
            micros / 1_000_000 * 1_000_000
        } else {
            micros
        };
        let category = match random.below(512) {
            0..32 => None,
            32..40 => Some(""),
            40 => Some("Gift wrap:\n\"ribbon\", bow"),
            _ => Some(product.category),
        };
        let cents = match random.below(512) {
            0 => 0,
            _ => product.cents * (90 + random.below(21)) / 100,
        };
        let quantity = match random.below(10) {
            0..7 => 1,
            7..9 => 2,
            _ => 3 + random.below(8),
        };
        Self {
            id,
            time: second_of(row) * 1_000_000 + micros,
            event_type,
            user,
            product: product.number,
            category,
            session: random::number(spec.seed, Purpose::Session, user << 32 ^ (row / 1_024)),
            cents,
            quantity,
        }
    }

    /// The values in the order of the header, as literals of PostgreSQL for the types `uuid`,
    /// `timestamptz`, `text` (five times), `numeric` and `int`. Compare them by those types: the
    /// server may write the same time with fewer digits.
    pub fn literals(&self) -> [Option<String>; 9] {
        let literal = |write: &dyn Fn(&Self, &mut Vec<u8>)| {
            let mut text = Vec::new();
            write(self, &mut text);
            Some(String::from_utf8_lossy(&text).into_owned())
        };
        [
            literal(&|event, out| text::uuid(out, event.id)),
            literal(&Self::write_time_literal),
            literal(&|event, out| out.extend_from_slice(event.event_type.name().as_bytes())),
            literal(&Self::write_user),
            literal(&|event, out| Product::write_id(event.product, out)),
            self.category.map(str::to_owned),
            literal(&|event, out| text::hexadecimal(out, event.session)),
            literal(&|event, out| text::money(out, event.cents)),
            literal(&|event, out| text::decimal(out, event.quantity)),
        ]
    }

    /// Writes the values as a line of COPY's text format.
    pub(super) fn write_copy_line(&self, out: &mut Vec<u8>) {
        text::uuid(out, self.id);
        out.push(b'\t');
        self.write_time_literal(out);
        out.push(b'\t');
        out.extend_from_slice(self.event_type.name().as_bytes());
        out.push(b'\t');
        self.write_user(out);
        out.push(b'\t');
        Product::write_id(self.product, out);
        out.push(b'\t');
        text::copy_field(out, self.category.map(str::as_bytes));
        out.push(b'\t');
        text::hexadecimal(out, self.session);
        out.push(b'\t');
        text::money(out, self.cents);
        out.push(b'\t');
        text::decimal(out, self.quantity);
        out.push(b'\n');
    }

    /// Writes the user's name: most have a plain one.
    pub(super) fn write_user(&self, out: &mut Vec<u8>) {
        let name = match self.user % 16 {
            3 => "zoë",
            7 => "юлия",
            11 => "美咲",
            _ => "user",
        };
        out.extend_from_slice(name.as_bytes());
        out.push(b'-');
        text::decimal(out, self.user);
    }

    fn write_time_literal(&self, out: &mut Vec<u8>) {
        let second = self.time / 1_000_000;
        text::date(out, second / 86_400);
        out.push(b' ');
        text::clock(out, second % 86_400);
        out.push(b'.');
        text::padded(out, self.time % 1_000_000, 6);
        out.extend_from_slice(b"+00");
    }
}
