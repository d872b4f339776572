//! Random tables, written by the parquet crate with random settings: inlaid reads the same elements from the file and
//! from its repacked copy, and the same other columns as the crate. (The Python tests do the same with files of
//! pyarrow and polars.)

use std::collections::BTreeSet;
use std::error::Error;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type,
};
use arrow_array::{
    ArrayRef, BooleanArray, FixedSizeListArray, Int64Array, LargeListArray, ListArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow_buffer::{Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{DataType, Field, Schema};
use inlaid::{Progress, RepackSpec, Table};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, Encoding};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterVersion};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

use crate::harness::Scratch;

const CASES: u64 = 400;

/// Chance, the same for a case whenever it runs.
struct Chance(ChaCha8Rng);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0.next_u32() as usize % end
    }

    fn flip(&mut self) -> bool {
        self.below(2) == 0
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }
}

/// How the lists of a column are nested.
#[derive(Clone, Copy, PartialEq)]
enum Lists {
    Fixed,
    Of32,
    Of64,
}

/// Tensors, and the ways in which they are written.
struct Case {
    chance: Chance,
    rows: usize,
    /// Elements of a tensor.
    length: usize,
    element: DataType,
    /// What was written, in the machine's byte order.
    bytes: Vec<u8>,
    lists: Lists,
    item: &'static str,
}

impl Case {
    fn new(seed: u64) -> Case {
        let mut chance = Chance(ChaCha8Rng::seed_from_u64(seed));
        let types = [
            (DataType::UInt8, 1),
            (DataType::UInt8, 1),
            (DataType::UInt8, 1),
            (DataType::UInt16, 2),
            (DataType::Float16, 2),
            (DataType::Float32, 4),
            (DataType::Int8, 1),
            (DataType::Int16, 2),
            (DataType::Int32, 4),
            (DataType::Int64, 8),
            (DataType::Float64, 8),
        ];
        let (element, size) = chance.pick(&types);
        let (rows, length) = (1 + chance.below(70), 1 + chance.below(60));
        // Few values make other encodings than many, and equal neighbours other runs.
        let (values, repeated) = (chance.pick(&[1, 2, 17, 256]), chance.pick(&[1, 1, 40]));
        let mut bytes = Vec::new();
        while bytes.len() < rows * length * size {
            let element: Vec<u8> = (0..size).map(|_| chance.below(values) as u8).collect();
            (0..1 + chance.below(repeated)).for_each(|_| bytes.extend_from_slice(&element));
        }
        bytes.truncate(rows * length * size);
        let lists = chance.pick(&[Lists::Fixed, Lists::Fixed, Lists::Of32, Lists::Of64]);
        let item = chance.pick(&["item", "element"]);
        Case { chance, rows, length, element, bytes, lists, item }
    }

    fn tensors(&mut self) -> ArrayRef {
        let values = match self.element {
            DataType::UInt8 => numbers::<UInt8Type>(&self.bytes),
            DataType::Int8 => numbers::<Int8Type>(&self.bytes),
            DataType::UInt16 => numbers::<UInt16Type>(&self.bytes),
            DataType::Int16 => numbers::<Int16Type>(&self.bytes),
            DataType::Int32 => numbers::<Int32Type>(&self.bytes),
            DataType::Int64 => numbers::<Int64Type>(&self.bytes),
            DataType::Float16 => numbers::<Float16Type>(&self.bytes),
            DataType::Float32 => numbers::<Float32Type>(&self.bytes),
            _ => numbers::<Float64Type>(&self.bytes),
        };
        let item = Arc::new(Field::new(self.item, self.element.clone(), self.chance.flip()));
        let lengths = std::iter::repeat_n(self.length, self.rows);
        match self.lists {
            Lists::Fixed => Arc::new(FixedSizeListArray::new(item, self.length as i32, values, None)),
            Lists::Of32 => Arc::new(ListArray::new(item, OffsetBuffer::from_lengths(lengths), values, None)),
            Lists::Of64 => Arc::new(LargeListArray::new(item, OffsetBuffer::from_lengths(lengths), values, None)),
        }
    }

    /// The tensors somewhere between other columns.
    fn table(&mut self) -> RecordBatch {
        let tensors = self.tensors();
        let numbers = Int64Array::from_iter((0..self.rows).map(|n| (n % 5 > 0).then_some(n as i64 - 9)));
        let texts = StringArray::from_iter((0..self.rows).map(|n| (n % 7 > 0).then(|| "x".repeat(n % 4))));
        let flags = BooleanArray::from_iter((0..self.rows).map(|n| Some(n % 3 == 0)));
        let mut columns: Vec<(&str, ArrayRef)> =
            vec![("number", Arc::new(numbers)), ("text", Arc::new(texts)), ("flag", Arc::new(flags))];
        columns.truncate(self.chance.below(4));
        columns.insert(self.chance.below(columns.len() + 1), ("t", tensors));
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, array)| Field::new(*name, array.data_type().clone(), *name != "t" || self.chance.flip()))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        RecordBatch::try_new(schema, columns.into_iter().map(|(_, array)| array).collect()).unwrap()
    }

    fn properties(&mut self) -> WriterProperties {
        let encodings: &[Encoding] = match self.element {
            DataType::Float16 => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT, Encoding::DELTA_BYTE_ARRAY],
            DataType::Float32 | DataType::Float64 => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT],
            _ => &[Encoding::PLAIN, Encoding::BYTE_STREAM_SPLIT, Encoding::DELTA_BINARY_PACKED],
        };
        let chance = &mut self.chance;
        let codecs = [
            Compression::UNCOMPRESSED,
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::LZ4_RAW,
            Compression::ZSTD(Default::default()),
            Compression::GZIP(Default::default()),
        ];
        let statistics = [EnabledStatistics::None, EnabledStatistics::Chunk, EnabledStatistics::Page];
        let column = || ["t", "list", self.item].map(str::to_owned).to_vec().into();
        WriterProperties::builder()
            .set_writer_version(chance.pick(&[WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0]))
            .set_compression(chance.pick(&codecs))
            .set_dictionary_enabled(chance.flip())
            .set_dictionary_page_size_limit(chance.pick(&[1, 100, 1 << 20]))
            .set_column_encoding(column(), chance.pick(encodings))
            .set_max_row_group_row_count(Some(chance.pick(&[1, 5, 8, 1000])))
            .set_data_page_size_limit(chance.pick(&[1, 60, 1 << 20]))
            .set_data_page_row_count_limit(chance.pick(&[1, 3, 20_000]))
            .set_write_batch_size(chance.pick(&[1, 7, 1024]))
            .set_statistics_enabled(chance.pick(&statistics))
            .set_write_page_header_statistics(chance.flip())
            .set_column_bloom_filter_enabled(column(), chance.flip())
            .set_offset_index_disabled(chance.flip())
            .build()
    }

    /// Asserts that a file holds the tensors, read by inlaid in several ways.
    fn is_read(&mut self, path: &Path) {
        let table = Table::open(path).unwrap();
        let row_bytes = self.bytes.len() / self.rows;
        assert_eq!((table.len(), table.tensor_column().unwrap().row_bytes()), (self.rows, row_bytes));
        assert_eq!(table.copy(&(0..self.rows).collect::<Vec<_>>()).unwrap().to_vec(), self.bytes);
        let rows: Vec<usize> = (0..10).map(|_| self.chance.below(self.rows)).collect();
        let tensor = |row: usize| &self.bytes[row * row_bytes..][..row_bytes];
        assert_eq!(
            table.copy(&rows).unwrap().to_vec(),
            rows.iter().flat_map(|row| tensor(*row).to_vec()).collect::<Vec<_>>()
        );
        for row in rows {
            assert_eq!(table.tensor(row).unwrap(), tensor(row));
        }
    }
}

fn numbers<T: ArrowPrimitiveType>(bytes: &[u8]) -> ArrayRef {
    Arc::new(PrimitiveArray::<T>::new(ScalarBuffer::from(Buffer::from(bytes)), None))
}

/// The rows of a file, as the parquet crate reads them.
fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap()
}

/// The encodings of the tensors of a file.
fn encodings(path: &Path) -> Vec<Encoding> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let groups = builder.metadata().row_groups().iter();
    let columns =
        groups.flat_map(|group| group.columns().iter().filter(|column| column.column_path().parts()[0] == "t"));
    columns.flat_map(ColumnChunkMetaData::encodings).collect()
}

#[test]
fn inlaid_reads_what_the_parquet_crate_wrote() {
    let scratch = Scratch::new();
    let (mut seen, mut repacked) = (BTreeSet::new(), 0);
    for seed in 0..CASES {
        let mut case = Case::new(seed);
        let (source, out) = (scratch.path().join(format!("{seed}.parquet")), scratch.path().join(format!("{seed}")));
        let table = case.table();
        let properties = case.properties();
        let mut writer =
            ArrowWriter::try_new(File::create(&source).unwrap(), table.schema(), Some(properties)).unwrap();
        writer.write(&table).unwrap();
        writer.close().unwrap();
        seen.extend(encodings(&source).iter().map(Encoding::to_string));
        // What fails is shown with its seed.
        println!("case {seed}");
        if case.lists == Lists::Fixed {
            case.is_read(&source);
        }

        let mut spec = RepackSpec::default();
        spec.column = Some("t".to_owned());
        spec.compression = case.chance.pick(&[inlaid::Compression::None, inlaid::Compression::Lz4]);
        spec.row_group_bytes = case.chance.pick(&["1", "300", "16MiB"]).parse().unwrap();
        let done = inlaid::repack(std::slice::from_ref(&source), &out, &spec, &Progress::default());
        if !matches!(case.element, DataType::UInt8 | DataType::UInt16 | DataType::Float16 | DataType::Float32) {
            let message = done.unwrap_err().source().unwrap().to_string();
            assert!(message.ends_with("only uint8, uint16, float16 and float32 can be repacked"), "{message}");
            continue;
        }
        done.unwrap();
        let written = out.join(format!("{seed}.parquet"));
        case.is_read(&written);
        let found = read(&written);
        assert_eq!(found.schema().fields().len(), table.num_columns());
        for (at, field) in table.schema().fields().iter().enumerate().filter(|(_, field)| field.name() != "t") {
            assert_eq!(found.column(at), table.column(at), "{}", field.name());
        }
        repacked += 1;
    }
    let all = ["BYTE_STREAM_SPLIT", "DELTA_BINARY_PACKED", "DELTA_BYTE_ARRAY", "PLAIN", "RLE", "RLE_DICTIONARY"];
    assert!(all.iter().all(|encoding| seen.contains(*encoding)), "{seen:?}");
    assert!(repacked > CASES / 3, "{repacked}");
}
