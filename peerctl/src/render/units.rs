//! Times, rates and amounts for people.

use std::time::Duration;

use proto::Timestamp;
use proto::ids::{ByteCount, Rate};

/// How long ago a point in time was, in its largest unit.
pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    match passed(then, now).as_secs() {
        0 => "just now".to_owned(),
        seconds => format!("{} ago", rough(seconds)),
    }
}

/// How long something has been so.
pub(crate) fn lasting(since: Timestamp, now: Timestamp) -> String {
    rough(passed(since, now).as_secs())
}

/// Clocks of two machines: a moment that is still to come was just now.
fn passed(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}

fn rough(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A span of time: `0.35 s`, `12 s`, `3:05`, `1:02:03`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds < 10.0 { format!("{:.2} s", seconds.max(0.0)) } else { whole_duration(seconds) }
}

/// A span of time to the second, rounded down.
pub(crate) fn whole_duration(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.min(1e15)).unwrap_or_default().as_secs();
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m}:{s:02}"),
        (h, m, s) => format!("{h}:{m:02}:{s:02}"),
    }
}

/// Bytes per second.
pub(crate) fn rate(bytes_per_second: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates; two digits are shown")]
    let whole = bytes_per_second.max(0.0) as u64;
    Rate::bytes_per_second(whole).to_string()
}

/// How much of a whole is done, in percent, rounded down: 100 % is all of it.
pub(crate) fn share(done: ByteCount, whole: ByteCount) -> String {
    let percent = if whole.as_u64() == 0 { 100 } else { u128::from(done.as_u64()) * 100 / u128::from(whole.as_u64()) };
    format!("{}%", percent.min(100))
}

/// `1 file`, `2 files`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (seconds, text) in
            [(0.354, "0.35 s"), (12.9, "12 s"), (185.0, "3:05"), (3723.0, "1:02:03"), (-1.0, "0.00 s")]
        {
            assert_eq!(duration(seconds), text);
        }
        assert_eq!(whole_duration(f64::NAN.ceil()), whole_duration(1e15));
        assert_eq!(whole_duration(9.6), "9 s");
        assert!(duration(f64::MAX).ends_with(":40"), "{}", duration(f64::MAX));
    }

    #[test]
    fn moments() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        for (then, text) in [
            ("2026-01-02T03:04:05.9Z", "just now"),
            ("2026-01-02T03:04:01Z", "4 s ago"),
            ("2026-01-02T02:00:05Z", "1 h ago"),
            ("2025-12-31T03:04:05Z", "2 d ago"),
        ] {
            assert_eq!(ago(then.parse().unwrap(), now), text);
        }
    }

    #[test]
    fn only_all_of_it_is_everything() {
        assert_eq!(share(ByteCount::new(999), ByteCount::new(1000)), "99%");
        assert_eq!(share(ByteCount::new(u64::MAX), ByteCount::new(u64::MAX)), "100%");
        assert_eq!(share(ByteCount::ZERO, ByteCount::ZERO), "100%");
    }
}
