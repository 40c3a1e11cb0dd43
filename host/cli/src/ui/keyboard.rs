//! The keyboard while a remote shell has the terminal: every key goes there, but for `~.` at the beginning of a line, which leaves a
//! connection that does not answer any more. `~~` there is one `~`, as in ssh(1).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::Notify;

/// Reads keys and watches for the one sequence that is not passed on.
pub struct Keyboard<R> {
    inner: R,
    filter: Filter,
    /// What did not fit into the last reader's buffer.
    rest: Vec<u8>,
    left: Arc<Notify>,
}

impl<R: AsyncRead + Unpin> Keyboard<R> {
    /// Watches this input, and tells `left` when the operator wants to leave.
    pub fn new(inner: R, left: Arc<Notify>) -> Self {
        Self {
            inner,
            filter: Filter {
                line_start: true,
                tilde: false,
            },
            rest: Vec::new(),
            left,
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Keyboard<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        loop {
            if !self.rest.is_empty() {
                let fits = self.rest.len().min(buffer.remaining());
                buffer.put_slice(&self.rest[..fits]);
                self.rest.drain(..fits);
                return Poll::Ready(Ok(()));
            }
            let mut read = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.inner).poll_read(cx, &mut read))?;
            if read.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            let (passed, leaves) = self.filter.pass(read.filled());
            if leaves {
                self.left.notify_one();
            }
            self.rest = passed;
            // Nothing to pass on is not the end of the input: more is waited for.
        }
    }
}

struct Filter {
    line_start: bool,
    tilde: bool,
}

impl Filter {
    /// What goes to the other end, and whether the operator leaves.
    fn pass(&mut self, bytes: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(bytes.len() + 1);
        for &byte in bytes {
            if std::mem::take(&mut self.tilde) {
                match byte {
                    b'.' => return (passed, true),
                    b'~' => {}
                    _ => passed.push(b'~'),
                }
            } else if self.line_start && byte == b'~' {
                self.tilde = true;
                continue;
            }
            passed.push(byte);
            self.line_start = matches!(byte, b'\r' | b'\n');
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn typed(pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let left = Arc::new(Notify::new());
        let mut builder: Box<dyn AsyncRead + Unpin + Send> = Box::new(tokio::io::empty());
        for piece in pieces.iter().rev() {
            builder = Box::new(std::io::Cursor::new(piece.to_vec()).chain(builder));
        }
        let mut passed = Vec::new();
        Keyboard::new(builder, Arc::clone(&left))
            .read_to_end(&mut passed)
            .await
            .expect("it reads");
        let leaves = futures::FutureExt::now_or_never(left.notified()).is_some();
        (passed, leaves)
    }

    #[tokio::test]
    async fn keys_are_passed_on() {
        assert_eq!(typed(&[b"ls ~/x\r", b"echo a~.\r"]).await, (b"ls ~/x\recho a~.\r".to_vec(), false));
        assert_eq!(typed(&[b"~", b"x\r", b"~~", b"."]).await, (b"~x\r~.".to_vec(), false));
    }

    #[tokio::test]
    async fn a_tilde_and_a_dot_leave() {
        assert!(typed(&[b"~."]).await.1);
        assert_eq!(typed(&[b"ls\r~", b"."]).await, (b"ls\r".to_vec(), true));
    }
}
