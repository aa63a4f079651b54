//! The time that the processors spent on this program.

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

#[cfg(test)]
mod tests {
    use super::*;

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
