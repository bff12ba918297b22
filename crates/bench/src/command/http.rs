//! As little of HTTP/1.1 as one client needs that keeps its connection: it must not take the cores of what it measures.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::Failure;

/// A connection that is kept.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(crate) async fn open(address: &str) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(4096) })
    }

    /// Sends a whole request; gives the body of its answer.
    ///
    /// Fails on any answer but 200.
    pub(crate) async fn ask(&mut self, request: &str) -> Result<Vec<u8>, Failure> {
        self.stream.write_all(request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            if let Some((head, body)) = self.complete()? {
                let body = self.buffer[head..head + body].to_vec();
                if !self.buffer.starts_with(b"HTTP/1.1 200 ") {
                    return Err(format!("the server refused: {}", String::from_utf8_lossy(&self.buffer)).into());
                }
                return Ok(body);
            }
        }
    }

    /// The lengths of head and body, once both are there.
    fn complete(&self) -> Result<Option<(usize, usize)>, Failure> {
        let Some(end) = self.buffer.windows(4).position(|it| it == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&self.buffer[..end])?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let length = length.ok_or("an answer without content-length")??;
        let head = end + 4;
        Ok((self.buffer.len() >= head + length).then_some((head, length)))
    }
}
