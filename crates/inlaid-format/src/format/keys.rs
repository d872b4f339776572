//! Every key of metadata that inlaid writes or reads, in one place: a format is its keys.
//!
//! Keys of a schema or a file have a dot, keys of a field a colon, as Arrow's own do.

/// Class names, in a schema: a JSON array of strings, in the order of the labels.
pub const CLASSES: &str = "inlaid.classes";

/// Checksums of the row groups, in the footer of a shard: a JSON array. So a row group that is copied into another
/// shard keeps its checksums, and a shard can be checked by itself.
pub const ROW_GROUPS: &str = "inlaid.row_groups";

/// Spec of the dataset, in a schema: JSON.
pub const SPEC: &str = "inlaid.spec";

/// Name of the column of tensors, in a schema where it is not the first one that may be it.
pub const TENSORS: &str = "inlaid.tensors";

/// Release that wrote the file, in a schema: `0.1.0`.
pub const VERSION: &str = "inlaid.version";

/// Shape of the tensors, in a field without Arrow's own: the JSON of [`EXTENSION_METADATA`].
pub const SHAPE: &str = "inlaid:shape";

/// Type of the elements in a field of binary storage, by its name in NumPy.
pub const DTYPE: &str = "inlaid:dtype";

/// Features of Hugging Face `datasets`, in a schema: a JSON object.
pub const HUGGINGFACE: &str = "huggingface";

/// Name of an Arrow extension type, in a field.
pub const EXTENSION_NAME: &str = "ARROW:extension:name";

/// Parameters of an Arrow extension type, in a field: JSON.
pub const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// Arrow's extension type of tensors.
pub const FIXED_SHAPE_TENSOR: &str = "arrow.fixed_shape_tensor";
