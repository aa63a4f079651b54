//! The time that the processors spent on this program, and the time of the day.

/// Seconds of processor time of this process since it started, all its threads added up; 0 where the system does not tell.
pub fn cpu_seconds() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place to write to, and the call keeps no pointer to it.
    let told = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
    if told != 0 {
        return 0.0;
    }
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}

/// Where the reader is, this is the date and the time: `2026-03-09 14:05`; empty where the system does not tell.
pub fn date_and_time() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let now = now.as_secs() as libc::time_t;
    // SAFETY: all its fields are numbers or a pointer that nobody reads; zero is a value of each.
    let mut parts: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both point to valid places that live as long as the call.
    if unsafe { libc::localtime_r(&now, &mut parts) }.is_null() {
        return String::new();
    }
    let (year, month) = (parts.tm_year + 1900, parts.tm_mon + 1);
    format!("{year}-{month:02}-{:02} {:02}:{:02}", parts.tm_mday, parts.tm_hour, parts.tm_min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_written_as_it_sorts() {
        let now = date_and_time();
        let shape: String = now.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00 00:00");
        assert!(now.as_str() > "2025", "{now}");
    }

    #[test]
    fn work_takes_processor_time_and_sleep_does_not() {
        let begin = cpu_seconds();
        let started = std::time::Instant::now();
        let mut sum = 0u64;
        while started.elapsed().as_millis() < 60 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        // Other tests of the process run beside this one, so only a lower bound holds; a busy machine gives us less.
        assert!(cpu_seconds() - begin > 0.005, "{}", cpu_seconds() - begin);
    }
}
