//! Tables of text: comma, tab, semicolon or bar between the fields. Types are those of all values of a column: `007` is a
//! text, and one text among numbers makes all of them texts.

use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{ArrayRef, ArrowPrimitiveType};
use arrow_cast::parse::Parser;
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::table::Column;
use crate::error::SourceError;
use crate::spec::{ColumnSpec, ColumnType};

/// Separators that are looked for in the first line, if it is not told by the name of the file.
const SEPARATORS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// A file without the mark of its byte order.
type Unmarked<R> = io::Chain<io::Cursor<Vec<u8>>, R>;

/// Reads a table. `open` opens it from its beginning, twice: types are found before values are kept. `types` are those
/// that are not guessed.
///
/// # Errors
/// If it can't be read, is not UTF-8, or has records of different lengths; if a value is not of its type.
pub(super) fn read<R: Read>(
    open: impl Fn() -> io::Result<R>,
    types: &[ColumnSpec],
) -> Result<Vec<Column>, SourceError> {
    let separator = separator(open().map_err(damaged)?).map_err(damaged)?;
    let reader = || -> Result<Reader<Unmarked<R>>, SourceError> {
        let file = without_mark(open().map_err(damaged)?).map_err(damaged)?;
        Ok(ReaderBuilder::new().delimiter(separator).from_reader(file))
    };
    let mut first = reader()?;
    let names: Vec<String> = first.headers().map_err(told)?.iter().map(str::to_owned).collect();
    let mut guesses = vec![Guess::default(); names.len()];
    let mut record = ByteRecord::new();
    while first.read_byte_record(&mut record).map_err(told)? {
        guesses.iter_mut().zip(&record).for_each(|(guess, value)| guess.add(value));
    }
    let asked = |name: &str| types.iter().find(|column| column.name == name).map(|column| column.kind);
    let kinds = names.iter().zip(&guesses).map(|(name, guess)| asked(name).unwrap_or(guess.kind()));
    let mut builders: Vec<Builder> = kinds.map(Builder::new).collect();
    let mut second = reader()?;
    second.headers().map_err(told)?;
    while second.read_byte_record(&mut record).map_err(told)? {
        let line = record.position().map_or(0, csv::Position::line);
        for ((builder, value), name) in builders.iter_mut().zip(&record).zip(&names) {
            if !builder.has_room(value) {
                return Err(SourceError::TooLong(name.clone()));
            }
            let value = std::str::from_utf8(value).map_err(|_| SourceError::NotUtf8(line))?;
            if builder.add(value).is_none() {
                let value = format!("`{value}` in line {line}");
                return Err(SourceError::Values { column: name.clone(), kind: builder.kind(), value });
            }
        }
    }
    Ok(names.into_iter().zip(builders).map(|(name, builder)| Column { name, values: builder.finish() }).collect())
}

/// What all values of a column are.
#[derive(Clone, Debug)]
struct Guess {
    is_int: bool,
    is_float: bool,
    is_bool: bool,
    is_time: bool,
    is_empty: bool,
}

impl Default for Guess {
    fn default() -> Guess {
        Guess { is_int: true, is_float: true, is_bool: true, is_time: true, is_empty: true }
    }
}

impl Guess {
    fn add(&mut self, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        self.is_empty = false;
        // Cheap for texts, which fail at once.
        if self.is_int || self.is_float {
            let text = std::str::from_utf8(value).unwrap_or("x");
            self.is_int = self.is_int && int(text).is_some();
            self.is_float = self.is_float && float(text).is_some();
        }
        if self.is_bool {
            self.is_bool = std::str::from_utf8(value).is_ok_and(|text| bool(text).is_some());
        }
        if self.is_time {
            self.is_time = std::str::from_utf8(value).is_ok_and(|text| time(text).is_some());
        }
    }

    fn kind(&self) -> ColumnType {
        match self {
            Guess { is_empty: true, .. } => ColumnType::String,
            Guess { is_bool: true, .. } => ColumnType::Bool,
            Guess { is_int: true, .. } => ColumnType::Int64,
            Guess { is_float: true, .. } => ColumnType::Float64,
            Guess { is_time: true, .. } => ColumnType::Timestamp,
            _ => ColumnType::String,
        }
    }
}

/// Values of a column. An empty value is null.
enum Builder {
    Int(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
    Text(StringBuilder),
}

impl Builder {
    fn new(kind: ColumnType) -> Builder {
        match kind {
            ColumnType::Int64 => Builder::Int(Int64Builder::new()),
            ColumnType::Float64 => Builder::Float(Float64Builder::new()),
            ColumnType::Bool => Builder::Bool(BooleanBuilder::new()),
            ColumnType::Timestamp => Builder::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
            _ => Builder::Text(StringBuilder::new()),
        }
    }

    fn kind(&self) -> ColumnType {
        match self {
            Builder::Int(_) => ColumnType::Int64,
            Builder::Float(_) => ColumnType::Float64,
            Builder::Bool(_) => ColumnType::Bool,
            Builder::Time(_) => ColumnType::Timestamp,
            Builder::Text(_) => ColumnType::String,
        }
    }

    /// Whether one array can hold this value, too.
    fn has_room(&self, value: &[u8]) -> bool {
        match self {
            Builder::Text(builder) => builder.values_slice().len() + value.len() <= i32::MAX as usize,
            _ => true,
        }
    }

    /// Adds a value; none if it is of another type.
    fn add(&mut self, value: &str) -> Option<()> {
        match self {
            Builder::Text(builder) => match value {
                "" => builder.append_null(),
                value => builder.append_value(value),
            },
            Builder::Int(builder) => builder.append_option(parsed(value, int)?),
            Builder::Float(builder) => builder.append_option(parsed(value, float)?),
            Builder::Bool(builder) => builder.append_option(parsed(value, bool)?),
            Builder::Time(builder) => builder.append_option(parsed(value, time)?),
        }
        Some(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Builder::Int(mut builder) => Arc::new(builder.finish()),
            Builder::Float(mut builder) => Arc::new(builder.finish()),
            Builder::Bool(mut builder) => Arc::new(builder.finish()),
            Builder::Time(mut builder) => Arc::new(builder.finish()),
            Builder::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}

/// The value of a text, which is null if it is empty; none if it is of another type.
fn parsed<T>(value: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    if value.is_empty() { Some(None) } else { parse(value).map(Some) }
}

/// A number as a program writes it: digits that begin with 0 are a code.
fn int(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_code = digits.len() > 1 && digits.starts_with('0') || !digits.starts_with(|c: char| c.is_ascii_digit());
    if is_code { None } else { text.parse().ok() }
}

fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text).as_bytes();
    match digits {
        [b'0', b'0'..=b'9', ..] => None,
        [b'0'..=b'9' | b'.', ..] => text.parse().ok(),
        b"nan" | b"NaN" | b"inf" => text.parse().ok(),
        _ => None,
    }
}

fn bool(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A date, or a date and a time, of ISO 8601; in UTC unless it says otherwise.
fn time(text: &str) -> Option<<TimestampMicrosecondType as ArrowPrimitiveType>::Native> {
    let bytes = text.as_bytes();
    let is_date = bytes.len() >= 10 && bytes[4] == b'-' && bytes[7] == b'-';
    if is_date { TimestampMicrosecondType::parse(text) } else { None }
}

/// The separator that the first line has most of.
fn separator(file: impl Read) -> io::Result<u8> {
    let mut head = Vec::new();
    file.take(1 << 16).read_to_end(&mut head)?;
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |separator: u8| line.iter().filter(|byte| **byte == separator).count();
    let most = SEPARATORS.into_iter().rev().max_by_key(|separator| count(*separator));
    Ok(most.unwrap_or(b','))
}

/// The file without the mark of its byte order that some programs begin it with.
fn without_mark<R: Read>(mut file: R) -> io::Result<Unmarked<R>> {
    let mut head = Vec::new();
    (&mut file).take(3).read_to_end(&mut head)?;
    if head == [0xEF, 0xBB, 0xBF] {
        head.clear();
    }
    Ok(io::Cursor::new(head).chain(file))
}

fn damaged(error: impl ToString) -> SourceError {
    SourceError::Damaged(error.to_string())
}

/// What the reader says of a record, in the words of a table.
fn told(error: csv::Error) -> SourceError {
    let line = |pos: &Option<csv::Position>| pos.as_ref().map_or(0, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            damaged(format!("line {} has {len} fields, the first one has {expected_len}", line(pos)))
        }
        csv::ErrorKind::Utf8 { pos, .. } => SourceError::NotUtf8(line(pos)),
        _ => damaged(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::cast::AsArray;
    use arrow_schema::DataType;

    use super::*;

    fn table(text: &str) -> Vec<Column> {
        read(|| Ok(text.as_bytes()), &[]).unwrap()
    }

    fn kinds(text: &str) -> Vec<DataType> {
        table(text).iter().map(|column| column.values.data_type().clone()).collect()
    }

    #[test]
    fn types_are_those_of_all_values() {
        use DataType::*;
        assert_eq!(kinds("a,b,c,d,e\n1,1.5,true,x,\n-2,3,False,7,\n"), [Int64, Float64, Boolean, Utf8, Utf8]);
        assert_eq!(kinds("a,b,c\n007,1e5,12345678901234567890\n8,.5,1\n"), [Utf8, Float64, Float64]);
        let time = Timestamp(arrow_schema::TimeUnit::Microsecond, Some("UTC".into()));
        assert_eq!(kinds("a,b\n2024-01-02,2024-01-02T03:04:05+01:00\n"), [time.clone(), time]);
    }

    #[test]
    fn separators_marks_and_quotes() {
        for separator in [",", "\t", ";", "|"] {
            let text = format!("\u{feff}name{separator}text\r\na.jpg{separator}\"x{separator}\"\"y\"\"\nz\"\r\n");
            let columns = table(&text);
            assert_eq!(columns[0].name, "name");
            assert_eq!(columns[1].values.as_string::<i32>().value(0), format!("x{separator}\"y\"\nz"));
        }
    }

    #[test]
    fn broken_tables_name_the_line() {
        let error = |text: &[u8]| read(|| Ok(text), &[]).unwrap_err().to_string();
        assert_eq!(error(b"a,b\n1,2\n3\n"), "it is damaged: line 3 has 1 fields, the first one has 2");
        assert_eq!(error(b"a,b\n1,\xff\n"), "line 2 is not UTF-8");
        assert_eq!(error(b"a,\xff\n1,2\n"), "line 1 is not UTF-8");
    }

    #[test]
    fn asked_types_are_not_guessed() {
        let types = [ColumnSpec::new("id", ColumnType::String), ColumnSpec::new("n", ColumnType::Int64)];
        let read = |text: &'static str| read(|| Ok(text.as_bytes()), &types);
        assert_eq!(read("id,n\n1,2\n").unwrap()[0].values.data_type(), &DataType::Utf8);
        assert_eq!(
            read("id,n\n1,2\n2,2.5\n").unwrap_err().to_string(),
            "column `n` has values that are not whole numbers: `2.5` in line 3"
        );
    }
}
