//! One file from the Hub into the cache, in the layout that Python's tools read and write too.
//!
//! `blobs/ETAG` is the content, `snapshots/COMMIT/NAME` a link to it. While it comes it is `blobs/ETAG.incomplete`,
//! held by the lock that Python's tools hold as well; a download that broke goes on where it was.

use super::asked::{Asked, File};
use super::net::{header, is_redirect, Net, Trouble};
use super::places::Places;
use super::refusal::failed;
use crate::error::{Error, ErrorKind, Result};
use crate::sys::{io_error, stopped};
use crate::table::{lfs_pointer, LFS_POINTER};
use sha2::{Digest, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use ureq::http::Response;
use ureq::Body;

/// Bytes that are read at once.
const CHUNK: usize = 128 << 10;
/// Bytes after which a download that broke counts as one that goes on.
const MUCH: u64 = 1 << 20;
/// Pause between two looks at a lock, or at the wish to stop.
const LOOK: Duration = Duration::from_millis(100);

/// What a download needs to know.
pub(super) struct Transfer<'a> {
    pub(super) net: &'a Net,
    pub(super) places: &'a Places,
    pub(super) asked: &'a Asked,
    /// The commit that all files come from.
    pub(super) commit: &'a str,
}

/// Why one try to get a file did not bring it.
enum Failure {
    /// The network's doing: another try goes on.
    Net(Trouble),
    /// The content is not what the Hub promised, and what came of it is deleted. `resumed`: some came in an earlier try.
    Damaged { resumed: bool, error: Error },
    /// Another try would not help.
    Final(Error),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Failure::Net(trouble)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Final(error)
    }
}

/// Where the Hub says that a file is.
struct Found {
    etag: String,
    /// The file itself, or the redirect to where it is.
    response: Response<Body>,
    url: String,
    size: Option<u64>,
    sha256: Option<String>,
}

impl Transfer<'_> {
    /// Brings `file` into the cache; `came` is told how many of its bytes are here.
    pub(super) fn fetch(&self, file: &File, came: &mut dyn FnMut(u64)) -> Result<()> {
        let (mut tries, mut best, mut before) = (0, 0, 0);
        loop {
            let failure = match self.attempt(file, &mut |bytes| {
                best = bytes.max(best);
                came(bytes);
            }) {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let again = match &failure {
                Failure::Net(Trouble::Stopped) | Failure::Final(_) => false,
                Failure::Net(Trouble::Refused(refusal)) => refusal.status >= 500,
                Failure::Net(_) => true,
                Failure::Damaged { resumed, .. } => *resumed,
            };
            // A network that breaks often, and brings something each time, gets there.
            if best >= before + MUCH {
                (tries, before) = (0, best);
            }
            let Some(pause) = self.places.pauses.get(tries).filter(|_| again) else {
                return Err(self.told(failure, file));
            };
            tries += 1;
            let until = Instant::now() + *pause;
            while Instant::now() < until && !stopped() {
                std::thread::sleep(LOOK.min(*pause));
            }
        }
    }

    fn attempt(&self, file: &File, came: &mut dyn FnMut(u64)) -> std::result::Result<(), Failure> {
        let found = self.find(file)?;
        let cache = self.places.in_cache(&self.asked.repo());
        let blob = cache.blob_path(&found.etag);
        let link = cache.pointer_path(self.commit).join(&file.name);
        let unwritten = |path: &Path, error: io::Error| Failure::Final(self.unwritten(path, file, &error));
        for folder in [blob.parent(), link.parent()].into_iter().flatten() {
            fs::create_dir_all(folder).map_err(|error| unwritten(folder, error))?;
        }
        let lock = self.places.cache.join(".locks").join(self.asked.repo().folder_name());
        let _lock = lock_file(&lock, &found.etag)?;
        if !blob.is_file() {
            let part = blob.with_file_name(format!("{}.incomplete", found.etag));
            self.receive(found, file, &part, came)?;
            fs::rename(&part, &blob).map_err(|error| unwritten(&blob, error))?;
        }
        came(file.size);
        point(&link, &blob, file).map_err(|error| unwritten(&link, error))
    }

    /// Asks for the file. The Hub answers with it, or with the address of the store where it lies.
    fn find(&self, file: &File) -> std::result::Result<Found, Failure> {
        let url = self.asked.file_url(&file.name, self.commit, self.places);
        let answer = self.net.follow(&url, &[], false)?;
        let told = |name: &str| header(&answer.response, name);
        let linked = told("x-linked-etag").map(|etag| plain_etag(&etag));
        let etag = linked.clone().or_else(|| told("etag").map(|etag| plain_etag(&etag)));
        let Some(etag) = etag.filter(|etag| !etag.is_empty()) else {
            return Err(Trouble::Broken(tr!("Su respuesta no trae ETag.", "Its answer has no ETag.")).into());
        };
        let here = if is_redirect(answer.response.status()) { None } else { answer.response.body().content_length() };
        let size = told("x-linked-size").and_then(|size| size.parse().ok()).or(here);
        let sha256 = file.sha256.clone().or(linked).filter(|sha256| is_sha256(sha256));
        Ok(Found { etag, size, sha256, response: answer.response, url: answer.url })
    }

    /// Receives the file into `part`, after what is there of it, and checks the whole.
    fn receive(
        &self,
        found: Found,
        file: &File,
        part: &Path,
        came: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), Failure> {
        let unwritten = |error: io::Error| Failure::Final(self.unwritten(part, file, &error));
        let size = found.size.or(Some(file.size).filter(|size| *size > 0));
        let mut hash = Sha256::new();
        // Only what a checksum will prove at the end may be put together from parts.
        let there = match found.sha256 {
            Some(_) => hashed(part, &mut hash).map_err(unwritten)?,
            None => 0,
        };
        let whole = size == Some(there) && there > 0;
        let start = if size.is_some_and(|size| there > size) { 0 } else { there };
        let mut at = start;
        if !whole {
            let response = self.body(found.response, &found.url, start)?;
            if begins_at(&response) != start {
                at = 0;
            }
            if at == 0 {
                hash = Sha256::new();
            }
            self.stream(response, file, part, &mut hash, &mut at, came)?;
        }
        if size.is_some_and(|size| at < size) {
            return Err(Trouble::Broken(tr!("Llegó cortado.", "It came cut short.")).into());
        }
        let has: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        let error = match &found.sha256 {
            Some(sha256) if !sha256.eq_ignore_ascii_case(&has) => self.wrong_content(file, &has, sha256),
            None if is_pointer(part) => lfs_pointer(&format!("{}/{}", self.asked.name, file.name)),
            _ => return Ok(()),
        };
        let _ = fs::remove_file(part);
        Err(Failure::Damaged { resumed: start > 0, error })
    }

    /// The answer that holds the file from the byte `start`.
    fn body(&self, first: Response<Body>, url: &str, start: u64) -> std::result::Result<Response<Body>, Failure> {
        if start == 0 && !is_redirect(first.status()) {
            return Ok(first);
        }
        drop(first);
        let range = [("range", format!("bytes={start}-"))];
        let answer = self.net.follow(url, if start > 0 { &range } else { &[] }, true);
        match answer {
            // No such range: what is there is of something else.
            Err(Trouble::Refused(refusal)) if refusal.status == 416 && start > 0 => {
                Ok(self.net.follow(url, &[], true)?.response)
            }
            answer => Ok(answer?.response),
        }
    }

    /// Writes what comes into `part` from the byte `at` on.
    fn stream(
        &self,
        response: Response<Body>,
        file: &File,
        part: &Path,
        hash: &mut Sha256,
        at: &mut u64,
        came: &mut dyn FnMut(u64),
    ) -> std::result::Result<(), Failure> {
        let unwritten = |error: io::Error| Failure::Final(self.unwritten(part, file, &error));
        let mut out = OpenOptions::new().create(true).append(true).open(part).map_err(unwritten)?;
        if *at == 0 && out.metadata().map_err(unwritten)?.len() > 0 {
            out.set_len(0).map_err(unwritten)?;
        }
        let mut body = response.into_body().into_with_config().limit(u64::MAX).reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            came(*at);
            let read = body.read(&mut chunk).map_err(|error| self.net.body_trouble(error))?;
            if read == 0 {
                return out.sync_all().or_else(unsyncable).map_err(unwritten);
            }
            out.write_all(&chunk[..read]).map_err(unwritten)?;
            hash.update(&chunk[..read]);
            *at += read as u64;
        }
    }

    fn told(&self, failure: Failure, file: &File) -> Error {
        let file = &file.name;
        match failure {
            Failure::Net(trouble @ (Trouble::Silent(_) | Trouble::Broken(_))) => {
                let name = &self.asked.name;
                let why = match trouble {
                    Trouble::Broken(why) => self.places.scrubbed(&why),
                    _ => tr!("La red no trae nada más.", "The network brings nothing more."),
                };
                let what = tr!(
                    "La descarga de «{name}» se cortó en {file}.",
                    "The download of \"{name}\" broke off at {file}."
                );
                Error::new(ErrorKind::System, what).why(why).next(tr!(
                    "Ejecuta la celda otra vez: sigue donde se quedó.",
                    "Run the cell again: it goes on where it stopped."
                ))
            }
            Failure::Net(trouble) => failed(trouble, self.asked, self.net, self.places),
            Failure::Damaged { error, .. } | Failure::Final(error) => error,
        }
    }

    fn wrong_content(&self, file: &File, has: &str, expected: &str) -> Error {
        let (name, file) = (&self.asked.name, &file.name);
        let what = tr!("{file} de «{name}» llegó dañado.", "{file} of \"{name}\" came damaged.");
        let why = tr!("Su SHA-256 es {has} y debía ser {expected}.", "Its SHA-256 is {has} and was to be {expected}.");
        Error::new(ErrorKind::BadData, what).why(why).next(tr!(
            "Lo que llegó se borró. Ejecuta la celda otra vez; si se repite, algo en tu red cambia los archivos: prueba en otra.",
            "What came was deleted. Run the cell again; if it happens again, something in your network changes files: try another."
        ))
    }

    fn unwritten(&self, path: &Path, file: &File, error: &io::Error) -> Error {
        if !matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return io_error(path, "guardar", "save", error);
        }
        let (name, cache) = (&self.asked.name, self.places.cache.display());
        let (file, megabytes) = (&file.name, file.size.div_ceil(1_000_000));
        let what = tr!(
            "No cabe en el disco: {file} de «{name}» ocupa {megabytes} MB.",
            "The disk is full: {file} of \"{name}\" takes {megabytes} MB."
        );
        Error::new(ErrorKind::System, what).why(error).next(tr!(
            "Libera espacio, o pon la caché en otro disco con HF_HUB_CACHE (ahora está en {cache}), y ejecuta la celda otra vez: sigue donde se quedó.",
            "Free some space, or put the cache on another disk with HF_HUB_CACHE (it is in {cache}), and run the cell again: it goes on where it stopped."
        ))
    }
}

/// A device has nothing to bring to the disk.
fn unsyncable(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::InvalidInput => Ok(()),
        _ => Err(error),
    }
}

/// Waits for the right to write what has this etag; it ends when the file is dropped.
fn lock_file(folder: &Path, etag: &str) -> std::result::Result<Option<fs::File>, Failure> {
    let open = || {
        fs::create_dir_all(folder)?;
        OpenOptions::new().create(true).append(true).open(folder.join(format!("{etag}.lock")))
    };
    // Where there can be no locks, two downloads at once are the reader's to avoid.
    let Ok(file) = open() else { return Ok(None) };
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(fs::TryLockError::Error(_)) => return Ok(None),
            Err(fs::TryLockError::WouldBlock) if stopped() => return Err(Trouble::Stopped.into()),
            Err(fs::TryLockError::WouldBlock) => std::thread::sleep(LOOK),
        }
    }
}

/// Hashes what there is of a file, and counts it.
fn hashed(part: &Path, hash: &mut Sha256) -> io::Result<u64> {
    let mut file = match fs::File::open(part) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        // What is no file, such as a device, holds nothing of ours.
        file => file?,
    };
    if !file.metadata()?.is_file() {
        return Ok(0);
    }
    let (mut chunk, mut sum) = (vec![0; CHUNK], 0);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(sum),
            read => {
                hash.update(&chunk[..read]);
                sum += read as u64;
            }
        }
    }
}

/// The link from the commit's folder to the content, by a path that still leads there when the cache is moved.
fn point(link: &Path, blob: &Path, file: &File) -> io::Result<()> {
    if link.exists() {
        return Ok(());
    }
    let _ = fs::remove_file(link); // one that leads nowhere any more
    let up = "../".repeat(file.name.split('/').count() + 1);
    let name = blob.file_name().unwrap_or_default().to_string_lossy();
    linked(&PathBuf::from(format!("{up}blobs/{name}")), link).or_else(|_| fs::copy(blob, link).map(drop))
}

#[cfg(unix)]
fn linked(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn linked(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// As huggingface_hub makes a name of it; nothing in it may be a path.
fn plain_etag(etag: &str) -> String {
    let etag = etag.trim_start_matches("W/").trim_matches('"');
    etag.replace(['/', '\\'], "-").trim_start_matches('.').to_string()
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The first byte of the file that an answer holds.
fn begins_at(response: &Response<Body>) -> u64 {
    let range = header(response, "content-range").filter(|_| response.status().as_u16() == 206);
    let start = range.and_then(|range| range.trim_start_matches("bytes ").split('-').next()?.parse().ok());
    start.unwrap_or(0)
}

fn is_pointer(path: &Path) -> bool {
    let mut start = vec![0; LFS_POINTER.len()];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == LFS_POINTER
}
