//! Trying again what may work the next time: plugins and brokers say which errors those are, and how long to wait.

use std::time::{Duration, Instant};

use backon::{BackoffBuilder as _, ExponentialBuilder};

use bootmachine_plugin::reach::Session;

use crate::event::{Event, Reporter};
use crate::fleet::{Fleet, Timing};
use crate::problem::Problem;

/// Runs `attempt` until it succeeds, fails for good, or was tried often enough.
pub async fn transient<T, F: Future<Output = Result<T, Problem>>>(
    reporter: &dyn Reporter,
    subject: &str,
    timing: &Timing,
    attempt: impl FnMut() -> F,
) -> Result<T, Problem> {
    patiently(reporter, subject, timing, None, attempt).await
}

impl Fleet {
    /// The same for work on machines. What ends a connection (a reboot, a network that comes back) is often over by the next attempt, which
    /// begins with new connections where they were lost. Where it is said when to try again (a package manager waits for another one), the
    /// limit is the patience of [`Timing`] and not a number of tries.
    pub(crate) async fn transient_on<T, F: Future<Output = Result<T, Problem>>>(
        &self,
        subject: &str,
        sessions: &[&dyn Session],
        attempt: impl Fn() -> F,
    ) -> Result<T, Problem> {
        let attempt = &attempt;
        let patience = Some(self.timing.patience);
        patiently(self.reporter.as_ref(), subject, &self.timing, patience, || async move {
            for session in sessions {
                session.revive().await?;
            }
            attempt().await
        })
        .await
    }
}

async fn patiently<T, F: Future<Output = Result<T, Problem>>>(
    reporter: &dyn Reporter,
    subject: &str,
    timing: &Timing,
    patience: Option<Duration>,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Problem> {
    let mut delays = ExponentialBuilder::default()
        .with_min_delay(timing.retry_delay)
        .with_max_delay(timing.retry_longest)
        .with_max_times(timing.retries)
        .with_jitter()
        .build();
    let begun = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let problem = match attempt().await {
            Ok(value) => return Ok(value),
            Err(problem) => problem,
        };
        if !problem.kind.is_transient() {
            return Err(problem);
        }
        let asked = problem.retry_after();
        let delay = if let (Some(asked), Some(patience)) = (asked, patience) {
            let delay = asked.min(timing.retry_longest);
            if begun.elapsed() + delay > patience {
                return Err(problem.while_doing(&format!("{} s were not enough", patience.as_secs())));
            }
            delay
        } else if let Some(delay) = delays.next() {
            asked.unwrap_or(Duration::ZERO).max(delay)
        } else {
            return Err(problem.with_next_step(format!(
                "it was tried {tries} times; `bootmachine up` tries again and continues from here"
            )));
        };
        tracing::debug!(
            "{subject}: try {tries} failed, the next in {:.1} s: {}",
            delay.as_secs_f64(),
            problem.message
        );
        reporter.report(Event::Retry {
            subject: subject.to_owned(),
            reason: problem.message.clone(),
            seconds: delay.as_secs_f64(),
        });
        tokio::time::sleep(delay).await;
    }
}
