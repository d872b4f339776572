//! The files of a dataset that are not shards compared with the manifest.

use super::{Findings, without_path};
use crate::commit::ownership::dataset_files;
use crate::dataset::file_info::FileInfo;
use crate::dataset::manifest::Manifest;
use crate::dataset::names::{CARD, CROISSANT, MANIFEST, REJECTS, is_system};
use crate::dataset::reject::read_rejects;
use crate::dataset::{card, croissant};
use crate::error::{Error, counted};
use crate::format::files::Files;
use crate::spec::Split;

impl Findings {
    /// Compares the files in the folder with the manifest.
    pub(super) fn check_files(&mut self, files: &dyn Files, manifest: &Manifest) -> Result<(), Error> {
        let own = dataset_files(manifest);
        for file in &own {
            // A missing shard has been reported already.
            if !manifest.snapshot.shards().any(|shard| shard.file == *file) && !files.exists(file)? {
                self.add(file, "it is missing");
            }
        }
        for (file, info) in &manifest.files {
            self.check_small_file(files, file, info)?;
        }
        for split in Split::ALL {
            for (name, _) in files.entries(split.as_str())? {
                let is_system = is_system(name.as_ref());
                let name = format!("{split}/{name}");
                if is_system {
                    self.notices.push(told_of_system_file(&name));
                } else if !own.contains(&name) {
                    self.add(name, "it was not written by inlaid, but readers take it for part of the dataset");
                }
            }
        }
        match read_rejects(files, REJECTS) {
            // Its checksum tells.
            _ if manifest.files.contains_key(REJECTS) => {}
            Ok(rejects) if rejects.len() != manifest.snapshot.rejects => {
                let expected = manifest.snapshot.rejects;
                self.add(REJECTS, format!("it lists {} instead of {expected}", counted(rejects.len(), "input")));
            }
            Ok(_) => {}
            Err(error) => self.add(REJECTS, error.to_string()),
        }
        if manifest.snapshot.inputs != manifest.snapshot.rows() + manifest.snapshot.rejects {
            self.add(MANIFEST, "its inputs do not match the sum of rows and rejects");
        }
        Ok(())
    }

    /// Compares a file that is not a shard with its entry in the manifest.
    fn check_small_file(&mut self, files: &dyn Files, file: &str, info: &FileInfo) -> Result<(), Error> {
        let is_link = files.folder().is_some_and(|folder| folder.join(file).is_symlink());
        if is_link && [CARD, CROISSANT].contains(&file) {
            self.notices.push(format!("`{file}` is a link, which changes of the dataset leave as it is"));
            return Ok(());
        }
        let bytes = match files.read(file) {
            Ok(Some(bytes)) => bytes,
            // Reported already.
            Ok(None) => return Ok(()),
            Err(error) => {
                self.add(file, without_path(error));
                return Ok(());
            }
        };
        let FileInfo { bytes: length, checksum, .. } = FileInfo::of(&bytes);
        if (length, checksum) == (info.bytes, info.checksum) {
            // What inlaid wrote has a checksum of its own.
            if file == CARD && info.own.is_none() {
                self.notices.push(format!("`{file}` was left as it is by the last change, and may be out of date"));
            }
            return Ok(());
        }
        let own_checksum = if file == CROISSANT { croissant::own_checksum } else { card::own_checksum };
        let own = std::str::from_utf8(&bytes).ok().and_then(own_checksum);
        match info.own.is_some() && own == info.own {
            true => {
                self.notices.push(format!("`{file}` was edited, but what inlaid wrote in it is unchanged"));
            }
            false if file == CARD => {
                self.add(file, "what inlaid wrote (`dataset_info`, `configs`, the marked section) has changed; the next append or `inlaid card` rewrites it");
            }
            false if file == CROISSANT && own.is_some() => {
                self.add(
                    file,
                    "what inlaid wrote (`recordSet` and others) has changed; the next append or `inlaid card` rewrites it",
                );
            }
            false => self.add(file, "its checksum does not match"),
        }
        Ok(())
    }
}

/// What readers that are given the folder of a split do about a system file in it.
fn told_of_system_file(file: &str) -> String {
    let is_hidden = file.rsplit('/').next().is_some_and(|name| name.starts_with(['.', '_']));
    let readers = match is_hidden {
        true => "pyarrow and `datasets` pass over it, polars stops at it",
        false => "`datasets` passes over it, pyarrow and polars stop at it",
    };
    format!("`{file}` was left by an operating system; {readers}")
}
