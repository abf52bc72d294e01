//! Both ends in this process, as a controller and its agent have them.

use std::{
    fs,
    io::{self, PipeReader, PipeWriter, Read},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use wxec_files::{
    Event, Listener, Options, Source, Summary, Target, TransferEnd, Unfinished, get, put, serve,
};

/// A directory with a source and a target in it.
pub(crate) struct Place(tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Returns everything below a directory, sorted.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut pending = vec![self.path(name)];
        while let Some(directory) = pending.pop() {
            for entry in fs::read_dir(&directory).unwrap() {
                let entry = entry.unwrap();
                found.push(
                    entry
                        .path()
                        .strip_prefix(self.path(name))
                        .unwrap()
                        .to_string_lossy()
                        .into_owned(),
                );
                if entry.file_type().unwrap().is_dir() {
                    pending.push(entry.path());
                }
            }
        }
        found.sort();
        found
    }
}

const NOBODY: u32 = 65534;

/// Does something as an account without privileges, which gets everything in the place first.
pub(crate) fn as_nobody<T: Send>(place: &Place, what: impl FnOnce() -> T + Send) -> T {
    let mut pending = vec![place.path("")];
    while let Some(path) = pending
        .pop()
        .filter(|_| rustix::process::geteuid().is_root())
    {
        std::os::unix::fs::lchown(&path, Some(NOBODY), None).unwrap();
        if fs::symlink_metadata(&path).unwrap().is_dir() {
            pending.extend(
                fs::read_dir(path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        }
    }
    as_nobody_already(what)
}

/// Does something as that account, without giving it anything. On Linux, each thread has its own
/// account.
pub(crate) fn as_nobody_already<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    let run = || {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(NOBODY);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        what()
    };
    thread::scope(|scope| scope.spawn(run).join().unwrap())
}

pub(crate) fn bytes(path: impl AsRef<Path>) -> Vec<u8> {
    path.as_ref().as_os_str().as_bytes().to_vec()
}

pub(crate) fn no_listener() -> Listener {
    Arc::new(|_| {})
}

/// A listener, and the events it heard: warnings, and changes as `create a`.
pub(crate) fn listener() -> (Listener, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let to = heard.clone();
    let listener = move |event: Event<'_>| match event {
        Event::Warning(text) => to.lock().unwrap().push(text.into()),
        Event::Change { kind, path } => to.lock().unwrap().push(format!("{kind} {path}")),
        _ => {}
    };
    (Arc::new(listener), heard)
}

/// One end of a link.
pub(crate) struct End {
    pub(crate) reader: PipeReader,
    pub(crate) writer: PipeWriter,
}

pub(crate) fn link() -> (End, End) {
    let ((from_there, to_here), (from_here, to_there)) = (io::pipe().unwrap(), io::pipe().unwrap());
    (
        End {
            reader: from_there,
            writer: to_there,
        },
        End {
            reader: from_here,
            writer: to_here,
        },
    )
}

/// Sends a source to a path.
pub(crate) fn put_source(
    source: &Source,
    to: impl AsRef<Path>,
    options: &Options,
) -> Result<Summary, TransferEnd> {
    put_told(source, to, options, &no_listener())
}

pub(crate) fn put_told(
    source: &Source,
    to: impl AsRef<Path>,
    options: &Options,
    listener: &Listener,
) -> Result<Summary, TransferEnd> {
    let (here, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let ended = put(
        source,
        &bytes(to),
        options,
        false,
        here.reader,
        here.writer,
        listener,
    );
    let there = agent.join().unwrap();
    assert!(
        !matches!(there, Err(TransferEnd::Malformed(_))),
        "{there:?}"
    );
    ended
}

pub(crate) fn put_path(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: &Options,
) -> Result<Summary, TransferEnd> {
    put_source(&Source::Path(bytes(from)), to, options)
}

pub(crate) fn get_path(
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
    options: &Options,
) -> Result<Summary, TransferEnd> {
    get_to(from, &Target::Path(bytes(to)), options).map(|(summary, _)| summary)
}

pub(crate) fn get_to(
    from: impl AsRef<Path>,
    to: &Target,
    options: &Options,
) -> Result<(Summary, Vec<u8>), TransferEnd> {
    let (here, there) = link();
    let agent = thread::spawn(move || serve(there.reader, there.writer, &Unfinished::default()));
    let unfinished = Unfinished::default();
    let ended = get(
        &bytes(from),
        to,
        options,
        false,
        here.reader,
        here.writer,
        &unfinished,
        &no_listener(),
    );
    let there = agent.join().unwrap();
    assert!(
        !matches!(there, Err(TransferEnd::Malformed(_))),
        "{there:?}"
    );
    ended
}

/// A reader that fails after some bytes, as if the link was cut, and counts bytes.
pub(crate) struct Cut<R> {
    pub(crate) reader: R,
    pub(crate) left: u64,
    pub(crate) read: Arc<AtomicU64>,
}

impl<R: Read> Read for Cut<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if most == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let length = self.reader.read(&mut buffer[..most])?;
        self.left -= length as u64;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Bytes that cannot be compressed, the same each time.
pub(crate) fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut noise = Vec::with_capacity(length + 8);
    while noise.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        noise.extend(state.to_le_bytes());
    }
    noise.truncate(length);
    noise
}

/// A transfer in either direction, between two paths.
pub(crate) type Transfer = fn(&Path, &Path, &Options) -> Result<Summary, TransferEnd>;

/// Both directions.
pub(crate) const BOTH: [(&str, Transfer); 2] = [
    ("put", |from, to, options| put_path(from, to, options)),
    ("get", |from, to, options| get_path(from, to, options)),
];
