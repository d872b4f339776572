//! The physical layout of a Parquet shard, as literals.

use std::fs::File;

use parquet::basic::{Compression, Encoding, PageType};
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::harness::Scratch;

fn metadata(s: &Scratch, file: &str) -> ParquetMetaData {
    let file = File::open(s.path().join(file)).unwrap();
    ParquetMetaDataReader::new().with_page_index_policy(PageIndexPolicy::Required).parse_and_finish(&file).unwrap()
}

/// 20 tensors of 1x3x1 in row groups of 8.
fn source() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/cat"], 20);
    s.convert("src --out out --size 1x3 --channels gray --split train=1 --row-group-bytes 24").exits(0);
    s
}

const SHARD: &str = "out/train/train-00000.parquet";

#[test]
fn schema_is_that_of_plain_parquet() {
    let s = source();
    let metadata = metadata(&s, SHARD);
    let mut text = Vec::new();
    parquet::schema::printer::print_schema(&mut text, metadata.file_metadata().schema());
    assert_eq!(
        String::from_utf8(text).unwrap(),
        "message schema {
  REQUIRED group image (LIST) {
    REPEATED group list {
      OPTIONAL INT32 item (INTEGER(8,false));
    }
  }
  OPTIONAL INT64 label;
  REQUIRED BYTE_ARRAY path (STRING);
  REQUIRED INT32 source_height;
  REQUIRED INT32 source_width;
  REQUIRED BYTE_ARRAY sha256 (STRING);
}
"
    );
}

#[test]
fn row_groups_and_pages_hold_whole_rows() {
    let s = source();
    let metadata = metadata(&s, SHARD);
    let rows: Vec<_> = metadata.row_groups().iter().map(|group| group.num_rows()).collect();
    assert_eq!(rows, [8, 8, 4]);
    let tensors = metadata.row_group(0).column(0);
    assert_eq!(tensors.compression(), Compression::UNCOMPRESSED);
    assert_eq!(tensors.encodings().collect::<Vec<_>>(), [Encoding::PLAIN, Encoding::RLE, Encoding::RLE_DICTIONARY]);
    assert_eq!((tensors.num_values(), tensors.statistics()), (24, None));
    assert!(tensors.offset_index_offset().is_some());
    assert!(matches!(metadata.row_group(0).column(2).compression(), Compression::ZSTD(_)));
}

#[test]
fn pages_hold_the_pixels_verbatim() {
    let s = source();
    let file = SerializedFileReader::new(File::open(s.path().join(SHARD)).unwrap()).unwrap();
    let mut pages = file.get_row_group(0).unwrap().get_column_page_reader(0).unwrap();
    let dictionary = pages.get_next_page().unwrap().unwrap();
    assert_eq!((dictionary.page_type(), dictionary.num_values()), (PageType::DICTIONARY_PAGE, 256));
    let identity: Vec<u8> = (0..256_i32).flat_map(i32::to_le_bytes).collect();
    assert_eq!(dictionary.buffer(), &identity);
    let page = pages.get_next_page().unwrap().unwrap();
    assert_eq!((page.page_type(), page.encoding()), (PageType::DATA_PAGE, Encoding::RLE_DICTIONARY));
    #[rustfmt::skip]
    let levels = [
        32, 0, 0, 0,
        2, 0, 4, 1, 2, 0, 4, 1, 2, 0, 4, 1, 2, 0, 4, 1, 2, 0, 4, 1, 2, 0, 4, 1, 2, 0, 4, 1, 2, 0, 4, 1,
        2, 0, 0, 0, 48, 2,
        8, 7,
    ];
    assert_eq!(page.buffer()[..levels.len()], levels);
    assert_eq!(page.buffer().len(), levels.len() + 24);
    assert!(pages.get_next_page().unwrap().is_none());
}

#[test]
fn shard_says_what_it_is() {
    let s = source();
    let metadata = metadata(&s, SHARD);
    let file = metadata.file_metadata();
    let mut keys: Vec<_> = file.key_value_metadata().unwrap().iter().map(|pair| pair.key.as_str()).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        ["ARROW:schema", "huggingface", "inlaid.classes", "inlaid.row_groups", "inlaid.spec", "inlaid.version"]
    );
    let value = |key| {
        let pairs = file.key_value_metadata().unwrap();
        pairs.iter().find(|pair| pair.key == key).unwrap().value.clone().unwrap()
    };
    assert_eq!(value("inlaid.classes"), r#"["cat"]"#);
    let features: serde_json::Value = serde_json::from_str(&value("huggingface")).unwrap();
    let label = &features["info"]["features"]["label"];
    assert_eq!(label, &serde_json::json!({"names": ["cat"], "_type": "ClassLabel"}));
}

#[test]
fn binary_storage_is_fixed_length() {
    let s = source();
    s.convert("src --out out --size 1x3 --split train=1 --storage binary --compression lz4 --overwrite").exits(0);
    let metadata = metadata(&s, SHARD);
    let tensors = metadata.row_group(0).column(0);
    assert_eq!(tensors.column_descr().type_length(), 9);
    assert_eq!(tensors.compression(), Compression::LZ4_RAW);
    assert_eq!(tensors.encodings().collect::<Vec<_>>(), [Encoding::PLAIN, Encoding::RLE]);
}

#[test]
fn shards_are_cut_by_size() {
    let s = source();
    s.convert("src --out out --size 8 --split train=1 --row-group-bytes 1 --shard-bytes 3100 --overwrite").exits(0);
    let names: Vec<_> = s.files("out/train").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["train-00000.parquet", "train-00001.parquet"]);
    let rows = |file| metadata(&s, file).row_groups().iter().map(|group| group.num_rows()).collect::<Vec<_>>();
    assert_eq!((rows(SHARD), rows("out/train/train-00001.parquet")), (vec![8, 8], vec![4]));
}
