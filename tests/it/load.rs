//! Batches that a loader makes of image files and of tensors.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use inlaid::read::{Batch, BatchOptions, Draw, Epoch, OnBadRow, RowOrder};
use inlaid::{Augment, ByteSize, Crop, Dtype, Fit, LoadError, LoadOptions, Loader, RandomResizedCrop, Spec, Table};

use crate::harness::Scratch;

/// Images of 5x4 pixels in 40 files, in several row groups, and the same as tensors of 6x7.
fn datasets() -> Scratch {
    let s = Scratch::new();
    s.images(&["src/a", "src/b"], 20);
    s.convert("src --out files --storage encoded --split train=1 --row-group-bytes 300 --shard-bytes 1200").exits(0);
    s.convert("src --out tensors --size 6x7 --split train=1 --row-group-bytes 300 --shard-bytes 1200").exits(0);
    s
}

fn table(s: &Scratch, dataset: &str) -> Table {
    Table::open(s.path().join(dataset).join("train")).unwrap()
}

fn options(size: &str) -> LoadOptions {
    LoadOptions::new(size.parse().unwrap())
}

fn batches(table: &Table, load: &LoadOptions, edit: impl FnOnce(BatchOptions) -> BatchOptions) -> Vec<Batch> {
    let loader = Loader::new(table, load).unwrap();
    let options = BatchOptions::new(7).columns(vec!["path".into()]).maker(Some(Arc::new(loader))).prefetch(2);
    table.batches(&edit(options)).unwrap().map(Result::unwrap).collect()
}

/// The tensors of batches by the path of their row.
fn by_path(batches: &[Batch]) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for batch in batches {
        let bytes = batch.tensors.len() / batch.rows.len();
        for (path, tensor) in batch.columns[0].as_string::<i32>().iter().zip(batch.tensors.chunks_exact(bytes)) {
            assert!(all.insert(path.unwrap().to_owned(), tensor.to_vec()).is_none());
        }
    }
    all
}

#[test]
fn files_become_the_tensors_of_a_conversion() {
    let s = datasets();
    let tensors = table(&s, "tensors");
    let stored = tensors.batches(&BatchOptions::new(7).columns(vec!["path".into()])).unwrap();
    let stored: Vec<Batch> = stored.map(Result::unwrap).collect();
    let files = table(&s, "files");
    let shuffled = |options: BatchOptions| options.epoch(Epoch { order: RowOrder::Random, seed: 1, number: 2 });
    assert_eq!(by_path(&batches(&files, &options("6x7"), shuffled)), by_path(&stored));
    assert_eq!(Loader::column(&files, &options("6x7")).unwrap().shape, [6, 7, 3]);
}

#[test]
fn threads_and_prefetching_change_nothing() {
    let s = datasets();
    let files = table(&s, "files");
    let mut load = options("6x7");
    load.augment.random_resized_crop = Some(RandomResizedCrop::default());
    load.augment.horizontal_flip = 0.5;
    let expected = by_path(&batches(&files, &load, |options| options.prefetch(0)));
    for threads in [1, 3] {
        load.threads = NonZeroUsize::new(threads);
        assert_eq!(by_path(&batches(&files, &load, |options| options)), expected);
    }
    let next = |options: BatchOptions| options.epoch(Epoch { number: 1, ..Epoch::default() });
    assert_ne!(by_path(&batches(&files, &load, next)), expected);
}

#[test]
fn rows_that_are_drawn_again_are_drawn_anew() {
    let s = datasets();
    let tensors = table(&s, "tensors");
    let mut load = LoadOptions::default();
    load.augment.crop = Some(Crop { size: "2x2".parse().unwrap(), padding: 0 });
    let mut weights = vec![0.0; tensors.len()];
    weights[5] = 1.0;
    let only = |options: BatchOptions| {
        let epoch = Epoch { order: RowOrder::Random, ..Epoch::default() };
        options.draw(Draw::Weights(weights.into())).epoch(epoch)
    };
    let drawn = batches(&tensors, &load, only);
    assert!(drawn.iter().all(|batch| batch.rows.iter().all(|row| *row == 5)));
    let mut crops: Vec<&[u8]> = drawn.iter().flat_map(|batch| batch.tensors.chunks_exact(12)).collect();
    crops.sort_unstable();
    crops.dedup();
    assert!(crops.len() > 10, "{}", crops.len());
}

/// Damages the file of an image in a shard: it is stored as it is.
fn damage(shard: &Path, image: &[u8]) {
    let mut bytes = fs::read(shard).unwrap();
    let at = bytes.windows(image.len()).position(|window| window == image).unwrap();
    bytes[at..at + 8].fill(0);
    fs::write(shard, bytes).unwrap();
}

#[test]
fn damaged_images_are_named_or_left_out() {
    let s = datasets();
    let files = table(&s, "files");
    let shard = files.files().next().unwrap().to_owned();
    let image = files.image_file(2).unwrap();
    drop(files);
    damage(&shard, &image);
    let files = table(&s, "files");
    let loader = Arc::new(Loader::new(&files, &options("6x7")).unwrap());
    let options = BatchOptions::new(7).maker(Some(loader));
    let error = files.batches(&options).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(error.contains("row 2") && error.contains(shard.to_str().unwrap()), "{error}");
    let skipping = options.on_error(OnBadRow::Skip).columns(vec!["path".into()]);
    let found: Vec<Batch> = files.batches(&skipping).unwrap().map(Result::unwrap).collect();
    assert_eq!(found[0].rows, [0, 1, 3, 4, 5, 6]);
    assert_eq!(found[0].tensors.len(), 6 * 6 * 7 * 3);
    assert_eq!(found[0].columns[0].len(), 6);
    assert_eq!(found[0].skipped.iter().map(|row| row.row).collect::<Vec<_>>(), [2]);
    assert!(found[1..].iter().all(|batch| batch.skipped.is_empty()));
}

#[test]
fn images_wait_for_memory_or_are_refused() {
    let s = Scratch::new();
    for number in 0..6 {
        let path = s.file(&format!("src/{number}.png"), &[]);
        image::RgbImage::new(1500, 1200).save(path).unwrap();
    }
    s.convert("src --out files --storage encoded --split train=1").exits(0);
    let files = table(&s, "files");
    let mut load = options("4");
    load.threads = NonZeroUsize::new(3);
    // Room for one of them at a time.
    load.memory = Some(ByteSize(9_000_000));
    let loader = Arc::new(Loader::new(&files, &load).unwrap());
    let rows: usize =
        files.batches(&BatchOptions::new(6).maker(Some(loader))).unwrap().map(|b| b.unwrap().rows.len()).sum();
    assert_eq!(rows, 6);
    load.memory = Some(ByteSize(1_000_000));
    let loader = Arc::new(Loader::new(&files, &load).unwrap());
    let error = files.batches(&BatchOptions::new(6).maker(Some(loader))).unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("of memory, more than the 1000000 allowed"), "{error}");
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let s = datasets();
    let (files, tensors) = (table(&s, "files"), table(&s, "tensors"));
    let refused = |table: &Table, edit: fn(&mut LoadOptions)| {
        let mut load = options("6x7");
        edit(&mut load);
        Loader::new(table, &load).unwrap_err().to_string()
    };
    let no_size = refused(&files, |load| load.spec = Spec::originals());
    assert_eq!(no_size, "image files have sizes of their own: `--size` resizes them, as in `--size 224`");
    assert_eq!(
        refused(&tensors, |load| load.spec.exif = false),
        "`--no-exif` is for image files, and these are tensors"
    );
    let both = refused(&files, |load| {
        load.augment.random_resized_crop = Some(RandomResizedCrop::default());
        load.spec.fit = Fit::Pad;
    });
    assert_eq!(both, "`--fit` has no effect with `--random-resized-crop`");
    assert_eq!(
        refused(&files, |load| load.augment.horizontal_flip = -0.5),
        "probability -0.5 is not a number from 0 to 1"
    );
    let scaled = refused(&files, |load| {
        load.cast.dtype = Some(Dtype::U8);
        load.cast.mean = Some("0.5".parse().unwrap());
    });
    assert_eq!(scaled, "`--mean` has no effect with `--dtype u8`");
    let mut load = options("6x7");
    load.threads = NonZeroUsize::new(5000);
    assert!(matches!(Loader::new(&files, &load), Err(LoadError::TooManyThreads { threads: 5000, most: 1024 })));
    assert!(Augment::default().is_none());
}
