//! How many requests run at a time for each origin: more while it goes well, half as many when the service asks for fewer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How many run at a time in the beginning.
pub(super) const FIRST: usize = 16;
/// How many at most.
pub(super) const MOST: usize = 64;

/// The limit of one origin, shared by all who talk to it.
pub(super) struct Limiter {
    slots: Arc<Semaphore>,
    state: Mutex<State>,
}

struct State {
    limit: usize,
    /// Slots to be taken away as they come back.
    debt: usize,
    /// Good answers since the limit last changed.
    successes: usize,
    /// Counts the halvings: answers to requests from before the last one say nothing new.
    epoch: u64,
    /// The service asked for silence until then.
    paused_until: Option<Instant>,
}

/// The right to have one request under way.
pub(super) struct Slot {
    limiter: Arc<Limiter>,
    permit: Option<OwnedSemaphorePermit>,
    epoch: u64,
}

impl Limiter {
    pub(super) fn new(first: usize) -> Self {
        let state = State {
            limit: first,
            debt: 0,
            successes: 0,
            epoch: 0,
            paused_until: None,
        };
        Self {
            slots: Arc::new(Semaphore::new(first)),
            state: Mutex::new(state),
        }
    }

    /// Waits, in order of arrival, until a request may be sent.
    pub(super) async fn enter(self: &Arc<Self>) -> Slot {
        let permit = Arc::clone(&self.slots).acquire_owned().await.ok();
        Slot {
            limiter: Arc::clone(self),
            permit,
            epoch: self.with(|state| state.epoch),
        }
    }

    /// How long the service still asks for silence.
    pub(super) fn pause(&self) -> Option<Duration> {
        self.with(|state| state.paused_until)
            .map(|until| until.saturating_duration_since(Instant::now()))
            .filter(|pause| !pause.is_zero())
    }

    /// How many may run at a time.
    pub(super) fn limit(&self) -> usize {
        self.with(|state| state.limit)
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Slot {
    /// The service answered well: after as many answers as the limit is, one more may run.
    pub(super) fn went_well(&self) {
        self.limiter.with(|state| {
            state.successes += 1;
            if state.successes >= state.limit && state.limit < MOST {
                state.successes = 0;
                state.limit += 1;
                if state.debt > 0 {
                    state.debt -= 1;
                } else {
                    self.limiter.slots.add_permits(1);
                }
            }
        });
    }

    /// The service asked for fewer requests, perhaps with a time to wait.
    pub(super) fn was_too_much(&self, silence: Option<Duration>) {
        self.limiter.with(|state| {
            if let Some(until) = silence.and_then(|silence| Instant::now().checked_add(silence)) {
                state.paused_until = Some(state.paused_until.map_or(until, |before| before.max(until)));
            }
            // One burst of refusals is one refusal.
            if self.epoch == state.epoch {
                state.epoch += 1;
                state.successes = 0;
                let fewer = (state.limit / 2).max(1);
                let taken = state.limit - fewer;
                state.limit = fewer;
                state.debt += taken - self.limiter.slots.forget_permits(taken);
            }
        });
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let owed = self.limiter.with(|state| {
            let owed = state.debt > 0;
            state.debt -= usize::from(owed);
            owed
        });
        if let Some(permit) = self.permit.take()
            && owed
        {
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_burst_of_refusals_halves_once_and_success_grows_slowly() {
        let limiter = Arc::new(Limiter::new(8));
        let mut slots = Vec::new();
        for _ in 0..8 {
            slots.push(limiter.enter().await);
        }
        for slot in &slots {
            slot.was_too_much(None);
        }
        assert_eq!(limiter.limit(), 4);
        drop(slots);
        assert_eq!(limiter.slots.available_permits(), 4);

        let slot = limiter.enter().await;
        slot.was_too_much(None);
        drop(slot);
        assert_eq!((limiter.limit(), limiter.slots.available_permits()), (2, 2));

        let slot = limiter.enter().await;
        for _ in 0..5 {
            slot.went_well();
        }
        drop(slot);
        assert_eq!((limiter.limit(), limiter.slots.available_permits()), (4, 4));
    }

    #[tokio::test]
    async fn the_limit_never_reaches_zero_and_has_a_ceiling() {
        let limiter = Arc::new(Limiter::new(2));
        for _ in 0..5 {
            let slot = limiter.enter().await;
            slot.was_too_much(None);
        }
        assert_eq!((limiter.limit(), limiter.slots.available_permits()), (1, 1));
        let slot = limiter.enter().await;
        for _ in 0..10_000 {
            slot.went_well();
        }
        drop(slot);
        assert_eq!((limiter.limit(), limiter.slots.available_permits()), (MOST, MOST));
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_asked_for_counts() {
        let limiter = Arc::new(Limiter::new(2));
        assert_eq!(limiter.pause(), None);
        let slot = limiter.enter().await;
        slot.was_too_much(Some(Duration::from_secs(9)));
        slot.was_too_much(Some(Duration::from_secs(3)));
        assert_eq!(limiter.pause(), Some(Duration::from_secs(9)));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(limiter.pause(), None);
    }
}
