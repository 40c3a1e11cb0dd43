//! The limit on requests: a token bucket over the cloud's time.

use jiff::Timestamp;

use super::options::RateLimit;

/// A bucket of requests.
#[derive(Debug)]
pub struct Bucket {
    limit: RateLimit,
    level: f64,
    seen: Timestamp,
}

impl Bucket {
    /// A full bucket.
    pub fn new(limit: RateLimit, now: Timestamp) -> Self {
        Self {
            limit,
            level: f64::from(limit.burst.max(1)),
            seen: now,
        }
    }

    /// Takes one request out, or says after how many whole seconds there is one.
    pub fn take(&mut self, now: Timestamp) -> Result<(), u64> {
        let rate = f64::from(self.limit.per_second.max(1));
        let passed = now.duration_since(self.seen).as_secs_f64().max(0.0);
        self.seen = now;
        self.level = (self.level + passed * rate).min(f64::from(self.limit.burst.max(1)));
        if self.level >= 1.0 {
            self.level -= 1.0;
            return Ok(());
        }
        // Retry-After has whole seconds, and 0 would mean at once (RFC 9110, 10.2.3).
        let wait = ((1.0 - self.level) / rate).ceil().max(1.0);
        #[allow(clippy::cast_sign_loss, reason = "it is at least one")]
        Err(wait as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let later: Timestamp = "2026-01-01T00:00:01Z".parse().unwrap();
        let mut bucket = Bucket::new(RateLimit { per_second: 2, burst: 3 }, start);
        let now: Vec<_> = (0..4).map(|_| bucket.take(start)).collect();
        assert_eq!(now, [Ok(()), Ok(()), Ok(()), Err(1)]);
        assert_eq!(
            [bucket.take(later), bucket.take(later), bucket.take(later)],
            [Ok(()), Ok(()), Err(1)]
        );
    }
}
