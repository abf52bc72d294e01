//! Times and sizes as people write them: `500ms`, `2m`, `64MiB`.

use std::time::Duration;

/// Reads a time such as `500ms`, `1.5s`, `2m` or `1h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = split(text);
    let seconds_each = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err("write a time such as `500ms`, `1s` or `2m`".into()),
    };
    let number: f64 = number
        .parse()
        .map_err(|_| "write a time such as `500ms`, `1s` or `2m`".to_owned())?;
    let duration =
        Duration::try_from_secs_f64(number * seconds_each).map_err(|error| error.to_string())?;
    if duration < Duration::from_millis(1) {
        Err("a millisecond is the shortest time".into())
    } else {
        Ok(duration)
    }
}

/// Reads a size such as `64MiB`, `1GB` or `4096`, in bytes.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let error = || "write a size such as `64MiB`, `1GiB` or `4096`".to_owned();
    let (number, unit) = split(text);
    let bytes_each: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err(error()),
    };
    let number: u64 = number.parse().map_err(|_| error())?;
    number
        .checked_mul(bytes_each)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(error)
}

fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    (number, unit.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, ms) in [
            ("500ms", 500),
            ("1s", 1000),
            ("1.5s", 1500),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("3 s", 3000),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_millis(ms)),
                "{text}"
            );
        }
        for text in [
            "",
            "1",
            "s",
            "-1s",
            "1d",
            "0s",
            "1.2.3s",
            "99999999999999999999h",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("64MiB", 64 << 20),
            ("1GiB", 1 << 30),
            ("4096", 4096),
            ("1kb", 1000),
            ("2M", 2 << 20),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "1.5GiB", "-1", "0", "1TiBs", "99999999999GiB"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
