//! Every metadata key that inlaid writes or reads, in one place.
//!
//! Keys in a schema or a file contain a dot; keys in a field contain a colon, as Arrow's own keys do.

/// Class names, in a schema: a JSON array of strings, in the order of the labels.
pub const CLASSES: &str = "inlaid.classes";

/// Checksums of the row groups, in the footer of a shard: a JSON array. A row group copied into another shard keeps
/// its checksums, and a shard can be verified on its own.
pub const ROW_GROUPS: &str = "inlaid.row_groups";

/// Spec of the dataset, in a schema: JSON.
pub const SPEC: &str = "inlaid.spec";

/// Name of the main tensor column, in a schema whose first tensor column is a different one.
pub const TENSORS: &str = "inlaid.tensors";

/// Release that wrote the file, in a schema, for example `0.1.0`.
pub const VERSION: &str = "inlaid.version";

/// Shape of the tensors, in a field that is not of Arrow's extension type: the JSON of [`EXTENSION_METADATA`].
pub const SHAPE: &str = "inlaid:shape";

/// Element type, in a field of binary storage: its NumPy name, such as `uint8`.
pub const DTYPE: &str = "inlaid:dtype";

/// Features of Hugging Face `datasets`, in a schema: a JSON object.
pub const HUGGINGFACE: &str = "huggingface";

/// Name of an Arrow extension type, in a field.
pub const EXTENSION_NAME: &str = "ARROW:extension:name";

/// Parameters of an Arrow extension type, in a field: JSON.
pub const EXTENSION_METADATA: &str = "ARROW:extension:metadata";

/// Arrow's extension type of tensors.
pub const FIXED_SHAPE_TENSOR: &str = "arrow.fixed_shape_tensor";
