//! A picture of cost over size, as SVG, on two logarithmic scales.
//!
//! Its colours are readable on a light page and on a dark one, and it has no background.

use std::fmt::Write as _;

/// One diagram.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) curves: Vec<Curve>,
}

/// One line in a diagram.
#[derive(Debug)]
pub(crate) struct Curve {
    pub(crate) name: &'static str,
    pub(crate) colour: &'static str,
    pub(crate) dashed: bool,
    /// From the smallest size on: the size and its cost.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws the panels side by side, over one legend: all have the same curves.
pub(crate) fn draw(panels: &[Panel], x_axis: &str, y_axis: &str) -> String {
    let costs = panels.iter().flat_map(|panel| &panel.curves).flat_map(|curve| &curve.points);
    let highest = costs.map(|(_, cost)| *cost).fold(1.0, f64::max);
    let top = highest.log10().ceil();
    let width = panels.iter().fold(0.0, |width, _| width + PANEL_WIDTH);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" \
         font-family=\"sans-serif\" font-size=\"12\" fill=\"{INK}\">\n"
    );
    let mut left = 0.0;
    for panel in panels {
        writeln!(text, "<g transform=\"translate({left} 0)\">").expect(TAKES_ALL);
        panel.draw(&mut text, top, x_axis, y_axis);
        text.push_str("</g>\n");
        left += PANEL_WIDTH;
    }
    legend(&mut text, panels);
    text + "</svg>\n"
}

impl Panel {
    fn draw(&self, text: &mut String, top: f64, x_axis: &str, y_axis: &str) {
        let (middle, foot) = (f64::midpoint(LEFT, RIGHT), BOTTOM + 38.0);
        let centre = f64::midpoint(TOP, BOTTOM);
        label(text, middle, TOP - 12.0, "middle", &self.title);
        label(text, middle, foot, "middle", x_axis);
        writeln!(
            text,
            "<text transform=\"translate(16 {centre}) rotate(-90)\" text-anchor=\"middle\">\
             {y_axis}</text>"
        )
        .expect(TAKES_ALL);
        for (size, name) in SIZES {
            let x = x_of(*size);
            stroke(text, &[(x, TOP), (x, BOTTOM)], GRID);
            label(text, x, BOTTOM + 16.0, "middle", name);
        }
        for (cost, name) in COSTS.iter().filter(|(cost, _)| cost.log10() <= top) {
            let y = y_of(*cost, top);
            stroke(text, &[(LEFT, y), (RIGHT, y)], GRID);
            label(text, LEFT - 6.0, y + 4.0, "end", name);
        }
        for curve in &self.curves {
            curve.draw(text, top);
        }
    }
}

impl Curve {
    fn draw(&self, text: &mut String, top: f64) {
        let points: Vec<(f64, f64)> =
            self.points.iter().map(|(size, cost)| (x_of(*size), y_of(*cost, top))).collect();
        stroke(text, &points, &self.pen());
        for ((x, y), (size, cost)) in points.iter().zip(&self.points) {
            writeln!(
                text,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{}\">\
                 <title>{}: {size} routers, {cost:.2}</title></circle>",
                self.colour, self.name
            )
            .expect(TAKES_ALL);
        }
    }

    fn pen(&self) -> String {
        let dashes = if self.dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        format!("stroke=\"{}\" stroke-width=\"2\"{dashes}", self.colour)
    }
}

fn legend(text: &mut String, panels: &[Panel]) {
    let mut x = LEFT;
    for curve in panels.first().map_or(&[][..], |panel| &panel.curves) {
        stroke(text, &[(x, LEGEND), (x + 28.0, LEGEND)], &curve.pen());
        label(text, x + 34.0, LEGEND + 4.0, "start", curve.name);
        x += LEGEND_STEP;
    }
}

fn stroke(text: &mut String, points: &[(f64, f64)], pen: &str) {
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
    writeln!(text, "<polyline points=\"{}\" fill=\"none\" {pen}/>", points.join(" "))
        .expect(TAKES_ALL);
}

fn label(text: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    writeln!(text, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>")
        .expect(TAKES_ALL);
}

fn x_of(size: f64) -> f64 {
    LEFT + (RIGHT - LEFT) * size.log2() / LARGEST.log2()
}

/// A cost below the lowest line lies on it.
fn y_of(cost: f64, top: f64) -> f64 {
    let exponent = cost.log10().max(LEAST_EXPONENT);
    BOTTOM - (BOTTOM - TOP) * (exponent - LEAST_EXPONENT) / (top - LEAST_EXPONENT)
}

/// Grey that can be read on white and on black.
const INK: &str = "#808080";
const GRID: &str = "stroke=\"#808080\" stroke-opacity=\"0.3\"";

const SIZES: &[(f64, &str)] = &[
    (1.0, "1"),
    (4.0, "4"),
    (16.0, "16"),
    (64.0, "64"),
    (256.0, "256"),
    (1024.0, "1,024"),
    (4096.0, "4,096"),
];
const LARGEST: f64 = 4096.0;
const COSTS: &[(f64, &str)] =
    &[(0.01, "0.01"), (0.1, "0.1"), (1.0, "1"), (10.0, "10"), (100.0, "100"), (1000.0, "1,000")];
/// The lowest line is at a hundredth.
const LEAST_EXPONENT: f64 = -2.0;

const PANEL_WIDTH: f64 = 440.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 420.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 310.0;
const LEGEND: f64 = 380.0;
const LEGEND_STEP: f64 = 200.0;

const TAKES_ALL: &str = "a string takes all";
