//! Compressed data, member by member or frame by frame.

use std::io;
use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder as Zstd, Operation};

use super::fault::Fault;
use crate::plan::Archive;

/// How much compressed data is read at a time.
const INPUT: usize = 64 << 10;

/// Up to this much text there is no bound on the ratio: a small file of one value may well be
/// compressed to almost nothing.
const FREE: u64 = 64 << 20;

/// What zstd says of a frame whose window is beyond its limit.
const TOO_WIDE: &str = "Frame requires too much memory for decoding";

/// The window of gzip data: 2^15 bytes, the largest.
const GZIP_WINDOW: u8 = 15;

/// Decompresses one file. Its memory is that of the format's window: 32 KiB for gzip; for zstd what
/// the frame asks for, and no more than 128 MiB, the limit of the library.
pub struct Decompression {
    archive: Archive,
    codec: Codec,
    place: Place,
    /// Compressed data, and what of them is not used yet.
    input: Vec<u8>,
    left: Range<usize>,
    /// The file has no more of them.
    ended: bool,
    used: u64,
    given: u64,
    max_ratio: u64,
    fault: Option<Fault>,
}

enum Codec {
    Gzip(Decompress),
    Zstd(Zstd<'static>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first member or frame, or after one.
    Between,
    /// In one.
    Within,
    /// After the last gzip member, in the zero bytes that fill up a tape's block.
    Padding,
}

impl Decompression {
    /// At the start of a file.
    ///
    /// # Errors
    /// Where the decoder can't be made.
    pub fn new(archive: Archive, max_ratio: u64) -> io::Result<Decompression> {
        Ok(Decompression {
            codec: match archive {
                Archive::Gzip => Codec::Gzip(Decompress::new_gzip(GZIP_WINDOW)),
                Archive::Zstd => Codec::Zstd(Zstd::new()?),
            },
            archive,
            place: Place::Between,
            input: vec![0; INPUT],
            left: 0..0,
            ended: false,
            used: 0,
            given: 0,
            max_ratio,
            fault: None,
        })
    }

    /// The next bytes of what was compressed; 0 at the end, which is the end of the file too.
    /// `raw` gives the next bytes of the file.
    ///
    /// # Errors
    /// What `raw` says, and nothing is lost then; or a [`Fault`], for good.
    pub fn read(
        &mut self,
        bytes: &mut [u8],
        raw: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        loop {
            let more = match self.place {
                Place::Between => self.look(raw)?,
                Place::Within => {
                    if self.left.is_empty() && !self.ended {
                        self.refill(raw)?;
                    }
                    let given = self.decompress(bytes)?;
                    if given > 0 {
                        return Ok(given);
                    }
                    true
                }
                Place::Padding => self.pass_padding(raw)?,
            };
            if !more {
                return Ok(0);
            }
        }
    }

    /// Whether something else than the end comes next; it is begun.
    fn look(&mut self, raw: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<bool> {
        let begins = loop {
            let rest = &self.input[self.left.clone()];
            if rest.is_empty() && self.ended {
                return Ok(false);
            }
            match self.archive.begins(rest) {
                Some(begins) => break begins,
                None if self.ended => return self.cut_short(),
                None => self.refill(raw)?,
            }
        };
        if begins {
            if let Codec::Gzip(gzip) = &mut self.codec {
                *gzip = Decompress::new_gzip(GZIP_WINDOW);
            }
            self.place = Place::Within;
        } else if self.archive == Archive::Gzip && self.input[self.left.start] == 0 {
            self.place = Place::Padding;
        } else {
            return self.fails(Fault::Trailing {
                format: self.archive.name(),
                at: self.used,
            });
        }
        Ok(true)
    }

    fn pass_padding(
        &mut self,
        raw: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<bool> {
        let rest = &self.input[self.left.clone()];
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        self.left.start += zeros;
        self.used += zeros as u64;
        if !self.left.is_empty() {
            return self.fails(Fault::Trailing {
                format: self.archive.name(),
                at: self.used,
            });
        }
        if !self.ended {
            self.refill(raw)?;
        }
        Ok(!self.ended)
    }

    /// Reads more compressed data behind what is left.
    fn refill(&mut self, raw: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<()> {
        self.input.copy_within(self.left.clone(), 0);
        self.left = 0..self.left.len();
        let read = raw(&mut self.input[self.left.end..])?;
        self.left.end += read;
        self.ended = read == 0;
        Ok(())
    }

    /// Takes one step in a member or frame, perhaps to its end.
    fn decompress(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let step = match self.codec.step(&self.input[self.left.clone()], bytes) {
            Ok(step) => step,
            Err(why) => return self.damaged(why),
        };
        self.left.start += step.used;
        self.used += step.used as u64;
        self.given += step.given as u64;
        if step.finished {
            self.place = Place::Between;
        } else if step.given == 0 && self.left.is_empty() && self.ended {
            return self.cut_short();
        } else if step.given == 0 && step.used == 0 && !self.left.is_empty() {
            return self.damaged("they lead nowhere".into());
        }
        if self.given > FREE && self.given / self.max_ratio > self.used {
            return self.fails(Fault::Ratio {
                format: self.archive.name(),
                compressed: self.used,
                text: self.given,
                max_ratio: self.max_ratio,
            });
        }
        Ok(step.given)
    }

    fn cut_short<T>(&mut self) -> io::Result<T> {
        self.fails(Fault::CutShort {
            format: self.archive.name(),
            at: self.used + self.left.len() as u64,
        })
    }

    fn damaged<T>(&mut self, why: String) -> io::Result<T> {
        if self.archive == Archive::Zstd && why == TOO_WIDE {
            return self.fails(Fault::Window);
        }
        self.fails(Fault::Damaged {
            format: self.archive.name(),
            at: self.used + self.left.len() as u64,
            why,
        })
    }

    fn fails<T>(&mut self, fault: Fault) -> io::Result<T> {
        self.fault = Some(fault.clone());
        Err(fault.into())
    }
}

struct Step {
    used: usize,
    given: usize,
    /// Whether the member or frame has ended.
    finished: bool,
}

impl Codec {
    fn step(&mut self, input: &[u8], bytes: &mut [u8]) -> Result<Step, String> {
        match self {
            Codec::Gzip(gzip) => {
                let (used, given) = (gzip.total_in(), gzip.total_out());
                let status = gzip
                    .decompress(input, bytes, FlushDecompress::None)
                    .map_err(|error| error.to_string())?;
                Ok(Step {
                    used: (gzip.total_in() - used) as usize,
                    given: (gzip.total_out() - given) as usize,
                    finished: status == Status::StreamEnd,
                })
            }
            Codec::Zstd(zstd) => {
                let step = zstd
                    .run_on_buffers(input, bytes)
                    .map_err(|error| error.to_string())?;
                Ok(Step {
                    used: step.bytes_read,
                    given: step.bytes_written,
                    finished: step.remaining == 0,
                })
            }
        }
    }
}
