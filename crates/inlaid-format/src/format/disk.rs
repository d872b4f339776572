//! Every change to the files of a dataset goes through here: writes, renames, removals, and bringing
//! them to disk for good; not the lock, and not what removes a staging area that came to nothing. With
//! the feature `failpoints` each step can be made to fail, or be the process's last (see
//! `tests/it/crash.rs`).

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::error::Error;

/// Begins a file that must not exist; it can be read back.
pub fn create(path: &Path) -> Result<File, Error> {
    let create = || {
        step()?;
        File::options().read(true).write(true).create_new(true).open(path)
    };
    create().map_err(Error::io("create", path))
}

/// Writes some of the bytes, and says how many.
pub fn write(mut file: &File, bytes: &[u8]) -> io::Result<usize> {
    let bytes = &bytes[..writable(bytes.len())?];
    file.write(bytes)
}

/// Brings the bytes of a file to disk.
pub fn sync(file: &File) -> io::Result<()> {
    step()?;
    file.sync_data()
}

/// Writes a whole file and brings it to disk.
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

/// Gives a file another name; what had that name is gone.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    step()?;
    fs::rename(from, to)
}

/// Removes a file, if it is there.
pub fn remove_file(path: &Path) -> Result<(), Error> {
    match step().and_then(|()| fs::remove_file(path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(Error::io("remove", path)),
    }
}

/// Makes a folder and those above it, if they are missing.
pub fn create_folder(path: &Path) -> Result<(), Error> {
    let create = || step().and_then(|()| fs::create_dir_all(path));
    persistently(create).map_err(Error::io("create folder", path))
}

/// Makes a folder and those above it from `top` on, which are missing, and brings their names to disk.
pub fn create_folders(path: &Path, top: &Path) -> Result<(), Error> {
    let create = || {
        fs::create_dir_all(path)?;
        for made in path.ancestors().take_while(|path| path.starts_with(top)) {
            step()?;
            let parent = made.parent().filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
            match File::open(parent).and_then(|parent| parent.sync_all()) {
                // It may be written to, but not listed: no reason to fail.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                synced => synced?,
            }
        }
        Ok(())
    };
    persistently(create).map_err(Error::io("create folder", path))
}

/// Makes folders again and again while they are there at one moment and gone at the next: another process
/// that failed removes those that it has made.
fn persistently(create: impl Fn() -> io::Result<()>) -> io::Result<()> {
    for _ in 0..100 {
        match create() {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {}
            made => return made,
        }
    }
    create()
}

/// Brings the names of the files in a folder to disk.
pub fn sync_folder(path: &Path) -> Result<(), Error> {
    let sync = || {
        step()?;
        File::open(path)?.sync_all()
    };
    sync().map_err(Error::io("sync folder", path))
}

#[cfg(not(feature = "failpoints"))]
fn step() -> io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "failpoints"))]
fn writable(bytes: usize) -> io::Result<usize> {
    Ok(bytes)
}

#[cfg(feature = "failpoints")]
use failpoints::{step, writable};

/// `INLAID_FAILPOINT=kill:N` ends the process by SIGKILL at its Nth step on the disk; `eio:N` and
/// `enospc:N` fail that step and all later ones; `short:N` lets every write from the Nth step on
/// take half of its bytes.
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

    pub(super) fn step() -> io::Result<()> {
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
