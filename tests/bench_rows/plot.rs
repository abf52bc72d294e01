//! Diagrams of growth, as an SVG picture: four panels, both axes logarithmic.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

/// One diagram.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Panel {
    pub(crate) title: String,
    /// What is on the axes, with units.
    pub(crate) axes: [String; 2],
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// All figures are positive.
    pub(crate) points: Vec<(f64, f64)>,
}

/// The size of a panel with its margins, and of the area inside that lines may use.
const PANEL: (f64, f64) = (440.0, 300.0);
const AREA: (f64, f64) = (340.0, 210.0);
/// The upper left corner of the area.
const CORNER: (f64, f64) = (70.0, 35.0);
const PER_ROW: usize = 2;

/// Can be told apart by most people, on white and on black.
const COLOURS: [&str; 4] = ["#d55e00", "#0072b2", "#009e73", "gray"];

/// Draws the panels; `caption` is the last line.
pub(crate) fn svg(panels: &[Panel], caption: &str) -> String {
    let rows = panels.len().div_ceil(PER_ROW);
    let (width, height) = (PANEL.0 * float(PER_ROW), PANEL.1 * float(rows) + 24.0);
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11" fill="gray">"#
    );
    svg.push('\n');
    for (index, panel) in panels.iter().enumerate() {
        let (x, y) = (
            float(index % PER_ROW) * PANEL.0,
            float(index / PER_ROW) * PANEL.1,
        );
        let _ = writeln!(svg, r#"<g transform="translate({x} {y})">"#);
        draw(&mut svg, panel);
        svg.push_str("</g>\n");
    }
    text(&mut svg, (10.0, height - 8.0), "start", caption);
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel) {
    let points = || panel.lines.iter().flat_map(|line| &line.points);
    let scales = [
        Scale::of(points().map(|point| point.0), AREA.0),
        Scale::of(points().map(|point| point.1), AREA.1),
    ];
    let bottom = CORNER.1 + AREA.1;
    text(svg, (CORNER.0, 20.0), "start", &panel.title);
    text(
        svg,
        (CORNER.0 + AREA.0, bottom + 32.0),
        "end",
        &panel.axes[0],
    );
    text(svg, (CORNER.0 - 60.0, 20.0), "start", &panel.axes[1]);
    for power in scales[0].powers() {
        let x = CORNER.0 + scales[0].place(10f64.powi(power));
        rule(svg, (x, CORNER.1), (x, bottom));
        text(svg, (x, bottom + 15.0), "middle", &label(power));
    }
    for power in scales[1].powers() {
        let y = bottom - scales[1].place(10f64.powi(power));
        rule(svg, (CORNER.0, y), (CORNER.0 + AREA.0, y));
        text(svg, (CORNER.0 - 6.0, y + 4.0), "end", &label(power));
    }
    for ((index, line), colour) in panel.lines.iter().enumerate().zip(COLOURS) {
        let place = |&(x, y): &(f64, f64)| {
            format!(
                "{:.1},{:.1}",
                CORNER.0 + scales[0].place(x),
                bottom - scales[1].place(y)
            )
        };
        let points: Vec<_> = line.points.iter().map(place).collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            points.join(" ")
        );
        // The lower right corner is free: what grows is up there.
        let (x, y) = (CORNER.0 + AREA.0 - 8.0, bottom - 8.0 - 14.0 * float(index));
        let _ = writeln!(
            svg,
            r#"<text x="{x}" y="{y}" text-anchor="end" fill="{colour}">{}</text>"#,
            line.name
        );
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
    );
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(
        svg,
        r#"<path d="M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}" stroke="gray" stroke-opacity=".3"/>"#
    );
}

/// A power of ten, as people write it.
fn label(power: i32) -> String {
    match power {
        9.. => format!("10^{power}"),
        6..9 => format!("{} M", 10i32.pow(power.unsigned_abs() - 6)),
        3..6 => format!("{} k", 10i32.pow(power.unsigned_abs() - 3)),
        _ => 10f64.powi(power).to_string(),
    }
}

/// A logarithmic axis over whole powers of ten.
struct Scale {
    low: f64,
    high: f64,
    length: f64,
}

impl Scale {
    fn of(figures: impl Iterator<Item = f64>, length: f64) -> Self {
        let (low, high) =
            figures.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), figure| {
                (
                    low.min(figure.log10().floor()),
                    high.max(figure.log10().ceil()),
                )
            });
        Self {
            low,
            high: high.max(low + 1.0),
            length,
        }
    }

    fn place(&self, figure: f64) -> f64 {
        (figure.log10() - self.low) / (self.high - self.low) * self.length
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "powers of ten that a f64 holds are below 309"
    )]
    fn powers(&self) -> impl Iterator<Item = i32> + use<> {
        self.low as i32..=self.high as i32
    }
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("it is a small number"))
}
