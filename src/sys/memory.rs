//! How much memory is free, as far as the system tells it.

use std::path::{Path, PathBuf};

/// Bytes that this process may still take: what the machine has available, or what its container leaves it, if that is less.
/// None where the system does not tell (it is read from Linux' `/proc` and `/sys`).
pub fn available_memory() -> Option<u64> {
    let read = |path: &Path| std::fs::read_to_string(path).ok();
    let machine = meminfo(&read(Path::new("/proc/meminfo"))?)?;
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let left = groups.lines().flat_map(group_folders).filter_map(|folder| room_in(&|name| read(&folder.join(name))));
    Some(left.fold(machine, u64::min))
}

/// Gives what was freed back to the system, where the C library would keep it for this thread's next allocations.
///
/// Worth it after much was freed at once: other threads, which compute, take from elsewhere.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: it touches free memory only, and takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn meminfo(text: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

/// Where the limits stand that a line of `/proc/self/cgroup` speaks of: those of the group and of all that hold it.
fn group_folders(line: &str) -> Vec<PathBuf> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (kinds, group) = (parts.next().unwrap_or("-"), parts.next().unwrap_or("/"));
    let home = match kinds {
        "" => "/sys/fs/cgroup",
        kinds if kinds.split(',').any(|kind| kind == "memory") => "/sys/fs/cgroup/memory",
        _ => return Vec::new(),
    };
    let group = PathBuf::from(home).join(group.trim_start_matches('/'));
    group.ancestors().take_while(|folder| folder.starts_with(home)).map(Path::to_path_buf).collect()
}

/// What a group's limit leaves it, by what its files say (the second version of cgroups, or the first); none: no limit.
///
/// Files that the system keeps in memory to read them again sooner are given up when somebody asks for room.
fn room_in(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
    let (limit, used) = match number("memory.max") {
        Some(limit) => (limit, number("memory.current")?),
        None => (number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?),
    };
    let stat = read("memory.stat").unwrap_or_default();
    let kept = |name: &str| -> Option<u64> {
        let line = stat.lines().find(|line| line.split_whitespace().next() == Some(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let kept = kept("total_inactive_file").or(kept("inactive_file")).unwrap_or(0);
    Some(limit.saturating_sub(used.saturating_sub(kept)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_has_available_is_read() {
        let text = "MemTotal:       24684028 kB\nMemFree:  100 kB\nMemAvailable:       2000 kB\n";
        assert_eq!(meminfo(text), Some(2_048_000));
        assert_eq!(meminfo("MemTotal: 1 kB"), None);
    }

    #[test]
    fn a_container_leaves_its_limit_less_what_it_cannot_give_up() {
        let files = |wanted: &'static [(&str, &str)]| {
            move |name: &str| wanted.iter().find(|(known, _)| *known == name).map(|(_, text)| text.to_string())
        };
        let second = files(&[
            ("memory.max", "1000\n"),
            ("memory.current", "700\n"),
            ("memory.stat", "anon 5\ninactive_file 200\n"),
        ]);
        assert_eq!(room_in(&second), Some(500));
        assert_eq!(room_in(&files(&[("memory.max", "max\n"), ("memory.current", "700\n")])), None);
        let first = files(&[("memory.limit_in_bytes", "1000"), ("memory.usage_in_bytes", "900")]);
        assert_eq!(room_in(&first), Some(100));
    }

    #[test]
    fn a_groups_limit_and_those_of_the_groups_that_hold_it_count() {
        let shown = |line| group_folders(line).iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        assert_eq!(shown("0::/a/b"), ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"]);
        assert_eq!(shown("4:memory:/x"), ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory"]);
        assert!(shown("8:pids:/x").is_empty());
    }
}
