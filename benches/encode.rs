//! The tensor column encoder against parquet's `ArrowWriter` and against memcpy, on the same rows:
//! 224x224x3 tensors of 8 bits, a row group of 104 rows (15.7 MB).
//!
//! `cargo bench --bench encode`; criterion prints the bytes per second of each.

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{FixedSizeListArray, RecordBatch, UInt8Array};
use arrow_schema::{DataType, Field, Schema};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use inlaid::{Compression, Spec, Storage};
use inlaid_format::format::page::{Page, PageLayout};
use inlaid_format::format::tensor::TensorShape;
use parquet::arrow::ArrowWriter;
use parquet::basic;
use parquet::file::properties::WriterProperties;
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};

const ROWS: usize = 104;
const ROWS_OF_A_PAGE: usize = 8;

fn encode(c: &mut Criterion) {
    let spec = Spec::new("224".parse().expect("it is a size"));
    let shape = TensorShape::new(&spec).expect("it is small").expect("tensors have a size");
    let mut pixels = vec![0; ROWS * shape.bytes()];
    ChaCha8Rng::seed_from_u64(0).fill_bytes(&mut pixels);

    let mut group = c.benchmark_group("encode a row group of tensors");
    group.throughput(Throughput::Bytes(pixels.len() as u64)).sample_size(20);

    // Copies every tensor into its page, as the resizer writes it there, and completes the pages.
    let layout = PageLayout::new(&shape, Storage::Tensor, Compression::None, ROWS_OF_A_PAGE);
    let mut buffers: Vec<Vec<u8>> = Vec::new();
    group.bench_function("inlaid, verbatim pages", |b| {
        b.iter(|| {
            let pages: Vec<Page> = pixels
                .chunks(ROWS_OF_A_PAGE * shape.bytes())
                .map(|rows| {
                    let mut page = layout.buffer(buffers.pop().unwrap_or_default());
                    for row in rows.chunks(shape.bytes()) {
                        page.slot().copy_from_slice(row);
                        page.keep();
                    }
                    page.finish()
                })
                .collect();
            buffers.extend(black_box(pages).into_iter().map(Page::into_buffer));
        });
    });

    let mut copy = vec![0; pixels.len()];
    group.bench_function("memcpy", |b| b.iter(|| black_box(&mut copy[..]).copy_from_slice(black_box(&pixels))));

    let item = Arc::new(Field::new("item", DataType::UInt8, true));
    let length = shape.elements() as i32;
    let list = FixedSizeListArray::new(item.clone(), length, Arc::new(UInt8Array::from(pixels.clone())), None);
    let field = Field::new("image", DataType::FixedSizeList(item, length), false);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(list)]).expect("the column fits the schema");
    let mut file = Vec::with_capacity(5 * pixels.len());
    group.bench_function("parquet ArrowWriter", |b| {
        b.iter(|| {
            file.clear();
            let properties = WriterProperties::builder().set_compression(basic::Compression::UNCOMPRESSED).build();
            let mut writer =
                ArrowWriter::try_new(&mut file, schema.clone(), Some(properties)).expect("the schema is fine");
            writer.write(&batch).expect("memory takes it");
            writer.close().expect("memory takes it");
        });
    });
    group.finish();
}

criterion_group!(benches, encode);
criterion_main!(benches);
