//! A practice cloud that runs in this process.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::api::{self, App};
use crate::cloud::calls::Call;
use crate::cloud::faults::{Faults, Tally};
use crate::cloud::identity::Account;
use crate::cloud::options::PracticeOptions;
use crate::cloud::{Cloud, servers};
use crate::hooks::{Hypervisor, NoMachines};

/// What to log in with.
pub type Credentials = Account;

/// A running practice cloud. Dropping it ends it; [`Practice::shutdown`] also waits for the requests that are being answered.
pub struct Practice {
    app: Arc<App>,
    address: SocketAddr,
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Practice {
    /// Starts a cloud whose servers have no machines: for work on the API alone.
    ///
    /// # Errors
    /// If the port can not be listened on.
    pub async fn start(options: PracticeOptions) -> io::Result<Self> {
        Self::start_with(options, Arc::new(NoMachines)).await
    }

    /// Starts a cloud whose servers are these machines. It listens on loopback only.
    ///
    /// # Errors
    /// If the port can not be listened on.
    pub async fn start_with(options: PracticeOptions, machines: Arc<dyn Hypervisor>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let app = App::new(Cloud::new(options, machines), format!("http://{address}"));
        let stop = CancellationToken::new();
        let task = tokio::spawn(api::serve(listener, Arc::clone(&app), stop.clone()));
        Ok(Self {
            app,
            address,
            stop,
            task: Some(task),
        })
    }

    /// Where the services are: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Where to log in: what `OS_AUTH_URL` is set to.
    pub fn auth_url(&self) -> String {
        format!("{}/identity/v3", self.endpoint())
    }

    /// The address that is listened on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to log in with.
    pub fn credentials(&self) -> Credentials {
        self.app.cloud().account.clone()
    }

    /// The names of the regions.
    pub fn regions(&self) -> [&'static str; 2] {
        self.app.cloud().regions
    }

    /// A look behind the API, for tests.
    pub fn state(&self) -> State {
        State {
            app: Arc::clone(&self.app),
        }
    }

    /// Ends the cloud, and waits until what is being answered is answered.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if let Some(task) = self.task.take() {
            // The task can only fail by a panic, which was reported where it happened.
            let _ = task.await;
        }
    }
}

impl Drop for Practice {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a server is, as a test wants to see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What Nova calls `status`.
    pub status: &'static str,
    /// The name of its region.
    pub region: &'static str,
    /// What the user wrote on it.
    pub metadata: BTreeMap<String, String>,
    /// cloud-init user-data, decoded.
    pub user_data: Option<Vec<u8>>,
    /// Every address at which its machine is reached.
    pub addresses: Vec<std::net::IpAddr>,
}

/// A look behind the API, and the means to break it.
#[derive(Clone)]
pub struct State {
    app: Arc<App>,
}

impl State {
    /// How many requests came, by method and route: `POST /compute/v2.1/servers`. Those to `/practice` do not count.
    pub fn calls(&self) -> BTreeMap<String, u64> {
        self.app.cloud().calls.counts()
    }

    /// How many requests came of this method and route.
    pub fn count(&self, method: &str, route: &str) -> u64 {
        self.calls().get(&format!("{method} {route}")).copied().unwrap_or(0)
    }

    /// The requests one by one.
    pub fn call_log(&self) -> Vec<Call> {
        self.app.cloud().calls.log()
    }

    /// Starts counting requests anew.
    pub fn forget_calls(&self) {
        self.app.cloud().calls.clear();
    }

    /// The servers that exist, in the order of their creation.
    pub fn servers(&self) -> Vec<ServerState> {
        let cloud = self.app.cloud();
        let state = |server: &servers::Server| ServerState {
            id: server.id.clone(),
            name: server.name.clone(),
            status: server.status(),
            region: cloud.regions[server.region],
            metadata: server.metadata.clone(),
            user_data: server.user_data.clone(),
            addresses: cloud.addresses_of(&server.id),
        };
        cloud.servers.iter().map(state).collect()
    }

    /// Changes the faults: `state.faults(|faults| faults.add(rule))`.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.app.cloud().faults)
    }

    /// What a rule has done so far.
    pub fn tally(&self, rule: u64) -> Option<Tally> {
        self.app.cloud().faults.tally(rule)
    }

    /// Lets time pass at once: tokens expire, servers come up.
    pub fn advance(&self, by: Duration) {
        self.app.cloud().clock.advance(by);
        self.app.cloud().tick();
    }

    /// The tokens that were handed out, for whoever looks whether they went astray.
    pub fn tokens(&self) -> Vec<String> {
        self.app.cloud().tokens.ids().map(str::to_owned).collect()
    }

    /// Makes every token worthless.
    pub fn revoke_tokens(&self) {
        self.app.cloud().tokens.revoke_all();
    }

    /// Anything else.
    pub fn with<T>(&self, change: impl FnOnce(&mut Cloud) -> T) -> T {
        change(&mut self.app.cloud())
    }
}
