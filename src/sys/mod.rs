//! What needs the operating system: settings from the environment, folders written whole or not at all, and the way
//! from the process of the cells to the kernel's relay.

mod clock;
mod descriptors;
mod exchange;
mod flush;
mod marks;
mod memory;
pub(crate) mod relay;
mod stop;
mod tapped;

use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

pub use clock::{cpu_seconds, date_and_time};
pub use descriptors::stop_on_ctrl_c;
pub use memory::{available_memory, give_back_memory};
pub use stop::{ask_to_stop, forget_stop, stopped, stopped_error};

/// True under the short preset (`AULA_SHORT=1`), in which lessons run on few rows and few steps.
pub fn short_preset() -> bool {
    std::env::var("AULA_SHORT").is_ok_and(|value| !value.is_empty() && value != "0")
}

/// Caps `wanted` under the short preset, and says so.
pub fn capped(wanted: usize, cap: usize, what_es: &str, what_en: &str) -> usize {
    if !short_preset() || wanted <= cap {
        return wanted;
    }
    let what = if crate::lang::spanish() { what_es } else { what_en };
    println!(
        "{}",
        tr!(
            "(modo corto, AULA_SHORT: {cap} de {wanted} {what})",
            "(short preset, AULA_SHORT: {cap} of {wanted} {what})"
        )
    );
    cap
}

/// What the kernel runs before the first cell: connects to the kernel's relay where there is one; a panic then tells
/// its message and place, without a page of backtrace.
pub fn start_notebook() {
    relay::connect();
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload().downcast_ref::<&str>().map(|text| text.to_string());
        let message = message.or_else(|| panic.payload().downcast_ref::<String>().cloned()).unwrap_or_default();
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let told = tr!(
            "✗ El código entró en pánico: {message}\n  en {place}\n  → Corrige la celda y ejecútala otra vez: las variables de celdas anteriores siguen ahí.",
            "✗ The code panicked: {message}\n  at {place}\n  → Mend the cell and run it again: the variables of earlier cells are still there."
        );
        // All at once: it must not be mixed with what another thread writes.
        let _ = std::io::Write::write_all(&mut io::stderr(), format!("{told}\n").as_bytes());
    }));
}

/// How many threads computations use.
pub fn threads() -> usize {
    rayon::current_num_threads()
}

/// Runs each job on a core of its own, in which parallel loops run on that core alone; results come in the jobs' order.
///
/// Splitting a batch this way leaves nothing to wait for inside it: two cores do the work of two.
pub fn on_each_core<T: Send>(jobs: Vec<Box<dyn FnOnce() -> T + Send + '_>>) -> Vec<T> {
    static POOLS: std::sync::OnceLock<Vec<rayon::ThreadPool>> = std::sync::OnceLock::new();
    let one = |_| rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
    let pools = POOLS.get_or_init(|| (0..threads()).filter_map(one).collect());
    if pools.is_empty() || jobs.len() < 2 {
        return jobs.into_iter().map(|job| job()).collect();
    }
    let mut results: Vec<Option<T>> = jobs.iter().map(|_| None).collect();
    std::thread::scope(|scope| {
        for (i, (job, result)) in jobs.into_iter().zip(&mut results).enumerate() {
            let pool = &pools[i % pools.len()];
            scope.spawn(move || *result = Some(pool.install(job)));
        }
    });
    results.into_iter().flatten().collect()
}

/// Runs `work` on one of the threads that parallel loops share. From there such a loop begins at once; from outside each
/// would wake a thread and wait for it, which is most of a small loop's time.
pub fn on_worker<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// The processor's name, as the system tells it.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split(':').nth(1)).unwrap_or(std::env::consts::ARCH);
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// An error of the system about a path, with what to do where we know it.
pub fn io_error(path: &Path, doing_es: &str, doing_en: &str, error: &io::Error) -> Error {
    let shown = path.display();
    let doing = if crate::lang::spanish() { doing_es } else { doing_en };
    let what =
        Error::new(ErrorKind::System, tr!("No pude {doing} {shown}.", "I could not {doing} {shown}.")).why(error);
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => what.next(tr!(
            "El disco está lleno: libera espacio y ejecuta la celda otra vez. Lo que había antes sigue entero.",
            "The disk is full: free some space and run the cell again. What was there before is untouched."
        )),
        io::ErrorKind::PermissionDenied => what.next(tr!(
            "No tienes permiso para escribir ahí: elige otra carpeta.",
            "You may not write there: choose another folder."
        )),
        _ => what.next(tr!(
            "Mira si la ruta está bien escrita y si el disco responde, y prueba otra vez.",
            "See whether the path is written well and the disk answers, and try again."
        )),
    }
}

/// Writes a folder whole or not at all: `fill` writes into a new folder beside `path`, which then takes its place.
///
/// Whatever fails, the old folder stays as it was. A folder that holds anything not in `known` is not replaced:
/// somebody else's files are in it. A `*` in `known` stands for anything.
pub fn write_folder(path: &Path, known: &[&str], fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    refuse_strangers(path, known)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let failed = |path: &Path, error: &io::Error| io_error(path, "guardar", "save", error);
    std::fs::create_dir_all(&parent).map_err(|error| failed(&parent, &error))?;
    let fresh = parent.join(format!(".{name}.new-{}", std::process::id()));
    let old = parent.join(format!(".{name}.old-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&fresh);
    let written = std::fs::create_dir(&fresh).map_err(|error| failed(path, &error)).and_then(|()| fill(&fresh));
    if let Err(error) = written {
        let _ = std::fs::remove_dir_all(&fresh);
        return Err(error.renamed(&fresh.display().to_string(), &path.display().to_string()));
    }
    if path.exists() && exchange::exchange(&fresh, path).is_ok() {
        let _ = std::fs::remove_dir_all(&fresh); // what was there before
        return Ok(());
    }
    // Where the two cannot change places at once there is a moment without either; after a crash in it, both lie beside.
    if path.exists() {
        std::fs::rename(path, &old).map_err(|error| failed(path, &error))?;
    }
    if let Err(error) = std::fs::rename(&fresh, path) {
        let _ = std::fs::rename(&old, path);
        let _ = std::fs::remove_dir_all(&fresh);
        return Err(failed(path, &error));
    }
    let _ = std::fs::remove_dir_all(&old);
    Ok(())
}

fn refuse_strangers(path: &Path, known: &[&str]) -> Result<()> {
    let shown = path.display();
    let next = tr!("Elige otro nombre.", "Choose another name.");
    if path.is_file() {
        return Err(Error::new(
            ErrorKind::System,
            tr!("{shown} ya existe y es un archivo.", "{shown} exists and is a file."),
        )
        .next(next));
    }
    let Ok(entries) = std::fs::read_dir(path) else { return Ok(()) };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is = |name: &str, known: &str| match known.split_once('*') {
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
        None => name == known,
    };
    let strangers: Vec<String> = names.filter(|name| !known.iter().any(|known| is(name, known))).collect();
    if strangers.is_empty() {
        return Ok(());
    }
    let list = strangers.join(", ");
    Err(Error::new(
        ErrorKind::System,
        tr!(
            "No escribo sobre la carpeta {shown}: tiene otras cosas ({list}).",
            "I will not write over the folder {shown}: it holds other things ({list})."
        ),
    )
    .next(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_save_leaves_the_old_folder_whole() -> Result<()> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("modelo");
        write_folder(&path, &["a"], |f| std::fs::write(f.join("a"), "1").map_err(|e| io_error(f, "", "", &e)))?;
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = write_folder(&path, &["a"], |f| {
            std::fs::write(f.join("a"), "half").map_err(|e| io_error(f, "", "", &e))?;
            Err(io_error(&f.join("a"), "guardar", "save", &full))
        })
        .unwrap_err();
        let asked = path.join("a").display().to_string();
        assert!(error.to_string().contains("→") && error.to_string().contains(&asked), "{error}");
        assert_eq!(std::fs::read_to_string(path.join("a")).unwrap(), "1");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left beside it");
        Ok(())
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn whoever_reads_while_a_folder_is_replaced_finds_the_old_one_or_the_new_one() -> Result<()> {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("modelo");
        let write = |text: &str| {
            write_folder(&path, &["a"], |f| std::fs::write(f.join("a"), text).map_err(|e| io_error(f, "", "", &e)))
        };
        write("0")?;
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (path, over) = (&path, &over);
            let reader = scope.spawn(move || {
                let (mut looked, mut missed) = (0, 0);
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    looked += 1;
                    missed += usize::from(!path.is_dir());
                }
                (looked, missed)
            });
            let written = (0..300).try_for_each(|i| write(&i.to_string()));
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            let (looked, missed) = reader.join().unwrap();
            assert!(looked > 100 && missed == 0, "missed {missed} times of {looked}");
            written
        })
    }

    #[test]
    fn a_folder_with_other_things_is_not_replaced() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("tesis.txt"), "years of work").unwrap();
        let error = write_folder(home.path(), &["config.json"], |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("tesis.txt"), "{error}");
        assert!(home.path().join("tesis.txt").exists());
    }
}
