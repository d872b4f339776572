//! The members of a zip: listed from its central directory, and read from where that says.

use std::io::{self, BufReader, Read};

use flate2::bufread::DeflateDecoder;
use zip::read::Config;
use zip::unstable::read::ZipIterable;
use zip::{CompressionMethod, System};

use super::member::{Entry, Kind, Link, Packed, Refused, Table};
use super::name::Origin;
use super::read_exactly;
use super::stop::Stop;
use super::window::Window;
use crate::error::{RecordError, StoreError};
use crate::format::ranges::Stored;

/// Length of a local header without its name and extra fields.
const LOCAL_HEADER: u64 = 30;

/// First bytes of a local header.
const LOCAL_MAGIC: [u8; 4] = *b"PK\x03\x04";

/// First bytes of an entry of the directory.
const CENTRAL_MAGIC: [u8; 4] = *b"PK\x01\x02";

/// Bit of the flags that says that a name is UTF-8.
const IS_UTF8: u16 = 1 << 11;

/// Most bytes that a packed one can become: Deflate copies at most 258 bytes by two bits.
const MOST_DEFLATED: u64 = 1032;

/// Greatest length of the target of a symbolic link, in bytes.
const LONGEST_TARGET: u64 = 4096;

/// Type of a file in its Unix mode, and the types.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const SYMBOLIC_LINK: u32 = 0o120_000;

/// Adds the members of a zip to the table.
pub(super) fn index(file: &Stored, table: &mut Table) -> Result<(), Stop> {
    let mut archive = ZipIterable::try_new(Window::new(file), Config::default())?;
    let (mut links, mut last) = (Vec::new(), None);
    for entry in archive.files()? {
        let entry = entry?;
        last = Some(entry.central_header_start());
        let origin = if entry.system() == System::Dos { Origin::Dos } else { Origin::Unix };
        let file_type = match (entry.system(), entry.unix_mode().unwrap_or(0) & TYPE) {
            (System::Unix | System::OsDarwin, file_type) => file_type,
            _ => 0,
        };
        let is_deflated = entry.compression() == CompressionMethod::Deflated;
        let kind = if entry.is_dir() {
            Kind::Folder
        } else if entry.encrypted() {
            Kind::Refused(Refused::Encrypted)
        } else if !is_deflated && entry.compression() != CompressionMethod::Stored {
            Kind::Refused(Refused::Method(method_number(entry.compression())))
        } else {
            match file_type {
                0 | REGULAR | SYMBOLIC_LINK => Kind::File,
                _ => Kind::Refused(Refused::NotAFile),
            }
        };
        // Names without a flag are in code page 437, but programs write UTF-8 all the same.
        let raw = entry.name_raw();
        let number = if str::from_utf8(raw).is_err() && entry.flags().as_u16() & IS_UTF8 == 0 {
            table.push(entry.name()?.as_bytes(), origin, kind, entry.header_start(), entry.size())?
        } else {
            table.push(raw, origin, kind, entry.header_start(), entry.size())?
        };
        let Some(number) = number else { continue };
        table.push_packed(Packed { bytes: entry.compressed_size(), crc: entry.crc32(), is_deflated });
        if file_type == SYMBOLIC_LINK && table.kind(number) == Kind::File {
            links.push(number);
        }
    }
    if let Some(last) = last {
        check_end(file, last)?;
    }
    refuse_overlaps(file.len(), table);
    for member in links {
        let target = target_of(file, table, member);
        if table.kind(member) == Kind::File {
            table.refuse(member, Refused::Link);
            table.links.extend(target.map(|target| Link { member, is_hard: false, target }));
        }
    }
    Ok(())
}

/// Checks that nothing follows the last entry of the directory. Some programs count files in 16 bits, and pack more.
fn check_end(file: &Stored, last: u64) -> Result<(), Stop> {
    let mut header = [0; 46];
    file.read_at(last, &mut header)?;
    let length = |at: usize| u64::from(u16::from_le_bytes([header[at], header[at + 1]]));
    let mut next = [0; 4];
    let read = file.read_up_to(last + 46 + length(28) + length(30) + length(32), &mut next)?;
    match next == CENTRAL_MAGIC && read == next.len() {
        true => Err(Stop::damaged("it holds more files than its directory counts: unpack it, and pack it anew")),
        false => Ok(()),
    }
}

#[expect(deprecated, reason = "the only way to ask an unknown method for its number that matches a known one too")]
fn method_number(method: CompressionMethod) -> u16 {
    method.to_u16()
}

/// Refuses members that reach into the next one, or past the end: nothing but a bomb has such.
fn refuse_overlaps(length: u64, table: &mut Table) {
    let mut places: Vec<(u64, u32)> = Vec::new();
    for number in 0..table.len() {
        if let Some(entry) = table.entry(number).filter(|entry| entry.kind == Kind::File) {
            places.push((entry.offset, number));
        }
    }
    places.sort_unstable();
    let mut next = length;
    for (place, number) in places.into_iter().rev() {
        let packed = table.packed(number).map_or(0, |packed| packed.bytes);
        let end = place.checked_add(LOCAL_HEADER).and_then(|start| start.checked_add(packed));
        if end.is_none_or(|end| end > next) {
            table.refuse(number, Refused::Overlap);
        }
        next = place.min(next);
    }
}

/// The target of a symbolic link, which is what its bytes say.
fn target_of(file: &Stored, table: &Table, member: u32) -> Option<Box<[u8]>> {
    let (entry, packed) = (table.entry(member)?, table.packed(member)?);
    let mut target = Vec::new();
    read(file, (entry.offset, entry.bytes), packed, LONGEST_TARGET, &mut target).ok()?;
    Some(target.into_boxed_slice())
}

/// Where a member ends in the archive, unless its local header is longer than usual.
pub(super) fn likely_end(entry: &Entry, packed: Packed, name: &str) -> u64 {
    /// Bytes of the fields behind a name: times, numbers of users, and lengths of 64 bits.
    const EXTRA: u64 = 128;
    let before = LOCAL_HEADER + name.len() as u64 + EXTRA;
    entry.offset.saturating_add(before).saturating_add(packed.bytes)
}

/// Appends the bytes of a member, with this offset and length, to the buffer, at most `limit`.
pub(super) fn read(
    file: &Stored,
    (offset, bytes): (u64, u64),
    packed: Packed,
    limit: u64,
    buffer: &mut Vec<u8>,
) -> Result<(), RecordError> {
    if bytes > limit {
        return Err(RecordError::FileTooLarge { bytes, limit });
    }
    let start = start_of(file, offset, packed.bytes)?;
    let from = buffer.len();
    match packed.is_deflated {
        false if packed.bytes != bytes => {
            return Err(damaged(format!("{} bytes are stored of the {bytes} it claims", packed.bytes)));
        }
        false => {
            read_exactly(file, start, bytes, buffer).map_err(unreadable)?;
        }
        true => {
            if bytes > packed.bytes.saturating_mul(MOST_DEFLATED) {
                return Err(damaged(format!("{} bytes can't unpack to the {bytes} it claims", packed.bytes)));
            }
            let stored = BufReader::with_capacity(64 << 10, Bytes { file, place: start, end: start + packed.bytes });
            buffer.reserve_exact(bytes as usize + 1);
            let unpacked = DeflateDecoder::new(stored).take(bytes + 1).read_to_end(buffer);
            unpacked.map_err(|error| {
                match (error.raw_os_error(), error.get_ref().is_some_and(|cause| cause.is::<StoreError>())) {
                    (Some(_), _) | (_, true) => RecordError::unread(error),
                    (None, false) => damaged(format!("it can't be unpacked: {error}")),
                }
            })?;
            match (buffer.len() - from) as u64 {
                unpacked if unpacked == bytes => {}
                unpacked if unpacked > bytes => {
                    return Err(damaged(format!("it unpacks to more than the {bytes} bytes it claims")));
                }
                unpacked => return Err(damaged(format!("it unpacks to {unpacked} bytes of the {bytes} it claims"))),
            }
        }
    }
    match crc32fast::hash(&buffer[from..]) == packed.crc {
        true => Ok(()),
        false => Err(damaged("its checksum does not match".to_owned())),
    }
}

/// First byte of a member behind its local header, if it lies in the file.
fn start_of(file: &Stored, header: u64, bytes: u64) -> Result<u64, RecordError> {
    let mut local = [0; LOCAL_HEADER as usize];
    file.read_at(header, &mut local).map_err(unreadable)?;
    if local[..4] != LOCAL_MAGIC {
        return Err(damaged("it is not where the directory of the archive says".to_owned()));
    }
    let lengths = [[local[26], local[27]], [local[28], local[29]]];
    let lengths: u64 = lengths.into_iter().map(|bytes| u64::from(u16::from_le_bytes(bytes))).sum();
    let start = header.checked_add(LOCAL_HEADER + lengths);
    let start = start.filter(|start| start.checked_add(bytes).is_some_and(|end| end <= file.len()));
    start.ok_or_else(|| damaged("the archive ends before it does".to_owned()))
}

fn damaged(reason: String) -> RecordError {
    RecordError::DamagedMember(reason)
}

fn unreadable(error: io::Error) -> RecordError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged("the archive ends before it does".to_owned()),
        _ => RecordError::unread(error),
    }
}

/// The stored bytes of a member.
struct Bytes<'a> {
    file: &'a Stored,
    place: u64,
    end: u64,
}

impl Read for Bytes<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let step = (self.end - self.place).min(into.len() as u64) as usize;
        let read = self.file.read_up_to(self.place, &mut into[..step])?;
        self.place += read as u64;
        Ok(read)
    }
}
