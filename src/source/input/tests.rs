//! Files in every form, cut and broken in every way.

use std::cell::Cell;
use std::io::Write;

use encoding_rs::{EUC_KR, Encoding, GB18030, ISO_2022_JP, SHIFT_JIS, UTF_16LE, WINDOWS_1252};
use flate2::write::GzEncoder;
use ingestd_actors::error::ErrorKind;
use ingestd_actors::model::Position;
use proptest::prelude::*;

use super::resume::decoded_up_to;
use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 0).expect("an encoder");
    encoder.include_checksum(true).expect("it can");
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn declared(encoding: &'static Encoding) -> Dialect {
    Dialect {
        encoding: Some(encoding.name().into()),
        ..Dialect::default()
    }
}

/// Reads at most so many bytes of a file at once.
fn by_steps(file: &[u8], step: usize) -> impl Fn(&mut [u8], u64) -> io::Result<usize> {
    move |buffer, offset| {
        let rest = &file[(offset as usize).min(file.len())..];
        let taken = rest.len().min(buffer.len()).min(step);
        buffer[..taken].copy_from_slice(&rest[..taken]);
        Ok(taken)
    }
}

/// Reads the rest of a text, so many bytes at once.
fn rest_of(input: &mut Input, read_at: ReadAt<'_>, step: usize) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut buffer = vec![0; step];
    loop {
        match input.read(&mut buffer, read_at)? {
            0 => return Ok(text),
            read => text.extend_from_slice(&buffer[..read]),
        }
    }
}

/// The text of a whole file, or what is wrong with it.
fn text_of(file: &[u8], dialect: &Dialect) -> Result<Vec<u8>, Fault> {
    let read_at = by_steps(file, usize::MAX);
    let all = Input::start(dialect, &read_at)
        .and_then(|mut input| rest_of(&mut input, &read_at, 1 << 20));
    all.map_err(|error| {
        let fault = error.get_ref().and_then(|inner| inner.downcast_ref());
        Fault::clone(fault.expect("the file is at fault"))
    })
}

fn content_hash(file: &[u8]) -> [u8; 32] {
    let mut hasher = ContentHasher::new();
    hasher.update(file);
    hasher.finish()
}

/// Lines of characters that all of the encodings below have.
fn lines() -> impl Strategy<Value = String> {
    let short = prop::collection::vec("[a-z,\"]{0,12}", 0..40);
    let long = (0..4_000usize).prop_map(|length| vec!["abc,def\"".repeat(length)]);
    prop_oneof![4 => short, 1 => long].prop_map(|lines| lines.join("\n") + "\n")
}

/// A file, the dialect that reads it, and its text.
fn files() -> impl Strategy<Value = (Vec<u8>, Dialect, Vec<u8>)> {
    let own = prop_oneof![
        Just((WINDOWS_1252, "é€“")),
        Just((SHIFT_JIS, "表ソ能ｱ")),
        Just((EUC_KR, "한글")),
        Just((GB18030, "汉字€𠀀")),
        Just((UTF_8, "é美𠀀\u{fffd}")),
        Just((UTF_16LE, "é美𠀀\u{fffd}")),
    ];
    let cuts = prop::collection::vec(any::<prop::sample::Index>(), 0..3);
    (own, lines(), lines(), 0..3usize, cuts).prop_map(|((encoding, own), a, b, form, cuts)| {
        let text = format!("{a}{own}\n{b}");
        let bytes = match encoding == UTF_16LE {
            true => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            false => encoding.encode(&text).0.into_owned(),
        };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut start = 0;
        let mut file = Vec::new();
        for end in cuts {
            let part = &bytes[start..end];
            file.extend(match form {
                0 => part.to_vec(),
                1 => gzip(part),
                _ => zstd(part),
            });
            start = end;
        }
        (file, declared(encoding), text.into_bytes())
    })
}

proptest! {
    #[test]
    fn a_file_has_one_text_however_it_is_cut_into_reads(
        (file, dialect, text) in files(), raw_step in 1..300_000usize, step in 1..50_000usize,
    ) {
        let read_at = by_steps(&file, raw_step);
        let mut input = Input::start(&dialect, &read_at).expect("its start");
        let read = rest_of(&mut input, &read_at, step).expect("all of it");
        prop_assert!(read == text, "{} of {} bytes", read.len(), text.len());
        prop_assert_eq!(input.text(), text.len() as u64);
        prop_assert_eq!(input.hasher().offset(), file.len() as u64);
        prop_assert_eq!(input.hasher().finish(), content_hash(&file));
        // What has come to its end stays there.
        prop_assert_eq!(input.read(&mut [0; 9], &read_at).expect("the end"), 0);
    }

    #[test]
    fn a_read_that_fails_now_and_then_loses_nothing(
        (file, dialect, text) in files(), step in 1..50_000usize,
    ) {
        let calls = Cell::new(0);
        let good = by_steps(&file, 10_000);
        let failing = |buffer: &mut [u8], offset| {
            calls.set(calls.get() + 1);
            match calls.get() % 3 {
                0 => Err(io::ErrorKind::TimedOut.into()),
                _ => good(buffer, offset),
            }
        };
        let mut input = Input::start(&dialect, &good).expect("its start");
        let mut read = Vec::new();
        let mut buffer = vec![0; step];
        loop {
            match input.read(&mut buffer, &failing) {
                Ok(0) => break,
                Ok(length) => read.extend_from_slice(&buffer[..length]),
                Err(error) => prop_assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            }
        }
        prop_assert!(read == text, "{} of {} bytes", read.len(), text.len());
        prop_assert_eq!(input.hasher().finish(), content_hash(&file));
    }

    #[test]
    fn reading_goes_on_after_any_line(
        (file, dialect, text) in files(), line in any::<prop::sample::Index>(),
    ) {
        let ends: Vec<usize> = memchr::memchr_iter(b'\n', &text).map(|end| end + 1).collect();
        let offset = ends[line.index(ends.len())];
        let at = Position { record: 1, offset: offset as u64, line: 2 };
        let read_at = by_steps(&file, usize::MAX);
        let input = Input::start(&dialect, &read_at).expect("its start");
        if !input.is_plain() {
            let mut input = decoded_up_to(input, &read_at, at, None).expect("a line ends there");
            prop_assert_eq!(input.text(), offset as u64);
            let rest = rest_of(&mut input, &read_at, 1_000).expect("the rest");
            prop_assert!(rest == text[offset..]);
            prop_assert_eq!(input.hasher().finish(), content_hash(&file));
        }
    }
}

#[test]
fn an_archive_that_is_cut_short_says_so_wherever_that_is() {
    let text: String = (0..2_000).map(|id| format!("{id},name {id}\n")).collect();
    for whole in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        for length in (4..whole.len()).step_by(7).chain([whole.len() - 1]) {
            let fault = text_of(&whole[..length], &Dialect::default()).expect_err("it is cut");
            let at = length as u64;
            assert!(
                matches!(fault, Fault::CutShort { at: told, .. } if told == at),
                "{length}: {fault:?}"
            );
        }
        // The second one is cut within its magic number.
        let second = [&whole[..], &whole[..1]].concat();
        let fault = text_of(&second, &Dialect::default()).expect_err("it is cut");
        assert!(matches!(fault, Fault::CutShort { .. }), "{fault:?}");
    }
}

#[test]
fn an_archive_that_is_damaged_says_so() {
    let text = "id,name\n1,one\n".repeat(1_000);
    for whole in [gzip(text.as_bytes()), zstd(text.as_bytes())] {
        for at in 4..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x55;
            // Some bytes of a header, such as a time, mean nothing to the data.
            if let Ok(read) = text_of(&damaged, &Dialect::default()) {
                assert!(read == text.as_bytes(), "{at}");
            }
        }
        let mut checksum = whole.clone();
        *checksum.last_mut().expect("a byte") ^= 1;
        let fault = text_of(&checksum, &Dialect::default()).expect_err("it is damaged");
        assert!(matches!(fault, Fault::Damaged { .. }), "{fault:?}");
    }
}

#[test]
fn what_stands_behind_an_archive_is_not_passed_over_in_silence() {
    let text = b"id\n1\n";
    let (gzip, zstd) = (gzip(text), zstd(text));
    let trailing = |file: &[u8], expected: usize| {
        let fault = text_of(file, &Dialect::default()).expect_err("something follows");
        assert!(
            matches!(fault, Fault::Trailing { at, .. } if at == expected as u64),
            "{fault:?}"
        );
    };
    trailing(&[&gzip[..], b"id\n"].concat(), gzip.len());
    trailing(&[&zstd[..], b"id\n"].concat(), zstd.len());
    trailing(&[&gzip[..], &zstd[..]].concat(), gzip.len());
    trailing(&[&zstd[..], &gzip[..]].concat(), zstd.len());
    trailing(&[&gzip[..], &[0; 5], b"x"].concat(), gzip.len() + 5);
    trailing(&[&gzip[..], &[0; 5], &gzip].concat(), gzip.len() + 5);
    // Zero bytes that fill up a block are what `gzip` passes over, too.
    for zeros in [1, 100_000] {
        let padded = [&gzip[..], &vec![0; zeros]].concat();
        assert_eq!(
            text_of(&padded, &Dialect::default()).as_deref(),
            Ok(&text[..])
        );
    }
}

#[test]
fn frames_that_hold_no_data_are_passed_over() {
    let skippable = [&[0x5F, 0x2A, 0x4D, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let file = [&skippable[..], &zstd(b"id\n"), &skippable, &zstd(b"1\n")].concat();
    let text = text_of(&file, &Dialect::default());
    assert_eq!(text.as_deref(), Ok(&b"id\n1\n"[..]));
    let empty = [gzip(b""), gzip(b"id\n"), gzip(b"")].concat();
    let text = text_of(&empty, &Dialect::default());
    assert_eq!(text.as_deref(), Ok(&b"id\n"[..]));
}

#[test]
fn a_frame_that_wants_too_much_memory_is_not_called_damaged() {
    // A header with a window of 2^27 or 2^28 bytes, and one block with one byte (RFC 8878).
    let frame = |window: u8| [0x28, 0xB5, 0x2F, 0xFD, 0, window, 9, 0, 0, b'a'];
    let text = text_of(&frame(17 << 3), &Dialect::default());
    assert_eq!(text.as_deref(), Ok(&b"a"[..]));
    let fault = text_of(&frame(18 << 3), &Dialect::default());
    assert_eq!(fault, Err(Fault::Window));
}

#[test]
fn an_archive_of_next_to_nothing_may_not_give_any_amount_of_text() {
    let large = vec![b'a'; (64 << 20) + (1 << 20)];
    let bomb = zstd(&large);
    let fault = text_of(&bomb, &Dialect::default()).expect_err("it is a bomb");
    let Fault::Ratio { text, .. } = fault else {
        panic!("{fault:?}");
    };
    // It is noticed as soon as it is beyond the free part.
    assert!(text <= (64 << 20) + (1 << 20), "{text}");
    let allowed = Dialect {
        max_ratio: 1_000_000,
        ..Dialect::default()
    };
    assert_eq!(
        text_of(&bomb, &allowed).map(|text| text.len()),
        Ok(large.len())
    );
}

#[test]
fn formats_that_are_not_read_are_named() {
    let fault = text_of(b"PK\x03\x04abcdefgh", &Dialect::default()).expect_err("a zip");
    assert_eq!(fault, Fault::Foreign("a zip archive"));
    let error = input_error(fault.into(), "reading");
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.to_string().contains("a zip archive"), "{error}");
}

#[test]
fn malformed_sequences_become_a_byte_that_no_text_has_and_nothing_else_does() {
    let cases: [(&Encoding, &[u8], &[u8]); 7] = [
        (SHIFT_JIS, b"a,\x81\nb\xFF,c\n", b"a,\xFF\nb\xFF,c\n"),
        (EUC_KR, b"a\xC7,b\n", b"a\xFF,b\n"),
        (GB18030, b"a\x81\x30\nb", b"a\xFF0\nb"),
        (UTF_16LE, b"a\0\0\xD8\n\0b\0", b"a\xFF\nb"),
        (UTF_16LE, b"a\0\n\0b", b"a\n\xFF"),
        (UTF_16LE, b"\xFD\xFF\n\0", "\u{fffd}\n".as_bytes()),
        (ISO_2022_JP, b"\x1B$B0!\x1B(B,a\n", "亜,a\n".as_bytes()),
    ];
    for (encoding, file, expected) in cases {
        let text = text_of(file, &declared(encoding));
        assert_eq!(text.as_deref(), Ok(expected), "{}", encoding.name());
        let packed = text_of(&gzip(file), &declared(encoding));
        assert_eq!(packed.as_deref(), Ok(expected), "{}", encoding.name());
    }
}

#[test]
fn a_byte_order_mark_decides_in_a_compressed_file_too() {
    let text = "\u{feff}id,näme\n";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for bytes in [text.as_bytes().to_vec(), little, big] {
        for file in [bytes.clone(), gzip(&bytes), zstd(&bytes)] {
            for dialect in [Dialect::default(), declared(WINDOWS_1252)] {
                let read = text_of(&file, &dialect);
                assert_eq!(read.as_deref(), Ok(text.as_bytes()));
            }
        }
    }
}

#[test]
fn other_bytes_before_the_checkpoint_are_noticed() {
    let text: String = (0..600_000_u64)
        .map(|id| format!("{:07}\n", id * 7919 % 9_999_991))
        .collect();
    let stored = |text: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::none());
        encoder.write_all(text.as_bytes()).expect("in memory");
        encoder.finish().expect("in memory")
    };
    // Long enough for a whole block of the hash, whatever it is compressed to.
    let text = text.repeat(3);
    let file = stored(&text);
    let read_at = by_steps(&file, usize::MAX);
    let mut input = Input::start(&Dialect::default(), &read_at).expect("its start");
    let mut buffer = vec![0; 1 << 20];
    while input.mark().is_none() {
        assert!(input.read(&mut buffer, &read_at).expect("read") > 0);
    }
    let (passed, mark) = input.mark().expect("one");
    let at = Position {
        record: passed.div_ceil(8),
        offset: passed.div_ceil(8) * 8,
        line: 1,
    };
    let go_on = |file: &[u8]| {
        let read_at = by_steps(file, usize::MAX);
        let input = Input::start(&Dialect::default(), &read_at).expect("its start");
        decoded_up_to(input, &read_at, at, Some(mark)).map(|_| ())
    };
    go_on(&file).expect("it is the same");
    let other = stored(&text.replacen("0007919", "0000001", 1));
    let error = go_on(&other).expect_err("it is another one");
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.message().contains("other bytes"), "{error}");
}
