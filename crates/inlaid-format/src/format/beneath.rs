//! Changes below a folder that follow no symbolic link. A dataset may come from somebody else, and a link in it must
//! not make a process create, replace or remove a file somewhere else.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, mkdirat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;

use super::disk::step;
use crate::error::Error;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder, and what is below it. The way to the folder itself may lead through links.
#[derive(Debug)]
pub struct Beneath {
    path: PathBuf,
    folder: File,
}

impl Beneath {
    /// Opens a folder, whose last component may be a link too.
    ///
    /// # Errors
    /// If the operating system refuses.
    pub fn open(path: &Path) -> Result<Beneath, Error> {
        let folder = File::open(path).map_err(Error::io("open", path))?;
        Ok(Beneath { path: path.to_owned(), folder })
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Checks that no component of the path of a folder is a link. Whatever is missing is not one.
    ///
    /// # Errors
    /// If one is a link, or is not a folder.
    pub fn check_folder(&self, name: &str) -> Result<(), Error> {
        match self.walk(Path::new(name)) {
            Ok(_) => Ok(()),
            Err((_, Errno::NOENT)) => Ok(()),
            Err(refused) => Err(self.refused("open", refused)),
        }
    }

    /// Checks the folder that a file is in, or would be in; see [`Beneath::check_folder`].
    ///
    /// # Errors
    /// As [`Beneath::check_folder`].
    pub fn check_parent(&self, name: &str) -> Result<(), Error> {
        let parent = Path::new(name).parent().and_then(Path::to_str).unwrap_or_default();
        self.check_folder(parent)
    }

    /// Creates a folder and its missing parents, and syncs their names to disk.
    ///
    /// # Errors
    /// If a component is a link, or the operating system refuses.
    pub fn create_folder(&self, name: &str) -> Result<(), Error> {
        let mut made = PathBuf::new();
        for component in Path::new(name).components() {
            let parent = self.walk(&made).map_err(|refused| self.refused("open", refused))?;
            made.push(component);
            match self.walk(&made) {
                Ok(_) => continue,
                Err((_, Errno::NOENT)) => {}
                Err(refused) => return Err(self.refused("create folder", refused)),
            }
            let create = || {
                step()?;
                match mkdirat(&parent, component.as_os_str(), Mode::from_raw_mode(0o777)) {
                    Err(Errno::EXIST) => {}
                    created => created?,
                }
                // Or a power failure might take a file along that was renamed into it.
                step()?;
                File::from(parent).sync_all()
            };
            create().map_err(Error::io("create folder", self.path.join(&made)))?;
        }
        Ok(())
    }

    /// Renames a file, replacing any file of the new name. Returns false if there is no file of the old name.
    ///
    /// # Errors
    /// If it is reached through a link, or the operating system refuses.
    pub fn rename(&self, from: &str, to: &str) -> Result<bool, Error> {
        let parent = |name| self.parent(name).map_err(|refused| self.refused("create", refused));
        let (to_folder, to_name) = parent(to)?;
        let (from_folder, from_name) = match self.parent(from) {
            Err((_, Errno::NOENT)) => return Ok(false),
            found => found.map_err(|refused| self.refused("create", refused))?,
        };
        let renamed = step().and_then(|()| Ok(renameat(from_folder, from_name, to_folder, to_name)?));
        match renamed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            renamed => renamed.map(|()| true).map_err(Error::io("create", self.path.join(to))),
        }
    }

    /// Removes a file if it exists.
    ///
    /// # Errors
    /// If it is reached through a link, or the operating system refuses.
    pub fn remove_file(&self, name: &str) -> Result<(), Error> {
        let (folder, file) = match self.parent(name) {
            Err((_, Errno::NOENT)) => return Ok(()),
            found => found.map_err(|refused| self.refused("remove", refused))?,
        };
        match step().and_then(|()| Ok(unlinkat(folder, file, AtFlags::empty())?)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(Error::io("remove", self.path.join(name))),
        }
    }

    /// Removes a folder if it exists and is empty.
    pub fn remove_empty_folder(&self, name: &str) {
        if let Ok((folder, name)) = self.parent(name) {
            let _ = unlinkat(folder, name, AtFlags::REMOVEDIR);
        }
    }

    /// Whether there is something of this name, if only a link.
    pub fn exists(&self, name: &str) -> bool {
        let found = |(folder, name)| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok();
        self.parent(name).is_ok_and(found)
    }

    /// Syncs the names of the files in a folder to disk, if it exists. The empty name is the folder itself.
    ///
    /// # Errors
    /// If it is reached through a link, or the operating system refuses.
    pub fn sync_folder(&self, name: &str) -> Result<(), Error> {
        let folder = match self.walk(Path::new(name)) {
            Err((_, Errno::NOENT)) => return Ok(()),
            found => found.map_err(|refused| self.refused("sync folder", refused))?,
        };
        step().and_then(|()| File::from(folder).sync_all()).map_err(Error::io("sync folder", self.path.join(name)))
    }

    /// The folder of a file, and the file's name in it.
    fn parent<'a>(&self, name: &'a str) -> Result<(OwnedFd, &'a std::ffi::OsStr), (PathBuf, Errno)> {
        let name = Path::new(name);
        let file = name.file_name().ok_or_else(|| (name.to_owned(), Errno::INVAL))?;
        Ok((self.walk(name.parent().unwrap_or(Path::new("")))?, file))
    }

    /// Opens a folder, component by component. The error names the component that can't be opened.
    fn walk(&self, name: &Path) -> Result<OwnedFd, (PathBuf, Errno)> {
        let mut reached = PathBuf::new();
        let mut folder = openat(&self.folder, ".", FOLDER, Mode::empty()).map_err(|errno| (reached.clone(), errno))?;
        for component in name.components() {
            reached.push(component);
            let Component::Normal(part) = component else { return Err((reached, Errno::INVAL)) };
            folder = match openat(&folder, part, FOLDER, Mode::empty()) {
                Ok(folder) => folder,
                // Systems differ in the error for a link.
                Err(errno) => {
                    let found = statat(&folder, part, AtFlags::SYMLINK_NOFOLLOW);
                    let is_link = found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_symlink());
                    return Err((reached, if is_link { Errno::LOOP } else { errno }));
                }
            };
        }
        Ok(folder)
    }

    fn refused(&self, action: &'static str, (name, errno): (PathBuf, Errno)) -> Error {
        let path = self.path.join(name);
        match errno {
            Errno::LOOP => Error::Link(path),
            errno => Error::io(action, path)(errno.into()),
        }
    }
}
