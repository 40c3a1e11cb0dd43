//! A practice cloud with its machines.

use bootmachine_practice::bastion::Settings;
use bootmachine_practice::{Playground, PracticeOptions, Quotas, Wait};

/// A practice cloud that was started for one test.
pub struct World {
    /// The cloud, its machines and the bastion.
    pub playground: Playground,
}

impl World {
    /// One that is as quick as it can be, with room for many servers.
    pub async fn start() -> Self {
        Self::with(PracticeOptions::default()).await
    }

    /// One with these options; waits and quotas are set for tests unless they were changed.
    pub async fn with(mut options: PracticeOptions) -> Self {
        options.build = Wait::Polls(1);
        options.delete = Wait::Polls(0);
        options.reboot = Wait::Polls(0);
        if options.quotas == Quotas::default() {
            options.quotas.instances = 500;
            options.quotas.cores = 2000;
            options.quotas.ram = 4_000_000;
        }
        let settings = Settings { patience: std::time::Duration::from_millis(150), ..Settings::default() };
        let playground = Playground::start(options, settings).await.expect("a practice cloud");
        playground.machines.set_pace(std::time::Duration::from_millis(1), std::time::Duration::ZERO);
        Self { playground }
    }
}
