//! Any bytes in any dialect: the same records however they are fed, from wherever reading goes on, and
//! every byte in one of them. The first byte is the dialect, the second the size of the steps.

#![no_main]

use ingestd_fuzz::dialects::dialect;
use ingestd_fuzz::records::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let &[form, step, ref file @ ..] = data else {
        return;
    };
    let dialect = dialect(form);
    let whole = read(&dialect, file, 0, 1, file.len() + 1);
    assert_eq!(
        read(&dialect, file, 0, 1, usize::from(step) + 1),
        whole,
        "the size of the steps"
    );
    let mut at = 0;
    for (index, record) in whole.iter().enumerate() {
        assert_eq!(record.offset, at, "a byte between two records");
        at = record.next;
        // From every record of a small file, and from some of a larger one.
        if index < 32 || index % 64 == 0 {
            let rest = read(&dialect, file, record.offset, record.line, file.len() + 1);
            assert_eq!(rest[..], whole[index..], "going on at record {index}");
        }
    }
    assert_eq!(at, file.len(), "bytes after the last record");
});
