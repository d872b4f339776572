//! The members of a tar: headers are read one after another, and the bytes of files are left where they are, or kept.
//!
//! Where programs disagree, this follows GNU tar and Python: links and folders have no bytes, whatever their header
//! says; the archive ends at the first block of zeros.

use tar::Header;

use super::member::{Kind, Link, Refused, Table};
use super::name::Origin;
use super::pax::Pax;
use super::stop::Stop;
use super::stream::{BLOCK, Stream};
use crate::error::SourceError;

/// Greatest length of a long name or an extended header, in bytes. The greatest ones hold resource forks of macOS.
const LONGEST_HEADER: u64 = 16 << 20;

/// What was said in advance of the next member.
#[derive(Debug, Default)]
struct Ahead {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    pax: Option<Pax>,
}

/// Whether a block is the header of a member.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    let Ok(claimed) = Header::from_byte_slice(block).cksum() else { return false };
    let sum = |bytes: &[u8]| bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>();
    // The checksum counts itself as spaces.
    let unsigned = sum(block) - sum(&block[148..156]) + 8 * 32;
    if unsigned == claimed {
        return true;
    }
    // Some old programs added up signed bytes.
    let high = |bytes: &[u8]| bytes.iter().filter(|byte| **byte >= 0x80).count() as u32;
    unsigned.wrapping_sub(256 * (high(block) - high(&block[148..156]))) == claimed
}

/// Adds the members of a tar to the table. Returns whether the mark of its end is there.
pub(super) fn index(stream: &mut impl Stream, table: &mut Table) -> Result<bool, Stop> {
    let mut block = [0; BLOCK];
    let mut ahead = Ahead::default();
    loop {
        let place = stream.position();
        let read = stream.block(&mut block)?;
        if !matches!(read, 0 | BLOCK) {
            return Err(Stop::damaged("it ends in the middle of the header of a member"));
        }
        let is_end = read == BLOCK && block.iter().all(|byte| *byte == 0);
        if read == 0 || is_end {
            if ahead.name.is_some() || ahead.link.is_some() || ahead.pax.is_some() {
                return Err(Stop::damaged("it ends after the name of a member that is not there"));
            }
            if is_end {
                check_rest(stream, &mut block)?;
            }
            return Ok(is_end);
        }
        if !is_header(&block) {
            return Err(Stop::damaged(format!("there is no header of a member at byte {place}")));
        }
        match block[156] {
            b'L' => ahead.name = Some(long_name(stream, &block)?),
            b'K' => ahead.link = Some(long_name(stream, &block)?),
            b'x' | b'X' => {
                let header = body(stream, &block)?;
                let pax = Pax::parse(&header);
                let malformed = || Stop::damaged(format!("the extended header at byte {place} is malformed"));
                ahead.pax = Some(pax.ok_or_else(malformed)?);
            }
            // What is said about all members, such as a commit of Git.
            b'g' => drop(body(stream, &block)?),
            _ => member(stream, &mut block, std::mem::take(&mut ahead), table)?,
        }
    }
}

/// Adds a member to the table, and goes past its bytes.
fn member(stream: &mut impl Stream, block: &mut [u8; BLOCK], ahead: Ahead, table: &mut Table) -> Result<(), Stop> {
    let header = Header::from_byte_slice(&block[..]).clone();
    let own_name = header.path_bytes();
    let pax = ahead.pax.unwrap_or_default();
    let name = pax.path.as_deref().or(ahead.name.as_deref()).unwrap_or(&own_name);
    let link_target = || {
        let own = header.link_name_bytes();
        pax.link.as_deref().or(ahead.link.as_deref()).or(own.as_deref()).map(Box::<[u8]>::from).unwrap_or_default()
    };
    let origin = Origin::Unix;
    match block[156] {
        0 | b'0' | b'7' if !name.ends_with(b"/") => {
            let bytes = length_of(&header, &pax)?;
            if pax.is_sparse {
                table.push(name, origin, Kind::Refused(Refused::Sparse), 0, 0)?;
                return skip_body(stream, bytes).map_err(|stop| stop.within(name));
            }
            let place = stream.keep(name, bytes).map_err(|stop| stop.within(name))?;
            table.push(name, origin, Kind::File, place, bytes)?;
            skip_padding(stream, bytes).map_err(|stop| stop.within(name))
        }
        // Tars of old have no other sign of a folder than the end of its name.
        0 | b'0' | b'7' | b'5' => {
            table.push(name, origin, Kind::Folder, 0, 0)?;
            Ok(())
        }
        kind @ (b'1' | b'2') => {
            if let Some(member) = table.push(name, origin, Kind::Refused(Refused::Link), 0, 0)?
                && table.kind(member) == Kind::Refused(Refused::Link)
            {
                table.links.push(Link { member, is_hard: kind == b'1', target: link_target() });
            }
            Ok(())
        }
        b'3' | b'4' | b'6' => {
            table.push(name, origin, Kind::Refused(Refused::NotAFile), 0, 0)?;
            Ok(())
        }
        b'S' => {
            let bytes = length_of(&header, &pax)?;
            table.push(name, origin, Kind::Refused(Refused::Sparse), 0, 0)?;
            let mut continues = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
            while continues {
                stream.read(&mut block[..]).map_err(|stop| stop.within(name))?;
                continues = block[504] == 1;
            }
            skip_body(stream, bytes).map_err(|stop| stop.within(name))
        }
        // The label of a volume, and the list of a folder's files.
        b'V' | b'D' => skip_body(stream, length_of(&header, &pax)?).map_err(|stop| stop.within(name)),
        b'M' => Err(Stop::damaged("it begins with the rest of a file from another volume")),
        _ => {
            let bytes = length_of(&header, &pax)?;
            table.push(name, origin, Kind::Refused(Refused::NotAFile), 0, 0)?;
            skip_body(stream, bytes).map_err(|stop| stop.within(name))
        }
    }
}

/// Looks through what is behind the mark of the end: zeros fill up the last block of a tape.
fn check_rest(stream: &mut impl Stream, block: &mut [u8; BLOCK]) -> Result<(), Stop> {
    loop {
        match stream.block(block)? {
            BLOCK if block.iter().all(|byte| *byte == 0) => {}
            BLOCK if is_header(block) => return Err(SourceError::SeveralArchives.into()),
            _ => return Ok(()),
        }
    }
}

/// A name that was too long for a header; it ends with a zero.
fn long_name(stream: &mut impl Stream, block: &[u8; BLOCK]) -> Result<Vec<u8>, Stop> {
    let mut name = body(stream, block)?;
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    Ok(name)
}

/// The bytes behind the header of something that is no member.
fn body(stream: &mut impl Stream, block: &[u8; BLOCK]) -> Result<Vec<u8>, Stop> {
    let bytes = length_of(Header::from_byte_slice(block), &Pax::default())?;
    if bytes > LONGEST_HEADER {
        return Err(Stop::damaged(format!("the name or extended header of a member has {bytes} bytes")));
    }
    let mut body = Vec::new();
    let mut left = bytes as usize;
    // In steps, so that memory is taken for bytes that are there.
    while left > 0 {
        let start = body.len();
        body.resize(start + left.min(64 << 10), 0);
        stream.read(&mut body[start..])?;
        left -= body.len() - start;
    }
    skip_padding(stream, bytes)?;
    Ok(body)
}

fn length_of(header: &Header, pax: &Pax) -> Result<u64, Stop> {
    let bytes = match pax.bytes {
        Some(bytes) => bytes,
        None => header.entry_size().map_err(|error| Stop::damaged(error.to_string()))?,
    };
    // What does not fit in a file is no length, and sums of lengths stay far from overflowing.
    if bytes > i64::MAX as u64 { Err(Stop::damaged(format!("a member claims {bytes} bytes"))) } else { Ok(bytes) }
}

fn skip_body(stream: &mut impl Stream, bytes: u64) -> Result<(), Stop> {
    stream.skip(bytes)?;
    skip_padding(stream, bytes)
}

fn skip_padding(stream: &mut impl Stream, bytes: u64) -> Result<(), Stop> {
    stream.skip(bytes.wrapping_neg() % BLOCK as u64)
}
