//! Times and sizes as people write them: `500ms`, `2m`, `64MiB`.

use std::time::Duration;

pub(crate) use wxec::inventory::{parse_duration as duration, parse_size as size};

/// A size for people, such as `121.4 KiB`.
pub(crate) fn show_size(bytes: u64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        reason = "one digit after the point is shown"
    )]
    let bytes = bytes as f64;
    match bytes {
        ..1024.0 => format!("{bytes} B"),
        ..1_048_576.0 => format!("{:.1} KiB", bytes / 1024.0),
        ..1_073_741_824.0 => format!("{:.1} MiB", bytes / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes / 1_073_741_824.0),
    }
}

/// A time for people, such as `35 ms` or `1.20 s`.
pub(crate) fn show_duration(duration: Duration) -> String {
    match duration.as_millis() {
        millis @ ..1000 => format!("{millis} ms"),
        _ => format!("{:.2} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_shown() {
        assert_eq!(
            [0, 1023, 124_313, 64 << 20, 5 << 30].map(show_size),
            ["0 B", "1023 B", "121.4 KiB", "64.0 MiB", "5.0 GiB"]
        );
    }
}
