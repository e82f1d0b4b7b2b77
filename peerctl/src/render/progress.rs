//! Progress bars on standard error, several at once, on a terminal only.
//!
//! Their texts are cut to the width at every step, so that a terminal that is resized looks right with the next one.

use std::io::stderr;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use proto::control::{Transfer, TransferState};
use proto::ids::ByteCount;
use proto::simulation::Answer;

use super::{Output, fit, plural, rate, safe, screen_width, share, whole_duration};

/// All bars of one command.
pub(crate) struct Bars {
    bars: MultiProgress,
    animate: bool,
}

impl Bars {
    pub(crate) fn new(out: &Output) -> Self {
        let target = if out.may_animate() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), animate: out.may_animate() }
    }

    /// Whether there is a screen to draw them on.
    pub(crate) fn are_drawn(&self) -> bool {
        self.animate
    }

    /// A bar for a thing; nothing is drawn before its first step.
    pub(crate) fn bar(&self, name: &str) -> Bar {
        Bar { name: safe(name).into_owned(), drawn: None, bars: self.animate.then(|| self.bars.clone()), told: None }
    }

    /// Writes something while the bars are out of the way.
    pub(crate) fn aside<T>(&self, write: impl FnOnce() -> T) -> T {
        if self.animate { self.bars.suspend(write) } else { write() }
    }
}

/// One bar. It goes when it is dropped.
pub(crate) struct Bar {
    name: String,
    bars: Option<MultiProgress>,
    drawn: Option<ProgressBar>,
    told: Option<String>,
}

impl Bar {
    /// A file is read and hashed.
    pub(crate) fn hashing(&mut self, done: ByteCount, total: ByteCount) {
        self.draw((done.as_u64(), total.as_u64()), |columns| match columns {
            60.. => format!("{} of {total} hashed", share(done, total)),
            _ => share(done, total),
        });
    }

    /// A transfer moves, or says why it does not. What holds it up comes back once for each reason where there is no bar
    /// to show it.
    pub(crate) fn transfer(&mut self, transfer: &Transfer) -> Option<String> {
        self.draw((transfer.bytes.as_u64(), transfer.size.as_u64()), |columns| in_words(transfer, columns));
        let held = held_up(transfer);
        if self.bars.is_some() || held == self.told {
            return None;
        }
        self.told.clone_from(&held);
        held.map(|why| format!("{}: {why}", self.name))
    }

    /// A simulation runs: everything moves from the first moment on, so the copies that there are tell more than the few
    /// who have all of it.
    pub(crate) fn simulation(&mut self, answer: &Answer) {
        let stay = f64::from(answer.scenario.peers.saturating_sub(answer.left).max(1));
        let copies = answer.samples.last().map_or(0.0, |last| last.mean_copies);
        let now = answer.samples.last().map_or(0.0, |last| last.at_s);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 1000")]
        let done = (copies / stay * 1000.0).clamp(0.0, 1000.0) as u64;
        self.draw((done, 1000), |columns| match columns {
            60.. => format!("after {} there: {} have it", whole_duration(now), answer.finished),
            _ => format!("{} have it", answer.finished),
        });
    }

    fn draw(&mut self, (done, total): (u64, u64), words: impl FnOnce(usize) -> String) {
        let Some(bars) = &self.bars else { return };
        let bar = self.drawn.get_or_insert_with(|| {
            let bar = bars.add(ProgressBar::new(total));
            bar.set_style(style());
            bar
        });
        let columns = screen_width(&stderr());
        bar.set_prefix(fit(&self.name, columns / 3).into_owned());
        bar.set_message(fit(&words(columns), columns / 2).into_owned());
        bar.set_length(total);
        bar.set_position(done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.drawn {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{prefix} {wide_bar} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn in_words(transfer: &Transfer, columns: usize) -> String {
    if let Some(why) = held_up(transfer) {
        return why;
    }
    let done = share(transfer.bytes, transfer.size);
    if transfer.state == TransferState::Preparing {
        return "preparing".to_owned();
    }
    if transfer.bytes == transfer.size {
        // It is synced to the disk and put at its place; nothing moves any more.
        return format!("{done}, finishing");
    }
    match columns {
        100.. => format!(
            "{done} of {}, {}, {} left, {}",
            transfer.size,
            rate(transfer.rate),
            left(transfer).unwrap_or_else(|| "?".to_owned()),
            plural(transfer.sources.len() as u64, "peer")
        ),
        60.. => format!("{done}, {}, {} left", rate(transfer.rate), left(transfer).unwrap_or_else(|| "?".to_owned())),
        _ => format!("{done} {}", rate(transfer.rate)),
    }
}

/// Time to the end at the present rate.
pub(crate) fn left(transfer: &Transfer) -> Option<String> {
    let missing = transfer.size.saturating_sub(transfer.bytes).as_u64();
    #[expect(clippy::cast_precision_loss, reason = "a guess anyway")]
    (transfer.rate >= 1.0).then(|| whole_duration((missing as f64 / transfer.rate).ceil()))
}

fn held_up(transfer: &Transfer) -> Option<String> {
    if !matches!(transfer.state, TransferState::Stalled | TransferState::Paused) {
        return None;
    }
    let why = transfer.reason.as_deref().unwrap_or("no reason is given");
    Some(format!("{}: {}", transfer.state, safe(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transfer(bytes: u64, state: &str) -> Transfer {
        let transfer = serde_json::json!({
            "transfer_id": 1, "file_id": "00".repeat(32), "name": "f", "size": 4096, "path": "/f", "state": state,
            "bytes": bytes, "rate": 0.0, "seconds": 1.0, "verified": false, "simulated": false, "sources": [],
        });
        serde_json::from_value(transfer).unwrap()
    }

    #[test]
    fn words_say_what_happens_now() {
        let words = |bytes, state| in_words(&transfer(bytes, state), 120);
        assert_eq!(words(0, "preparing"), "preparing");
        assert_eq!(words(1024, "running"), "25% of 4.0 KiB, 0 B/s, ? left, 0 peers");
        assert_eq!(words(4096, "running"), "100%, finishing");
    }
}
