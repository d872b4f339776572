//! What reading a dataset back finds.
