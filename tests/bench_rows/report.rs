//! The table, and the JSON document.

use std::{fmt::Write, fs};

use serde_json::json;

use crate::{
    machine::Machine,
    row::{Budget, Row, Summary},
};

/// A table that is also Markdown.
pub(crate) fn text(machine: &Machine, rows: &[Row], failed: &[&str]) -> String {
    let head = [
        "row",
        "unit",
        "floor (min–max)",
        "wxec (min–max)",
        "ratio",
        "budget",
        "",
    ]
    .map(String::from);
    let lines: Vec<_> = std::iter::once(head).chain(rows.iter().map(line)).collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = format!("{machine}\n\n");
    for (index, line) in lines.iter().enumerate() {
        let cells: Vec<_> = line
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if index == 0 {
            let rules: Vec<_> = widths.iter().map(|width| "-".repeat(*width)).collect();
            let _ = writeln!(text, "| {} |", rules.join(" | "));
        }
    }
    for job in failed {
        let _ = writeln!(text, "\n{job}: failed, see above");
    }
    text
}

/// The page, and the lines between which it has the current table.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance.md");
const BEGIN: &str = "<!-- tests/bench --markdown writes from here -->\n";
const END: &str = "<!-- to here -->\n";

/// Replaces the current table of docs/performance.md.
pub(crate) fn put_into_page(table: &str) {
    let page = fs::read_to_string(PAGE).expect("it is part of the source");
    let parts = page.split_once(BEGIN).and_then(|(before, rest)| {
        let (_, after) = rest.split_once(END)?;
        Some((before, after))
    });
    let (before, after) = parts.expect("the page marks the place");
    let page = format!("{before}{BEGIN}\n{table}\n{END}{after}");
    fs::write(PAGE, page).expect("the source can be written");
}

fn line(row: &Row) -> [String; 7] {
    let spread =
        |summary: Option<Summary>| summary.map_or_else(|| "–".into(), |summary| spread(&summary));
    let budget = match row.budget {
        Budget::None => "–".into(),
        Budget::Ratio(most) => format!("≤ {most} ×"),
        Budget::More(most) => format!("≤ floor + {}", figure(most)),
        Budget::Both(ratio, most) => format!("≤ {ratio} ×, ≤ {}", figure(most)),
        Budget::AtMost(most) => format!("≤ {}", figure(most)),
        Budget::AtLeast(least) => format!("≥ {}", figure(least)),
    };
    let verdict = row.is_ok().map_or("", |ok| if ok { "ok" } else { "over" });
    [
        row.name.clone(),
        row.unit.clone(),
        spread(row.floor()),
        spread(row.wxec()),
        row.ratio()
            .map_or_else(|| "–".into(), |ratio| format!("{:.2}", ratio.median)),
        budget,
        verdict.into(),
    ]
}

fn spread(summary: &Summary) -> String {
    match summary.n {
        1 => figure(summary.median),
        _ => format!(
            "{} ({}–{})",
            figure(summary.median),
            figure(summary.min),
            figure(summary.max)
        ),
    }
}

/// Three significant digits, or all digits of a larger whole part.
fn figure(figure: f64) -> String {
    match figure.abs() {
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        1.0.. => format!("{figure:.2}"),
        _ => format!("{figure:.3}"),
    }
}

pub(crate) fn json(machine: &Machine, rows: &[Row], failed: &[&str]) -> String {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            json!({
                "name": row.name,
                "unit": row.unit,
                "rounds": row.rounds.len(),
                "floor": row.floor(),
                "wxec": row.wxec(),
                "ratio": row.ratio(),
                "budget": match row.budget {
                    Budget::None => serde_json::Value::Null,
                    Budget::Ratio(most) => json!({ "ratio_at_most": most }),
                    Budget::More(most) => json!({ "above_floor_at_most": most }),
                    Budget::Both(ratio, most) => {
                        json!({ "ratio_at_most": ratio, "at_most": most })
                    }
                    Budget::AtMost(most) => json!({ "at_most": most }),
                    Budget::AtLeast(least) => json!({ "at_least": least }),
                },
                "ok": row.is_ok(),
            })
        })
        .collect();
    let document = json!({ "machine": machine, "rows": rows, "failed": failed });
    serde_json::to_string_pretty(&document).expect("it is plain data")
}
