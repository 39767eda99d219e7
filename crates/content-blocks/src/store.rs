//! Blocks in a directory.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use cid::Cid;

use crate::{
    block::{Block, Codec, InvalidBlock},
    dag::Walk,
};

/// From how many files on the whole file system is written to the disk at once, where that can be asked for: a file system is asked
/// three times for a hundred files then, and not three hundred times. Elsewhere it never is.
const MANY: usize = if cfg!(target_os = "linux") { 16 } else { usize::MAX };

/// Why the store cannot do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be read or written.
    #[error("{path} cannot be used")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A block is not what its name says, or is malformed.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// A block is not there.
    #[error("the block {0} is missing")]
    Missing(Cid),
    /// A file is longer than the caller takes.
    #[error("the file {root} is longer than {limit} bytes")]
    TooLong {
        /// The file.
        root: Cid,
        /// The limit in bytes.
        limit: usize,
    },
    /// A pin has a name that cannot be kept.
    #[error("a label has 1 to 100 letters, digits, `-` and `_`")]
    InvalidLabel,
}

/// Where blocks come from.
pub trait Source {
    /// A block, verified; `None` if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it cannot be read or is not what its name says.
    fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError>;
}

impl<S: Source + ?Sized> Source for &S {
    fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        (**self).block(cid)
    }
}

/// What a collection did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blocks that are gone.
    pub removed: u64,
    /// Blocks that stay.
    pub kept: u64,
}

/// What a scrub found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scrubbed {
    /// Blocks that are what their names say.
    pub sound: u64,
    /// Blocks that are not: their digests, as raw CIDs.
    pub broken: Vec<Cid>,
}

/// Blocks in a directory that several processes may share.
///
/// A block lies under its digest, so that two CIDs which differ in version or codec alone share it. It is written to a temporary
/// file, flushed to the disk and renamed, so that a crash leaves it whole or absent. A pin is a name (`label`) for wanting a root:
/// blocks under a root stay until its last label is gone.
#[derive(Clone, Debug)]
pub struct Store {
    directory: Arc<Path>,
}

impl Store {
    /// Opens a directory, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if it cannot be.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let directory = directory.into();
        for below in ["blocks", "pins", "tmp"] {
            let path = directory.join(below);
            fs::create_dir_all(&path).map_err(at(&path))?;
        }
        let store = Self { directory: directory.into() };
        drop(store.lock()?);
        Ok(store)
    }

    /// Keeps a block. One that is there already is only looked at, and written again if it is broken.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if it cannot be written.
    pub fn put(&self, block: &Block) -> Result<(), StoreError> {
        self.keep([block], [])
    }

    /// Keeps blocks as [`Self::put`] does, and then pins roots as [`Self::pin`] does: many of them wait for the disk hardly longer
    /// than one.
    ///
    /// # Errors
    ///
    /// As [`Self::put`] and [`Self::pin`]; what was kept by then stays.
    pub fn keep<'a>(
        &self,
        blocks: impl IntoIterator<Item = &'a Block>,
        pins: impl IntoIterator<Item = (&'a Cid, &'a str)>,
    ) -> Result<(), StoreError> {
        let lock = self.lock()?;
        lock.lock_shared().map_err(at(&self.directory))?;
        let mut missing = BTreeMap::new();
        for block in blocks {
            let path = self.path(&block.cid());
            if fs::read(&path).is_ok_and(|there| there == block.bytes().as_ref()) {
                // Young again: whoever puts a block is about to pin it.
                let touched = File::options().append(true).open(&path);
                touched.and_then(|file| file.set_modified(now())).map_err(at(&path))?;
            } else {
                missing.insert(path, block.bytes().as_ref());
            }
        }
        self.write(&missing)?;
        let mut labels = BTreeMap::new();
        for (root, label) in pins {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if !(1..=100).contains(&label.len()) || !label.bytes().all(is_plain) {
                return Err(StoreError::InvalidLabel);
            }
            for block in Walk::new(self, [*root]) {
                block?;
            }
            labels.insert(self.pins_of(root).join(label), &b""[..]);
        }
        self.write(&labels)
    }

    /// Whether a block is there, broken or not.
    pub fn has(&self, cid: &Cid) -> bool {
        self.path(cid).exists()
    }

    /// Keeps everything under a root until [`Self::unpin`] is called with the same label.
    ///
    /// # Errors
    ///
    /// [`StoreError::Missing`] if a block under it is not there, [`StoreError::InvalidLabel`], [`StoreError::Io`].
    pub fn pin(&self, root: &Cid, label: &str) -> Result<(), StoreError> {
        self.keep([], [(root, label)])
    }

    /// Gives up a label of a root; [`Self::collect`] removes what no other label keeps. Nothing happens if there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the directory cannot be written.
    pub fn unpin(&self, root: &Cid, label: &str) -> Result<(), StoreError> {
        let path = self.pins_of(root).join(label);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(&path)(error)),
            Ok(()) | Err(_) => {}
        }
        // Stays while it has other labels, and goes with the next that is given up if it cannot go now.
        fs::remove_dir(self.pins_of(root)).ok();
        Ok(())
    }

    /// Whether a root has any label.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the directory cannot be read.
    pub fn is_pinned(&self, root: &Cid) -> Result<bool, StoreError> {
        Ok(!entries(&self.pins_of(root))?.is_empty())
    }

    /// Every root that has a label, in no order.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the directory cannot be read.
    pub fn pinned(&self) -> Result<Vec<Cid>, StoreError> {
        let mut roots = Vec::new();
        for path in entries(&self.directory.join("pins"))? {
            if let Some(cid) = named(&path)
                && !entries(&path)?.is_empty()
            {
                roots.push(cid);
            }
        }
        Ok(roots)
    }

    /// Removes every block that no pin keeps and that was put before a moment: a younger one may be about to be pinned.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if a pinned tree cannot be read to its end, since then nobody knows what it keeps; nothing is removed.
    pub fn collect(&self, put_before: SystemTime) -> Result<Collected, StoreError> {
        let lock = self.lock()?;
        lock.lock().map_err(at(&self.directory))?;
        let mut wanted = HashSet::new();
        for block in Walk::new(self, self.pinned()?) {
            wanted.insert(*block?.cid().hash());
        }
        let mut collected = Collected::default();
        for (cid, path) in self.files()? {
            let modified =
                fs::metadata(&path).and_then(|file| file.modified()).map_err(at(&path))?;
            if wanted.contains(cid.hash()) || modified >= put_before {
                collected.kept += 1;
            } else {
                fs::remove_file(&path).map_err(at(&path))?;
                collected.removed += 1;
            }
        }
        for path in entries(&self.directory.join("tmp"))? {
            // Nobody writes while the lock is held: a writer died here.
            fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(collected)
    }

    /// Reads every block and hashes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Io`] if the directory cannot be read.
    pub fn scrub(&self) -> Result<Scrubbed, StoreError> {
        let mut scrubbed = Scrubbed::default();
        for (cid, _) in self.files()? {
            match self.block(&cid) {
                Ok(Some(_)) => scrubbed.sound += 1,
                Err(StoreError::Invalid(_)) => scrubbed.broken.push(cid),
                Ok(None) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(scrubbed)
    }

    fn files(&self) -> Result<Vec<(Cid, PathBuf)>, StoreError> {
        let mut files = Vec::new();
        for shard in entries(&self.directory.join("blocks"))? {
            let found = entries(&shard)?.into_iter();
            files.extend(found.filter_map(|path| named(&path).map(|cid| (cid, path))));
        }
        Ok(files)
    }

    fn lock(&self) -> Result<File, StoreError> {
        let path = self.directory.join("lock");
        File::options().create(true).append(true).open(&path).map_err(at(&path))
    }

    fn pins_of(&self, root: &Cid) -> PathBuf {
        self.directory.join("pins").join(root.to_string())
    }

    /// Sharded by two of the last characters, the only ones that are as good as random.
    fn path(&self, cid: &Cid) -> PathBuf {
        let name = Cid::new_v1(Codec::Raw.code(), *cid.hash()).to_string();
        let mut end = name.chars().rev().skip(1).take(2).collect::<Vec<_>>();
        end.reverse();
        self.directory.join("blocks").join(end.into_iter().collect::<String>()).join(name)
    }

    /// Writes files so that each is there whole after a crash, or not at all: the bytes to the disk, then the names, then the names
    /// to the disk.
    fn write(&self, files: &BTreeMap<PathBuf, &[u8]>) -> Result<(), StoreError> {
        let (mut written, mut directories) = (Vec::with_capacity(files.len()), BTreeSet::new());
        for (path, bytes) in files {
            let parent = path.parent().unwrap_or(&self.directory);
            fs::create_dir_all(parent).map_err(at(parent))?;
            // It may be new itself.
            directories.extend([Some(parent), parent.parent()].into_iter().flatten());
            if bytes.is_empty() {
                // There is no half of it.
                File::create(path).map_err(at(path))?;
                continue;
            }
            let temporary = tempfile::Builder::new()
                .tempfile_in(self.directory.join("tmp"))
                .and_then(|mut file| file.write_all(bytes).map(|()| file))
                .map_err(at(path))?;
            written.push((path, temporary));
        }
        let is_many = files.len() >= MANY;
        if is_many && !written.is_empty() {
            self.sync_everything()?;
        } else {
            for (path, temporary) in &written {
                temporary.as_file().sync_data().map_err(at(path))?;
            }
        }
        for (path, temporary) in written {
            temporary.persist(path).map_err(|error| at(path)(error.error))?;
        }
        if is_many {
            return self.sync_everything();
        }
        for directory in directories {
            File::open(directory).and_then(|found| found.sync_all()).map_err(at(directory))?;
        }
        Ok(())
    }

    /// Waits until all of the file system is on the disk.
    #[cfg(target_os = "linux")]
    fn sync_everything(&self) -> Result<(), StoreError> {
        let directory = File::open(&self.directory).map_err(at(&self.directory))?;
        nix::unistd::syncfs(directory).map_err(|error| at(&self.directory)(error.into()))
    }

    /// Never asked for, see [`MANY`].
    #[cfg(not(target_os = "linux"))]
    fn sync_everything(&self) -> Result<(), StoreError> {
        File::open(&self.directory)
            .and_then(|directory| directory.sync_all())
            .map_err(at(&self.directory))
    }
}

impl Source for Store {
    fn block(&self, cid: &Cid) -> Result<Option<Block>, StoreError> {
        let path = self.path(cid);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Block::verified(*cid, bytes)?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(at(&path)(error)),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "compared with times that the file system gives")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn named(path: &Path) -> Option<Cid> {
    path.file_name()?.to_str()?.parse().ok()
}

/// What a directory holds; nothing if it is not there.
fn entries(directory: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = match fs::read_dir(directory) {
        Ok(list) => list,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at(directory)(error)),
    };
    list.map(|entry| Ok(entry.map_err(at(directory))?.path())).collect()
}

fn at(path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    |source| StoreError::Io { path, source }
}
