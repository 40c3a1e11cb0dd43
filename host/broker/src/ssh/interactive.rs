//! A shell with a terminal, for `bootmachine ssh`. The local terminal's raw mode is the caller's.

use russh::{ChannelMsg, Pty};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::{Session, SshError};

/// A terminal's size in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowSize {
    /// Width.
    pub columns: u32,
    /// Height.
    pub rows: u32,
}

impl Session {
    /// Runs the login shell on a terminal of this kind (`TERM`) and size until it ends, and returns its status. `sizes` brings the sizes
    /// that the terminal changes to; when it is closed, the size stays.
    pub async fn interactive<I, O>(
        &self,
        term: &str,
        size: WindowSize,
        mut input: I,
        mut output: O,
        mut sizes: mpsc::Receiver<WindowSize>,
    ) -> Result<u32, SshError>
    where
        I: AsyncRead + Unpin + Send,
        O: AsyncWrite + Unpin + Send,
    {
        let link = self.link();
        let lost = |_| link.lost();
        let channel = link.handle.channel_open_session().await.map_err(lost)?;
        let (mut read, write) = channel.split();
        write
            // So that erasing takes characters, not bytes, where the other side edits the line.
            .request_pty(false, term, size.columns, size.rows, 0, 0, &[(Pty::IUTF8, 1)])
            .await
            .map_err(lost)?;
        write.request_shell(true).await.map_err(lost)?;
        let mut status = None;
        let mut buffer = vec![0; 16 << 10];
        let (mut reading, mut resizing) = (true, true);
        loop {
            tokio::select! {
                message = read.wait() => match message {
                    Some(ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. }) => {
                        let written = async { output.write_all(&data).await?; output.flush().await };
                        written.await.map_err(|error| self.failed(format!("the terminal can not be written to: {error}")))?;
                    }
                    Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(exit_status),
                    Some(ChannelMsg::ExitSignal { .. }) => status = Some(128),
                    Some(ChannelMsg::Failure) => return Err(self.failed("the server gives this login no shell".to_owned())),
                    Some(ChannelMsg::Close) | None => break,
                    Some(_) => {}
                },
                count = input.read(&mut buffer), if reading => match count {
                    Ok(count) if count > 0 => write.data(&buffer[..count]).await.map_err(lost)?,
                    _ => {
                        reading = false;
                        write.eof().await.map_err(lost)?;
                    }
                },
                size = sizes.recv(), if resizing => match size {
                    Some(size) => write.window_change(size.columns, size.rows, 0, 0).await.map_err(lost)?,
                    None => resizing = false,
                },
            }
        }
        status.ok_or_else(|| link.lost())
    }
}
