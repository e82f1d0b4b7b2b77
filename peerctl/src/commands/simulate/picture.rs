//! The picture of an answer, as SVG: who has everything, how well the uplinks are used, and how many copies there are, over
//! virtual time. A second answer is drawn beside the first in dashes.
//!
//! Written as text: three line charts are less than what a plotting library needs to be told, and brings fonts for.

use std::fmt::Write;

use proto::simulation::{Answer, Sample};

use super::shown::question;

const WIDTH: f64 = 900.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 870.0;
/// Height of one chart, and from the top of one to the top of the next.
const HEIGHT: f64 = 170.0;
const STEP: f64 = 245.0;
const TOP: f64 = 110.0;

/// Okabe and Ito's palette: told apart by colour-blind readers too.
const BLUE: &str = "#0072b2";
const ORANGE: &str = "#d55e00";
const GREEN: &str = "#009e73";

/// One line of a chart.
struct Line {
    name: &'static str,
    colour: &'static str,
    value: fn(&Answer, &Sample) -> f64,
}

struct Chart {
    title: &'static str,
    unit: fn(f64) -> String,
    /// The top of the scale; as high as the highest value where there is none.
    top: Option<f64>,
    lines: &'static [Line],
}

const CHARTS: [Chart; 3] = [
    Chart {
        title: "Who has all of it",
        unit: percent,
        top: Some(1.0),
        lines: &[Line { name: "complete", colour: BLUE, value: completed }],
    },
    Chart {
        title: "Use of the uplinks",
        unit: percent,
        top: Some(1.0),
        lines: &[
            Line { name: "seeds", colour: ORANGE, value: |_, sample| sample.seeds_use },
            Line { name: "everybody", colour: BLUE, value: |_, sample| sample.uplinks_use },
        ],
    },
    Chart {
        title: "Copies of a piece among those who fetch",
        unit: number,
        top: None,
        lines: &[
            Line { name: "on average", colour: BLUE, value: |_, sample| sample.mean_copies },
            Line { name: "of the rarest", colour: GREEN, value: |_, sample| f64::from(sample.rarest) },
        ],
    },
];

fn completed(answer: &Answer, sample: &Sample) -> f64 {
    f64::from(sample.finished) / f64::from(answer.scenario.peers.saturating_sub(answer.left).max(1))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn number(value: f64) -> String {
    if (0.05..10.0).contains(&value) { format!("{value:.1}") } else { format!("{value:.0}") }
}

/// Draws one answer, or two over each other.
pub(super) fn draw(answers: &[Answer]) -> String {
    let mut svg = String::new();
    let height = TOP + STEP * 3.0 - 20.0;
    let ends = answers
        .iter()
        .flat_map(|answer| answer.samples.last().map(|last| last.at_s).into_iter().chain([answer.bound_s]));
    let end = ends.fold(0.001, f64::max) * 1.03;
    put(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\" \
         fill=\"#222\"><rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
        ),
    );
    for (row, answer) in answers.iter().enumerate() {
        headline(&mut svg, row, answer, answers.len() > 1);
    }
    for (place, chart) in CHARTS.iter().enumerate() {
        let place = f64::from(u8::try_from(place).unwrap_or(0));
        Frame { top: TOP + STEP * place, end, most: most(chart, answers) }.chart(&mut svg, chart, answers);
    }
    svg.push_str("</svg>\n");
    svg
}

fn headline(svg: &mut String, row: usize, answer: &Answer, several: bool) {
    let y = 28.0 + 32.0 * f64::from(u8::try_from(row).unwrap_or(0));
    let which = match (several, row) {
        (false, _) => "",
        (true, 0) => "── ",
        (true, _) => "╌╌ ",
    };
    let ends = match (answer.last_s, answer.ratio) {
        (Some(last), Some(ratio)) => format!("all in {last:.1} s, {ratio:.2} times the lower bound"),
        _ => format!("{} of {} so far", answer.finished, answer.scenario.peers),
    };
    text(svg, LEFT, y, "start", "15", &format!("{which}{}", question(&answer.scenario)));
    let limits = format!("{ends}; limited by {}", answer.limited_by.sentence());
    text(svg, LEFT, y + 15.0, "start", "12", &limits);
}

fn most(chart: &Chart, answers: &[Answer]) -> f64 {
    let values = answers
        .iter()
        .flat_map(|answer| answer.samples.iter().map(move |sample| (answer, sample)))
        .flat_map(|(answer, sample)| chart.lines.iter().map(move |line| (line.value)(answer, sample)));
    chart.top.unwrap_or_else(|| values.fold(1.0, f64::max) * 1.05)
}

/// Where a chart lies, and what its scales are.
struct Frame {
    top: f64,
    /// Virtual seconds at the right edge.
    end: f64,
    /// The value at the upper edge.
    most: f64,
}

impl Frame {
    fn x(&self, at: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * (at / self.end).clamp(0.0, 1.0)
    }

    fn y(&self, value: f64) -> f64 {
        self.top + HEIGHT * (1.0 - (value / self.most).clamp(0.0, 1.0))
    }

    fn chart(&self, svg: &mut String, chart: &Chart, answers: &[Answer]) {
        text(svg, LEFT, self.top - 10.0, "start", "14", chart.title);
        self.grid(svg, chart);
        for (which, answer) in answers.iter().enumerate() {
            let dashes = if which == 0 { "" } else { " stroke-dasharray=\"6 4\"" };
            for line in chart.lines {
                self.line(svg, line, answer, dashes);
            }
            self.bound(svg, answer, dashes);
        }
        self.legend(svg, chart);
    }

    fn grid(&self, svg: &mut String, chart: &Chart) {
        let bottom = self.top + HEIGHT;
        for quarter in 0..=4_u8 {
            let value = self.most * f64::from(quarter) / 4.0;
            let y = self.y(value);
            rule(svg, (LEFT, y), (RIGHT, y), "#ddd", "");
            text(svg, LEFT - 8.0, y + 4.0, "end", "11", &(chart.unit)(value));
        }
        let step = round_step(self.end / 8.0);
        let mut at = 0.0;
        while at <= self.end {
            let x = self.x(at);
            rule(svg, (x, bottom), (x, bottom + 4.0), "#888", "");
            text(svg, x, bottom + 17.0, "middle", "11", &seconds(at, step));
            at += step;
        }
        rule(svg, (LEFT, bottom), (RIGHT, bottom), "#888", "");
    }

    fn line(&self, svg: &mut String, line: &Line, answer: &Answer, dashes: &str) {
        let mut points = String::new();
        for sample in &answer.samples {
            let (x, y) = (self.x(sample.at_s), self.y((line.value)(answer, sample)));
            put(&mut points, format_args!("{x:.1},{y:.1} "));
        }
        let colour = line.colour;
        put(
            svg,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>",
                points.trim_end()
            ),
        );
    }

    /// Before this nobody can have brought it to all.
    fn bound(&self, svg: &mut String, answer: &Answer, dashes: &str) {
        let x = self.x(answer.bound_s);
        let dashes = if dashes.is_empty() { " stroke-dasharray=\"2 3\"" } else { dashes };
        rule(svg, (x, self.top), (x, self.top + HEIGHT), "#666", dashes);
        text(svg, x - 5.0, self.top + HEIGHT - 6.0, "end", "11", "lower bound");
    }

    fn legend(&self, svg: &mut String, chart: &Chart) {
        let mut x = RIGHT;
        for line in chart.lines.iter().rev() {
            text(svg, x, self.top - 10.0, "end", "12", line.name);
            // As wide as these letters are, near enough.
            x -= 6.2 * f64::from(u8::try_from(line.name.len()).unwrap_or(0)) + 8.0;
            let y = self.top - 14.0;
            put(
                svg,
                format_args!(
                    "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{x:.1}\" y2=\"{y:.1}\" stroke=\"{}\" stroke-width=\"3\"/>",
                    x - 22.0,
                    line.colour
                ),
            );
            x -= 38.0;
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least so much.
fn round_step(least: f64) -> f64 {
    let mut power = 1e-3;
    loop {
        for factor in [1.0, 2.0, 5.0] {
            if power * factor >= least {
                return power * factor;
            }
        }
        power *= 10.0;
    }
}

fn seconds(at: f64, step: f64) -> String {
    let decimals = if step >= 1.0 {
        0
    } else if step >= 0.1 {
        1
    } else {
        3
    };
    format!("{at:.decimals$} s")
}

fn rule(svg: &mut String, from: (f64, f64), to: (f64, f64), colour: &str, dashes: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    put(
        svg,
        format_args!(
            "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\" stroke-width=\"1\"{dashes}/>"
        ),
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, size: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"{size}\">{words}</text>"),
    );
}

fn put(svg: &mut String, part: std::fmt::Arguments<'_>) {
    svg.write_fmt(part).expect("a String takes everything");
}

#[cfg(test)]
mod tests {
    use proto::simulation::{LimitedBy, Scenario};

    use super::*;

    fn answer(last: f64) -> Answer {
        let sample = |at: u32| Sample {
            at_s: f64::from(at) * last / 10.0,
            finished: if at < 8 { 0 } else { (at - 7) * 5 },
            seeds_use: 0.97,
            uplinks_use: 0.8,
            rarest: at,
            mean_copies: f64::from(at) * 1.6,
        };
        Answer {
            scenario: Scenario::default(),
            complete: true,
            first_s: Some(last * 0.8),
            median_s: Some(last * 0.9),
            p99_s: Some(last),
            last_s: Some(last),
            bound_s: last * 0.9,
            ratio: Some(1.11),
            seed_copies: 1.1,
            duplicates: 0.0,
            limited_by: LimitedBy::HoldersUplink,
            finished: 16,
            left: 0,
            elapsed_s: 0.1,
            samples: (0..=10).map(sample).collect(),
        }
    }

    #[test]
    fn every_line_is_drawn_within_the_picture() {
        let svg = draw(&[answer(12.0), answer(20.0)]);
        assert_eq!(svg.matches("<polyline").count(), 2 * 5);
        for chart in &CHARTS {
            assert!(svg.contains(chart.title), "{}", chart.title);
        }
        assert!(svg.contains("1.11 times the lower bound") && svg.contains(">20 s<"), "{svg}");
        let points = svg.split("points=\"").skip(1).flat_map(|rest| rest.split('"').next().unwrap().split(' '));
        for point in points {
            let (x, y) = point.split_once(',').unwrap();
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            assert!((LEFT..=RIGHT).contains(&x) && (TOP..=TOP + STEP * 3.0).contains(&y), "{point}");
        }
    }

    #[test]
    fn an_answer_without_samples_is_drawn_empty() {
        let empty = Answer { samples: Vec::new(), last_s: None, ratio: None, finished: 0, ..answer(5.0) };
        assert!(draw(&[empty]).contains("0 of 16 so far"));
    }
}
