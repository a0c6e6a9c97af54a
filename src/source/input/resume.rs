//! Going on where an earlier life has ended, once it is sure that the file is still that file.

use std::fs::File;
use std::os::unix::fs::FileExt;

use ingestd_actors::error::{Error, ErrorKind, Result};
use ingestd_actors::model::{HashMark, Position};

use super::{Input, ReadAt, input_error};
use crate::fs::{ContentHasher, file_error, hash_prefix};
use crate::plan::Dialect;

/// How much is read at a time on the way to a position.
const BLOCK: usize = 256 << 10;

/// The text of a file from a position on; `mark` is the content hash's state at or before it, as an
/// earlier life has found it.
///
/// # Errors
/// `File` where the file is not what was read before, as far as that shows.
pub fn input_at(
    file: &File,
    dialect: &Dialect,
    at: Position,
    mark: Option<HashMark>,
) -> Result<Input> {
    let read_at = |buffer: &mut [u8], offset| file.read_at(buffer, offset);
    let input = Input::start(dialect, &read_at)
        .map_err(|error| input_error(error, "reading the file's start"))?;
    if input.is_plain() {
        check_line_end(file, at)?;
        return Ok(Input::plain(hasher_up_to(file, mark, at.offset)?));
    }
    decoded_up_to(input, &read_at, at, mark)
}

/// Decodes what is before a position, which ends with a line there.
pub(super) fn decoded_up_to(
    mut input: Input,
    read_at: ReadAt<'_>,
    at: Position,
    mark: Option<HashMark>,
) -> Result<Input> {
    let mut buffer = vec![0; at.offset.min(BLOCK as u64) as usize];
    let mut last = None;
    while input.text() < at.offset {
        let wanted = (at.offset - input.text()).min(BLOCK as u64) as usize;
        let read = input
            .read(&mut buffer[..wanted], read_at)
            .map_err(|error| input_error(error, "reading the part that is loaded already"))?;
        if read == 0 {
            return Err(changed("its text ends before the checkpoint"));
        }
        last = Some(buffer[read - 1]);
        let now = input.hasher().mark();
        if let (Some(now), Some(then)) = (now, mark)
            && now.offset == then.offset
            && now != then
        {
            return Err(changed("other bytes stand before the checkpoint"));
        }
    }
    if at.record > 0 && !matches!(last, None | Some(b'\n' | b'\r')) {
        // The last record of a file may end without a line end.
        let more = input
            .read(&mut [0], read_at)
            .map_err(|error| input_error(error, "reading the part that is loaded already"))?;
        if more > 0 {
            return Err(changed("no line ends at the checkpoint"));
        }
    }
    Ok(input)
}

/// A resume position stands after a line end, or the file is not what was read before.
fn check_line_end(file: &File, at: Position) -> Result<()> {
    if at.record == 0 || at.offset == 0 {
        return Ok(());
    }
    let mut before = [0];
    file.read_exact_at(&mut before, at.offset - 1)
        .map_err(|error| file_error(error, "reading before the checkpoint"))?;
    if matches!(before[0], b'\n' | b'\r') {
        return Ok(());
    }
    // The last record of a file may end without a line end.
    let size = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    if size == at.offset {
        return Ok(());
    }
    Err(changed("no line ends at the checkpoint"))
}

/// The content hash's state at `offset`, from the last mark on.
fn hasher_up_to(file: &File, mark: Option<HashMark>, offset: u64) -> Result<ContentHasher> {
    let reading = |error| file_error(error, "reading the part that is loaded already");
    let Some(mark) = mark.filter(|mark| mark.offset <= offset) else {
        return hash_prefix(file, offset).map_err(reading);
    };
    let mut hasher = ContentHasher::resume(mark);
    let mut buffer = vec![0; offset.min(BLOCK as u64) as usize];
    while hasher.offset() < offset {
        let wanted = (offset - hasher.offset()).min(buffer.len() as u64) as usize;
        let read = file
            .read_at(&mut buffer[..wanted], hasher.offset())
            .map_err(reading)?;
        if read == 0 {
            return Err(Error::new(ErrorKind::File, "it shrank since it was begun"));
        }
        hasher.update(&buffer[..read]);
    }
    Ok(hasher)
}

fn changed(how: &str) -> Error {
    Error::new(
        ErrorKind::File,
        format!("its content changed since it was begun: {how}"),
    )
}
