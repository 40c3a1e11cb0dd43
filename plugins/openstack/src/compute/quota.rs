//! The project's limits, compared with what a whole batch of servers needs.

use crate::api::{Call, Reply, Service};
use bootmachine_sdk::Error;
use serde::Deserialize;

/// `limits.absolute` of Nova. -1, or nothing: unlimited.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Absolute {
    max_total_instances: Option<i64>,
    total_instances_used: Option<i64>,
    max_total_cores: Option<i64>,
    total_cores_used: Option<i64>,
    #[serde(rename = "maxTotalRAMSize")]
    max_total_ram: Option<i64>,
    #[serde(rename = "totalRAMUsed")]
    total_ram_used: Option<i64>,
}

#[derive(Debug, Deserialize)]
struct Limits {
    absolute: Absolute,
}

/// What is left, and what it is called.
#[derive(Debug, Clone, PartialEq)]
struct Allowance {
    what: &'static str,
    unit: &'static str,
    limit: u64,
    left: u64,
}

/// What the project may still use.
#[derive(Debug, Clone, PartialEq)]
pub struct Quota([Option<Allowance>; 3]);

/// The request for it.
pub fn question() -> Call {
    Call::get(Service::Compute, "/limits")
}

impl Quota {
    /// From the answer to `question`.
    pub fn read(reply: &Reply) -> Result<Self, Error> {
        let limits: Limits = reply.member("limits")?;
        let of = limits.absolute;
        let allowance = |what, unit, limit: Option<i64>, used: Option<i64>| {
            let limit = u64::try_from(limit?).ok()?;
            let used = u64::try_from(used.unwrap_or(0)).unwrap_or(0);
            Some(Allowance {
                what,
                unit,
                limit,
                left: limit.saturating_sub(used),
            })
        };
        Ok(Self([
            allowance("instances", "", of.max_total_instances, of.total_instances_used),
            allowance("cores", "", of.max_total_cores, of.total_cores_used),
            allowance("ram", " MiB", of.max_total_ram, of.total_ram_used),
        ]))
    }

    /// Takes one server's share away, or says what there is too little of. The servers before it in the batch have had theirs.
    pub fn take(&mut self, cores: u32, ram: u64) -> Result<(), Error> {
        let needs = [1, u64::from(cores), ram];
        for (allowance, need) in self.0.iter().zip(needs) {
            let Some(Allowance { what, unit, limit, left }) = allowance.as_ref().filter(|allowance| allowance.left < need) else {
                continue;
            };
            let message = format!("quota exceeded for {what}: needs {need}{unit}, {left}{unit} of {limit}{unit} are left");
            return Err(Error::quota_exceeded(message)
                .hint("destroy what is no longer needed, choose smaller sizes, or ask the cloud's operator for more"));
        }
        for (allowance, need) in self.0.iter_mut().zip(needs) {
            if let Some(allowance) = allowance {
                allowance.left -= need;
            }
        }
        Ok(())
    }
}
