//! The machine's memory, disk and cores, as far as they can be asked without more crates.

use crate::process::{command, first_line};
use std::path::Path;

/// Memory in bytes, all of it.
pub fn memory() -> Option<u64> {
    meminfo("MemTotal:").or_else(|| {
        let text = first_line(command("sysctl").args(["-n", "hw.memsize"]))?;
        text.parse().ok()
    })
}

/// Memory in bytes that programs can still take; only Linux tells.
pub fn free_memory() -> Option<u64> {
    meminfo("MemAvailable:")
}

fn meminfo(name: &str) -> Option<u64> {
    field(&std::fs::read_to_string("/proc/meminfo").ok()?, name)
}

/// A value of `/proc/meminfo` or `/proc/PID/status`, in bytes.
pub fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kilobytes: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kilobytes * 1024)
}

/// Bytes free on the disk that holds `path`.
pub fn free_disk(path: &Path) -> Option<u64> {
    let output = command("df").arg("-Pk").arg(path).output().ok()?;
    df_free(&String::from_utf8_lossy(&output.stdout))
}

/// The fourth field of the last line of `df -Pk`, from the right since a device's name may have spaces.
fn df_free(text: &str) -> Option<u64> {
    let line = text.lines().last()?;
    let percent = line.split_whitespace().position(|word| word.ends_with('%'))?;
    let free = line.split_whitespace().nth(percent.checked_sub(1)?)?;
    Some(free.parse::<u64>().ok()? * 1024)
}

/// Processors that this program may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The processor's name.
pub fn processor() -> Option<String> {
    let told = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor_in(&text));
    told.or_else(|| first_line(command("sysctl").args(["-n", "machdep.cpu.brand_string"])))
}

/// The first `model name` of `/proc/cpuinfo`.
fn processor_in(text: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, name)| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// Whether this is the superuser, whom Jupyter lets in only when told so.
pub fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(field("MemTotal:       1000 kB\nMemFree: 10 kB\n", "MemFree:"), Some(10_240));
        assert_eq!(field("", "MemFree:"), None);
    }

    #[test]
    fn the_processor_has_the_name_that_the_system_gives_it() {
        let text = "processor\t: 0\nmodel name\t: AMD EPYC 7\nflags\t: fpu\n\nmodel name\t: AMD EPYC 7\n";
        assert_eq!(processor_in(text).as_deref(), Some("AMD EPYC 7"));
        assert_eq!(processor_in("processor\t: 0\n"), None);
    }

    #[test]
    fn free_disk_is_read_even_when_the_device_has_spaces() {
        let text = "Filesystem 1024-blocks Used Available Capacity Mounted on\nmy disk 100 40 60 40% /a b\n";
        assert_eq!(df_free(text), Some(60 * 1024));
    }
}
