//! What time and orders do to servers: the passage from `BUILD` to `ACTIVE` or `ERROR`, restarts, the end.

use jiff::Timestamp;

use super::Cloud;
use super::faults::ServerEffect;
use super::options::Wait;
use super::servers::{Due, Server, ServerFault, Task, VmState};
use crate::hooks::MachineSpec;

impl Cloud {
    /// Lets the time that has passed take effect. Called before anything else looks at the cloud.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        let due: Vec<String> = self
            .servers
            .iter()
            .filter(|s| s.due.is_some_and(|d| d.over(now)) || s.floating_due.is_some_and(|d| d.over(now)))
            .map(|s| s.id.clone())
            .collect();
        for id in due {
            self.advance(&id, now);
        }
    }

    /// The user looks at this server: what is counted in looks comes nearer. The look itself still shows the state before.
    pub fn looked_at(&mut self, id: &str) {
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            if let Some(due) = &mut server.due {
                due.look();
            }
            if let Some(due) = &mut server.floating_due {
                due.look();
            }
        }
    }

    fn advance(&mut self, id: &str, now: Timestamp) {
        let Some(index) = self.servers.iter().position(|s| s.id == id) else {
            return;
        };
        if self.servers[index].floating_due.is_some_and(|d| d.over(now)) {
            let seen = self.floating_of(id);
            let server = &mut self.servers[index];
            server.floating_due = None;
            server.floating_seen = seen;
        }
        let server = &mut self.servers[index];
        if !server.due.is_some_and(|d| d.over(now)) {
            return;
        }
        match (server.task, server.state) {
            (Some(Task::Deleting), _) => {
                if server.effect == Some(ServerEffect::Undeletable) {
                    server.due = None;
                    server.task = None;
                    server.state = VmState::Error;
                    server.updated = now;
                    server.fault = Some(ServerFault {
                        code: 500,
                        message: "Failed to delete the server: the hypervisor does not answer".into(),
                        details: None,
                        created: now,
                    });
                } else {
                    self.end(index);
                }
            }
            (_, VmState::Building) => self.finish_build(index, now),
            _ => {
                server.due = None;
                server.task = None;
                server.updated = now;
            }
        }
    }

    fn finish_build(&mut self, index: usize, now: Timestamp) {
        let server = &mut self.servers[index];
        match server.effect.clone() {
            Some(ServerEffect::StayInBuild) => return,
            Some(ServerEffect::Error { message, code }) => {
                fail(server, code, message, now);
                return;
            }
            _ => {}
        }
        let volumes: u64 = self.servers[index].volumes.iter().map(|v| v.size).sum();
        let used: u64 = self
            .servers
            .iter()
            .filter(|s| s.launched.is_some())
            .flat_map(|s| &s.volumes)
            .map(|v| v.size)
            .sum();
        let allowed = self.options.quotas.gigabytes;
        if volumes > 0 && used + volumes > allowed {
            let id = self.servers[index].id.clone();
            let message = format!(
                "Build of instance {id} aborted: VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes \
                 quota. Requested {volumes}G, quota is {allowed}G and {used}G has been consumed."
            );
            fail(&mut self.servers[index], 500, message, now);
            return;
        }
        let server = &mut self.servers[index];
        server.state = VmState::Active;
        server.task = None;
        server.due = None;
        server.updated = now;
        server.launched = Some(now);
        let id = server.id.clone();
        self.servers[index].floating_seen = self.floating_of(&id);
        self.start_machine(index);
    }

    /// Turns the machine of this server on for the first time.
    fn start_machine(&mut self, index: usize) {
        use rand::Rng as _;
        let seed = self.rng.random();
        let id = self.servers[index].id.clone();
        let addresses = self.addresses_of(&id);
        let server = &mut self.servers[index];
        server.started = true;
        self.hypervisor.start(MachineSpec {
            id,
            name: server.name.clone(),
            image: server.kind,
            addresses,
            user_data: server.user_data.clone(),
            authorized_key: server.public_key.clone(),
            seed,
            silent: server.effect == Some(ServerEffect::Silent),
        });
    }

    /// Accepts the order to delete a server.
    pub fn delete_server(&mut self, id: &str) {
        let now = self.clock.now();
        let wait = self.options.delete;
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            if server.task == Some(Task::Deleting) {
                return;
            }
            server.task = Some(Task::Deleting);
            server.updated = now;
            server.due = Some(Due::new(wait, now));
            if wait == Wait::Polls(0) {
                self.advance(id, now);
            }
        }
    }

    /// Restarts a server, or starts it.
    pub fn restart_server(&mut self, id: &str, task: Option<Task>) {
        let now = self.clock.now();
        let wait = self.options.reboot;
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            server.state = VmState::Active;
            server.fault = None;
            server.task = task;
            server.due = task.map(|_| Due::new(wait, now));
            server.updated = now;
            if server.started {
                self.hypervisor.reboot(id);
            }
        }
    }

    /// Turns a server off.
    pub fn stop_server(&mut self, id: &str) {
        let now = self.clock.now();
        if let Some(server) = self.servers.iter_mut().find(|s| s.id == id) {
            server.state = VmState::Stopped;
            server.updated = now;
            if server.started {
                self.hypervisor.stop(id);
            }
        }
    }

    /// The server is gone.
    fn end(&mut self, index: usize) {
        let server = self.servers.remove(index);
        let (made, given): (Vec<_>, Vec<_>) = self
            .ports
            .iter()
            .filter(|p| p.device == server.id)
            .map(|p| (p.id.clone(), p.nova))
            .partition(|p| p.1);
        let ports: Vec<String> = made.into_iter().map(|p| p.0).collect();
        let automatic: Vec<String> = self
            .floating_ips
            .iter()
            .filter(|f| f.automatic && f.port.as_ref().is_some_and(|(port, _)| ports.contains(port)))
            .map(|f| f.id.clone())
            .collect();
        for id in automatic {
            self.remove_floating(&id);
        }
        for id in ports {
            self.remove_port(&id);
        }
        // Ports that the user made are set free and stay.
        for (id, _) in given {
            if let Some(port) = self.ports.iter_mut().find(|p| p.id == id) {
                port.device.clear();
            }
        }
        if server.started {
            self.hypervisor.remove(&server.id);
        }
    }
}

fn fail(server: &mut Server, code: u16, message: String, now: Timestamp) {
    server.state = VmState::Error;
    server.task = None;
    server.due = None;
    server.updated = now;
    server.fault = Some(ServerFault {
        code,
        message,
        details: None,
        created: now,
    });
}
