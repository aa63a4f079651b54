//! Two folders that change places in one step, so that a name never stands for nothing in between.

use std::io;
use std::path::Path;

/// Exchanges what two paths stand for, at once. An error where the system or the disk's format cannot.
#[cfg(any(target_os = "linux", target_os = "macos"))]
pub(super) fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let text = |path: &Path| std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other);
    let (one, other) = (text(one)?, text(other)?);
    let (one, other) = (one.as_ptr(), other.as_ptr());
    // SAFETY: both pointers are of strings that end with a zero and live to the end of this function; the call keeps neither.
    #[cfg(target_os = "linux")]
    let done = unsafe { libc::renameat2(libc::AT_FDCWD, one, libc::AT_FDCWD, other, libc::RENAME_EXCHANGE) };
    // SAFETY: as above.
    #[cfg(target_os = "macos")]
    let done = unsafe { libc::renamex_np(one, other, libc::RENAME_SWAP) };
    match done {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// As above, where there is no such call.
#[cfg(not(any(target_os = "linux", target_os = "macos")))]
pub(super) fn exchange(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    fn both_names_are_there_afterwards_with_each_others_contents() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for name in ["uno ñ", "dos"] {
            std::fs::create_dir(at(name)).unwrap();
            std::fs::write(at(name).join("a"), name).unwrap();
        }
        exchange(&at("uno ñ"), &at("dos")).unwrap();
        assert_eq!(std::fs::read_to_string(at("dos").join("a")).unwrap(), "uno ñ");
        assert_eq!(std::fs::read_to_string(at("uno ñ").join("a")).unwrap(), "dos");
        assert!(exchange(&at("dos"), &at("no")).is_err());
        assert!(at("dos").exists());
    }
}
