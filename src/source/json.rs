//! Columns of JSON objects: one object is one row, and a column of each key gets the type that all of its values have.
//!
//! Values are kept as they will be stored, never as trees: a column begins with the type of its first value and is made
//! over when another does not fit. Whole numbers become floats beside floats; whatever else differs becomes text, which
//! objects and lists of lists are from the start.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder, StringBuilder};
use arrow_array::{Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, StringArray};
use arrow_buffer::{BooleanBufferBuilder, NullBufferBuilder, OffsetBuffer, bit_util};
use arrow_schema::Field;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// Greatest length of all texts of a column, in bytes, and number of items of its lists: what 32-bit offsets reach.
pub(super) const LONGEST_COLUMN: usize = i32::MAX as usize;

/// Most keys of all objects: each is a column.
const MOST_COLUMNS: usize = 10_000;

/// Most cells of all columns, most of them null, and how many more each byte of the objects allows: a small file with
/// many keys in its first row and many short rows must not take memory without bound.
const MOST_CELLS: usize = 1 << 26;
const CELLS_OF_BYTE: usize = 64;

/// Columns of JSON objects.
#[derive(Debug, Default)]
pub(super) struct JsonColumns {
    rows: usize,
    /// Length of all objects.
    bytes: usize,
    numbers: HashMap<Box<str>, usize>,
    /// In the order in which the keys first appear.
    columns: Vec<(Box<str>, Column)>,
}

/// The keys and values of an object in their order. If a key is repeated, the last value counts, as in Python.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries: Vec<(String, Value)> = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

impl JsonColumns {
    /// Adds a row: a JSON object, or nothing. On an error, no row is added.
    ///
    /// # Errors
    /// If it is no JSON object, a column is as long as it can be, or nearly all values of all columns are missing.
    pub(super) fn push(&mut self, row: Option<&[u8]>) -> Result<(), String> {
        let object = match row {
            Some(row) => serde_json::from_slice(row).map_err(|error| error.to_string())?,
            None => Object(Vec::new()),
        };
        let mut places = Vec::with_capacity(object.0.len());
        for (key, value) in object.0 {
            places.push((self.place(key)?, flat(value)));
        }
        let bytes = self.bytes.saturating_add(row.map_or(0, <[u8]>::len));
        let cells = self.columns.len().saturating_mul(self.rows + 1);
        if cells > bytes.saturating_mul(CELLS_OF_BYTE).saturating_add(MOST_CELLS) {
            let (rows, keys) = (self.rows + 1, self.columns.len());
            return Err(format!("{rows} rows have {keys} keys in all, and nearly all of their values are missing"));
        }
        // Stable, so that the last value of a repeated key is the last here.
        places.sort_by_key(|(place, _)| *place);
        let fits = |(place, value): &(usize, Value)| self.columns[*place].1.has_room(value);
        if let Some((place, _)) = places.iter().find(|entry| !fits(entry)) {
            return Err(format!("the values of `{}` are more than 2 GiB", self.columns[*place].0));
        }
        let mut places = places.into_iter().peekable();
        while let Some((place, value)) = places.next() {
            if places.peek().is_none_or(|(next, _)| *next != place) {
                self.columns[place].1.push(self.rows, value);
            }
        }
        self.rows += 1;
        self.bytes = bytes;
        Ok(())
    }

    /// The columns, as long as there were rows. Those of nothing but null are texts.
    pub(super) fn finish(self) -> Vec<(String, ArrayRef)> {
        let rows = self.rows;
        self.columns.into_iter().map(|(name, column)| (name.into_string(), column.finish(rows))).collect()
    }

    fn place(&mut self, key: String) -> Result<usize, String> {
        if let Some(place) = self.numbers.get(&*key) {
            return Ok(*place);
        }
        let place = self.columns.len();
        if place == MOST_COLUMNS {
            return Err(format!("its keys are more than the {MOST_COLUMNS} that can be columns"));
        }
        let key = key.into_boxed_str();
        self.columns.push((key.clone(), Column::default()));
        self.numbers.insert(key, place);
        Ok(place)
    }
}

/// A column while it grows. Rows at its end that are not there yet are null.
#[derive(Debug)]
enum Column {
    Values(Values),
    Lists(Lists),
}

impl Default for Column {
    fn default() -> Column {
        Column::Values(Values::Null(0))
    }
}

impl Column {
    /// Whether a value fits, even if all values become texts for it.
    fn has_room(&self, value: &Value) -> bool {
        let (items, rows) = match self {
            Column::Values(values) => (values, 0),
            Column::Lists(lists) => (&lists.items, lists.offsets.len()),
        };
        let (more, bytes) = match value {
            Value::Array(items) => (items.len(), items.iter().map(text_length).sum()),
            value => (1, text_length(value)),
        };
        let becomes_text = match (self, value) {
            (Column::Lists(_), Value::Array(more)) => more.iter().any(|item| !items.takes(item)),
            (Column::Lists(_), _) => true,
            (Column::Values(_), Value::Array(_)) => !matches!(items, Values::Null(_)),
            (Column::Values(values), value) => !values.takes(value),
        };
        let now = match items {
            Values::Text(texts) if !becomes_text => texts.values_slice().len(),
            // In quotes, with every letter escaped.
            Values::Text(texts) => 6 * texts.values_slice().len() + 3 * items.len() + 2 * rows,
            _ if becomes_text => 28 * items.len() + 2 * rows,
            _ => 0,
        };
        items.len() + more <= LONGEST_COLUMN && now + bytes <= LONGEST_COLUMN
    }

    /// Adds the value of a row.
    fn push(&mut self, row: usize, value: Value) {
        if value.is_null() {
            return;
        }
        *self = match (std::mem::take(self), value) {
            (Column::Lists(mut lists), Value::Array(items)) => {
                lists.push(row, items);
                Column::Lists(lists)
            }
            (Column::Values(Values::Null(_)), Value::Array(items)) => {
                let mut lists = Lists::default();
                lists.push(row, items);
                Column::Lists(lists)
            }
            (Column::Lists(lists), value) => Column::Values(lists.into_texts().with(row, value)),
            (Column::Values(values), value) => Column::Values(values.with(row, value)),
        };
    }

    fn finish(self, rows: usize) -> ArrayRef {
        match self {
            Column::Values(mut values) => {
                values.pad(rows);
                values.finish()
            }
            Column::Lists(lists) => lists.finish(rows),
        }
    }
}

/// A value as it is stored: lists of lists and objects are texts.
fn flat(value: Value) -> Value {
    let is_flat = |item: &Value| !item.is_array() && !item.is_object();
    match value {
        Value::Object(_) => Value::String(value.to_string()),
        Value::Array(ref items) if !items.iter().all(is_flat) => Value::String(value.to_string()),
        value => value,
    }
}

/// Greatest length of a value as a text.
fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        _ => 25,
    }
}

/// Values of one type.
#[derive(Debug)]
enum Values {
    /// So many nulls, of any type.
    Null(usize),
    Bool(Cells<bool>),
    Int(Cells<i64>),
    /// With what was a whole number.
    Float(Cells<f64>, BooleanBufferBuilder),
    Text(StringBuilder),
}

/// Values with nulls between them.
#[derive(Debug)]
struct Cells<T> {
    values: Vec<T>,
    valid: NullBufferBuilder,
}

impl<T: Copy + Default> Cells<T> {
    fn nulls(count: usize) -> Cells<T> {
        let mut cells = Cells { values: Vec::new(), valid: NullBufferBuilder::new(0) };
        cells.pad(count);
        cells
    }

    fn pad(&mut self, count: usize) {
        self.valid.append_n_nulls(count);
        self.values.resize(self.values.len() + count, T::default());
    }

    fn push(&mut self, value: T) {
        self.valid.append_non_null();
        self.values.push(value);
    }

    fn get(&self, place: usize) -> Option<T> {
        self.valid.is_valid(place).then(|| self.values[place])
    }
}

impl Values {
    fn len(&self) -> usize {
        match self {
            Values::Null(count) => *count,
            Values::Bool(cells) => cells.values.len(),
            Values::Int(cells) => cells.values.len(),
            Values::Float(cells, _) => cells.values.len(),
            Values::Text(texts) => ArrayBuilder::len(texts),
        }
    }

    /// Whether the values stay what they are beside this one, or become numbers.
    fn takes(&self, value: &Value) -> bool {
        matches!(
            (self, value),
            (_, Value::Null)
                | (Values::Null(_) | Values::Text(_), _)
                | (Values::Bool(_), Value::Bool(_))
                | (Values::Int(_) | Values::Float(..), Value::Number(_))
        )
    }

    /// Adds nulls up to this length.
    fn pad(&mut self, length: usize) {
        let count = length.saturating_sub(self.len());
        match self {
            Values::Null(nulls) => *nulls += count,
            Values::Bool(cells) => cells.pad(count),
            Values::Int(cells) => cells.pad(count),
            Values::Float(cells, whole) => {
                cells.pad(count);
                whole.append_n(count, false);
            }
            Values::Text(texts) => texts.append_nulls(count),
        }
    }

    /// The values with another one in this row, of the type that takes all.
    fn with(mut self, row: usize, value: Value) -> Values {
        self.pad(row);
        match (&mut self, value) {
            (_, Value::Null) => self.pad(row + 1),
            (Values::Null(count), value) => {
                let count = *count;
                let empty = match &value {
                    Value::Bool(_) => Values::Bool(Cells::nulls(count)),
                    Value::Number(number) if number.is_i64() => Values::Int(Cells::nulls(count)),
                    Value::Number(_) => Values::Float(Cells::nulls(count), whole(count)),
                    _ => {
                        let mut texts = StringBuilder::new();
                        texts.append_nulls(count);
                        Values::Text(texts)
                    }
                };
                return empty.with(row, value);
            }
            (Values::Bool(cells), Value::Bool(value)) => cells.push(value),
            (Values::Int(cells), Value::Number(number)) => match number.as_i64() {
                Some(number) => cells.push(number),
                None => return self.into_floats().with(row, Value::Number(number)),
            },
            (Values::Float(cells, whole), Value::Number(number)) => {
                cells.push(number.as_f64().unwrap_or(f64::NAN));
                whole.append(!number.is_f64());
            }
            (Values::Text(texts), Value::String(text)) => texts.append_value(text),
            (Values::Text(texts), value) => texts.append_value(value.to_string()),
            (_, value) => return self.into_texts().with(row, value),
        }
        self
    }

    /// Whole numbers as floats.
    fn into_floats(self) -> Values {
        let Values::Int(cells) = self else { return self };
        let mut is_whole = BooleanBufferBuilder::new(cells.values.len());
        is_whole.append_n(cells.values.len(), true);
        let values = cells.values.into_iter().map(|number| number as f64).collect();
        Values::Float(Cells { values, valid: cells.valid }, is_whole)
    }

    /// Values as their JSON texts.
    fn into_texts(self) -> Values {
        let mut texts = StringBuilder::with_capacity(self.len(), 8 * self.len());
        (0..self.len()).for_each(|place| texts.append_option(self.text(place)));
        Values::Text(texts)
    }

    /// The text of a value; none if it is null.
    fn text(&self, place: usize) -> Option<String> {
        match self {
            Values::Null(_) => None,
            Values::Bool(cells) => cells.get(place).map(|value| value.to_string()),
            Values::Int(cells) => cells.get(place).map(|value| value.to_string()),
            Values::Float(cells, whole) => cells.get(place).map(|value| match whole.get_bit(place) {
                true => format!("{value:.0}"),
                false => Value::from(value).to_string(),
            }),
            Values::Text(texts) => {
                let is_valid = texts.validity_slice().is_none_or(|bits| bit_util::get_bit(bits, place));
                let (start, end) = (texts.offsets_slice()[place], texts.offsets_slice()[place + 1]);
                let bytes = &texts.values_slice()[start as usize..end as usize];
                is_valid.then(|| String::from_utf8_lossy(bytes).into_owned())
            }
        }
    }

    fn finish(self) -> ArrayRef {
        match self {
            Values::Null(count) => Arc::new(StringArray::new_null(count)),
            Values::Bool(mut cells) => Arc::new(BooleanArray::new(cells.values.into(), cells.valid.finish())),
            Values::Int(mut cells) => Arc::new(Int64Array::new(cells.values.into(), cells.valid.finish())),
            Values::Float(mut cells, _) => Arc::new(Float64Array::new(cells.values.into(), cells.valid.finish())),
            Values::Text(mut texts) => Arc::new(texts.finish()),
        }
    }
}

/// No whole numbers.
fn whole(count: usize) -> BooleanBufferBuilder {
    let mut whole = BooleanBufferBuilder::new(count);
    whole.append_n(count, false);
    whole
}

/// Lists of values of one type.
#[derive(Debug)]
struct Lists {
    /// Ends of the lists in the items, after a 0.
    offsets: Vec<i32>,
    valid: NullBufferBuilder,
    items: Values,
}

impl Default for Lists {
    fn default() -> Lists {
        Lists { offsets: vec![0], valid: NullBufferBuilder::new(0), items: Values::Null(0) }
    }
}

impl Lists {
    fn pad(&mut self, rows: usize) {
        let count = (rows + 1).saturating_sub(self.offsets.len());
        self.valid.append_n_nulls(count);
        self.offsets.resize(self.offsets.len() + count, self.items.len() as i32);
    }

    /// Adds the list of a row.
    fn push(&mut self, row: usize, items: Vec<Value>) {
        self.pad(row);
        for item in items {
            let place = self.items.len();
            self.items = std::mem::replace(&mut self.items, Values::Null(0)).with(place, item);
        }
        self.valid.append_non_null();
        self.offsets.push(self.items.len() as i32);
    }

    /// Lists as their JSON texts.
    fn into_texts(self) -> Values {
        let mut texts = StringBuilder::new();
        for (row, ends) in self.offsets.windows(2).enumerate() {
            if !self.valid.is_valid(row) {
                texts.append_null();
                continue;
            }
            let items = (ends[0] as usize..ends[1] as usize).map(|place| match (&self.items, self.items.text(place)) {
                (_, None) => "null".to_owned(),
                (Values::Text(_), Some(text)) => Value::String(text).to_string(),
                (_, Some(text)) => text,
            });
            texts.append_value(format!("[{}]", items.collect::<Vec<_>>().join(",")));
        }
        Values::Text(texts)
    }

    fn finish(mut self, rows: usize) -> ArrayRef {
        self.pad(rows);
        let items = self.items.finish();
        let field = Arc::new(Field::new("item", items.data_type().clone(), true));
        // Offsets rise, and end with the items.
        let offsets = OffsetBuffer::new(self.offsets.into());
        Arc::new(ListArray::new(field, offsets, items, self.valid.finish()))
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::{Float64Type, Int64Type};
    use arrow_schema::DataType;

    use super::*;

    fn columns(rows: &[&str]) -> Vec<(String, ArrayRef)> {
        let mut columns = JsonColumns::default();
        for row in rows {
            columns.push(Some(row.as_bytes()).filter(|row| !row.is_empty())).unwrap();
        }
        columns.finish()
    }

    fn texts(values: &ArrayRef) -> Vec<Option<&str>> {
        values.as_string::<i32>().iter().collect()
    }

    #[test]
    fn types_are_those_of_all_rows() {
        let columns = columns(&[
            r#"{"z": 1, "a": 1, "flag": true, "text": "007", "mixed": 1}"#,
            "",
            r#"{"a": 2.5, "z": -3, "mixed": 0.5, "late": null}"#,
            r#"{"mixed": "x", "flag": null, "late": 18446744073709551615}"#,
        ]);
        let names: Vec<&str> = columns.iter().map(|(name, _)| &**name).collect();
        assert_eq!(names, ["z", "a", "flag", "text", "mixed", "late"]);
        assert!(columns.iter().all(|(_, values)| values.len() == 4));
        let ints: Vec<_> = columns[0].1.as_primitive::<Int64Type>().iter().collect();
        assert_eq!(ints, [Some(1), None, Some(-3), None]);
        let floats: Vec<_> = columns[1].1.as_primitive::<Float64Type>().iter().collect();
        assert_eq!(floats, [Some(1.0), None, Some(2.5), None]);
        let flags: Vec<_> = columns[2].1.as_boolean().iter().collect();
        assert_eq!(flags, [Some(true), None, None, None]);
        assert_eq!(texts(&columns[3].1), [Some("007"), None, None, None]);
        assert_eq!(texts(&columns[4].1), [Some("1"), None, Some("0.5"), Some("x")]);
        assert_eq!(columns[5].1.as_primitive::<Float64Type>().value(3), 18446744073709551615.0);
    }

    #[test]
    fn lists_keep_their_items() {
        let columns = columns(&[
            r#"{"ints": [1, 2], "floats": [1], "words": ["a", null], "mixed": [1, "a"], "empty": [], "changed": [1]}"#,
            "{}",
            r#"{"ints": [], "floats": [0.5], "changed": {"b": 1, "a": [2]}, "nested": [[1], [2]]}"#,
        ]);
        let list = |place: usize| columns[place].1.as_list::<i32>();
        assert_eq!(list(0).value(0).as_primitive::<Int64Type>().values(), &[1, 2]);
        assert_eq!((list(0).is_null(1), list(0).value_length(2)), (true, 0));
        assert_eq!(list(1).value(0).as_primitive::<Float64Type>().values(), &[1.0]);
        assert_eq!(texts(&list(2).value(0)), [Some("a"), None]);
        assert_eq!(texts(&list(3).value(0)), [Some("1"), Some("a")]);
        assert_eq!(*list(4).values().data_type(), DataType::Utf8);
        assert_eq!(texts(&columns[5].1), [Some("[1]"), None, Some(r#"{"a":[2],"b":1}"#)]);
        assert_eq!(texts(&columns[6].1), [None, None, Some("[[1],[2]]")]);
    }

    #[test]
    fn values_that_change_become_texts() {
        let columns =
            columns(&[r#"{"a": [0.5, "x\"y"], "b": true}"#, r#"{"a": 3, "b": {"c": null}}"#, r#"{"b": [1]}"#]);
        assert_eq!(texts(&columns[0].1), [Some(r#"["0.5","x\"y"]"#), Some("3"), None]);
        assert_eq!(texts(&columns[1].1), [Some("true"), Some(r#"{"c":null}"#), Some("[1]")]);
    }

    #[test]
    fn last_value_of_a_repeated_key_counts() {
        let columns = columns(&[r#"{"a": 1, "b": 2, "a": 3}"#]);
        assert_eq!(columns.len(), 2);
        assert_eq!(columns[0].1.as_primitive::<Int64Type>().value(0), 3);
    }

    #[test]
    fn what_is_no_object_is_an_error_and_no_row() {
        let mut columns = JsonColumns::default();
        columns.push(Some(br#"{"a": 1}"#)).unwrap();
        for row in ["", "[1]", "3", r#"{"a": 1"#, r#"{"a": NaN}"#, "{} {}", "{\"a\": \"\u{0}\"}"] {
            assert!(columns.push(Some(row.as_bytes())).is_err(), "{row}");
        }
        columns.push(Some(br#"{"a": 2}"#)).unwrap();
        let columns = columns.finish();
        assert_eq!(columns[0].1.as_primitive::<Int64Type>().values(), &[1, 2]);
    }

    #[test]
    fn columns_of_hardly_any_values_are_refused() {
        let keys: Vec<String> = (0..9000).map(|number| format!("\"{number}\":1")).collect();
        let mut columns = JsonColumns::default();
        columns.push(Some(format!("{{{}}}", keys.join(",")).as_bytes())).unwrap();
        let refused = (0..100_000).find_map(|_| columns.push(Some(b"{}")).err());
        assert_eq!(refused.unwrap(), "8141 rows have 9000 keys in all, and nearly all of their values are missing");
    }
}
