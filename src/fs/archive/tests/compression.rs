//! Files that are compressed on their way.

use super::*;

fn compressed_move(place: &Place) -> Move {
    with_goal(place, to(path_in(place, true, 0), Collision::Rename))
}

#[test]
fn what_comes_out_is_what_went_in() {
    for content in [
        String::new(),
        CONTENT.to_owned(),
        "x,y\n1,2\n".repeat(2_000_000),
    ] {
        let place = beside();
        std::fs::write(place.inbox.join("a.csv"), &content).unwrap();
        let file = compressed_move(&place);
        assert_eq!(run(&file).unwrap(), Outcome::Moved);
        assert_eq!(files(&place.inbox), [""; 0]);
        assert_eq!(files(&place.archive), ["a.csv.zst"]);
        let archived = std::fs::read(target_of(&file)).unwrap();
        assert!(zstd::decode_all(&archived[..]).unwrap() == content.as_bytes());
    }
}

/// The ledger knows what the file held when it was loaded. Were its bytes others by now, under the
/// same length and time, the archive would not hold what is in the table.
#[test]
fn a_file_that_does_not_hold_what_the_ledger_knows_is_not_taken_away() {
    let place = beside();
    let mut file = compressed_move(&place);
    file.content = Some(vec![1; 32]);
    for _ in 0..2 {
        assert_eq!(run(&file).unwrap_err().kind(), ErrorKind::Configuration);
        assert_eq!(std::fs::read_to_string(private(&file)).unwrap(), CONTENT);
        assert_eq!(files(&place.archive), [""; 0], "nothing is left of the try");
    }
}

#[test]
fn a_damaged_copy_is_not_taken_for_the_file() {
    let place = beside();
    let file = compressed_move(&place);
    std::fs::create_dir(&place.archive).unwrap();
    let whole = zstd::encode_all(CONTENT.as_bytes(), 3).unwrap();
    std::fs::write(target_of(&file), &whole[..whole.len() - 1]).unwrap();
    assert_eq!(run(&file).unwrap(), Outcome::Collides);
    assert_eq!(std::fs::read_to_string(private(&file)).unwrap(), CONTENT);
}
