//! Every change to a dataset's files goes through here or, below its folder, through `beneath.rs`: writes, renames,
//! removals, and syncing them to disk. The exceptions are the lock and the removal of an abandoned staging area. With the feature
//! `failpoints`, each step can be made to fail or to kill the process (see `tests/it/crash.rs`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::Error;

/// Creates a file, open for reading and writing. Fails if the file exists.
pub fn create(path: &Path) -> Result<File, Error> {
    let create = || {
        step()?;
        File::options().read(true).write(true).create_new(true).open(path)
    };
    create().map_err(Error::io("create", path))
}

/// Writes some of the bytes and returns how many it wrote.
pub fn write(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let bytes = &bytes[..writable(bytes.len())?];
    file.write(bytes)
}

/// Syncs the contents of a file to disk.
pub fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

/// Writes a new file and syncs it to disk.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let file = create(path)?;
    let all = || {
        let mut rest = bytes;
        while !rest.is_empty() {
            rest = &rest[write(&file, rest)?..];
        }
        sync(&file)
    };
    all().map_err(Error::io("write", path))
}

/// Renames a file, replacing any file of the new name.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

/// Removes a file if it exists.
pub fn remove_file(path: &Path) -> Result<(), Error> {
    match step().and_then(|()| fs::remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(Error::io("remove", path)),
    }
}

/// Creates a folder and its missing parents.
pub fn create_folder(path: &Path) -> Result<(), Error> {
    let create = || step().and_then(|()| fs::create_dir_all(path));
    persistently(create).map_err(Error::io("create folder", path))
}

/// Creates a folder and its missing parents, from `top` down, and syncs their names to disk.
pub fn create_folders(path: &Path, top: &Path) -> Result<(), Error> {
    let create = || {
        fs::create_dir_all(path)?;
        for made in path.ancestors().take_while(|path| path.starts_with(top)) {
            step()?;
            let parent = made.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match File::open(parent).and_then(|parent| parent.sync_all()) {
                // Not an error: the folder may be writable but not readable.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                synced => synced?,
            }
        }
        Ok(())
    };
    persistently(create).map_err(Error::io("create folder", path))
}

/// Retries the creation of folders that appear and disappear in between: another process that failed may be
/// removing the folders it had created.
fn persistently(create: impl Fn() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..100 {
        match create() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
            made => return made,
        }
    }
    create()
}

/// Syncs the names of the files in a folder to disk.
pub fn sync_folder(path: &Path) -> Result<(), Error> {
    let sync = || {
        step()?;
        File::open(path)?.sync_all()
    };
    sync().map_err(Error::io("sync folder", path))
}

/// A step at which a test may end or fail the run.
#[cfg(not(feature = "failpoints"))]
pub fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
fn writable(bytes: usize) -> io::Result<usize> {
    Ok(bytes)
}

#[cfg(feature = "failpoints")]
use failpoints::writable;

#[cfg(feature = "failpoints")]
pub use failpoints::step;

/// `INLAID_FAILPOINT=kill:N` kills the process with SIGKILL at its Nth disk operation; `eio:N` and
/// `enospc:N` make that operation and all later ones fail; `short:N` makes every write from the Nth
/// operation on write only half of its bytes.
#[cfg(feature = "failpoints")]
mod failpoints {
    use std::io;
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    static PLAN: LazyLock<Option<(String, usize)>> = LazyLock::new(|| {
        let plan = std::env::var("INLAID_FAILPOINT").ok()?;
        let (kind, number) = plan.split_once(':').expect("a failpoint is KIND:N");
        Some((kind.to_owned(), number.parse().expect("a failpoint is KIND:N")))
    });
    static STEPS: AtomicUsize = AtomicUsize::new(0);

    /// A step at which a test may end or fail the run.
    pub fn step() -> io::Result<()> {
        writable(0).map(drop)
    }

    pub(super) fn writable(bytes: usize) -> io::Result<usize> {
        let number = STEPS.fetch_add(1, Ordering::SeqCst) + 1;
        match &*PLAN {
            Some((kind, first)) if number >= *first => match kind.as_str() {
                "kill" => {
                    let _ = kill_process(getpid(), Signal::KILL);
                    unreachable!("nobody survives SIGKILL")
                }
                "eio" => Err(Errno::IO.into()),
                "enospc" => Err(Errno::NOSPC.into()),
                "short" => Ok(bytes.div_ceil(2)),
                other => panic!("unknown failpoint `{other}`"),
            },
            _ => Ok(bytes),
        }
    }
}
