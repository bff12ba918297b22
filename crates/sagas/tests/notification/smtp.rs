//! A mail server of a few lines: it speaks SMTP over TCP, keeps what it is sent, and refuses when it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

/// The server. It ends with the runtime of its test.
#[derive(Clone)]
pub(crate) struct MailServer {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    mails: Vec<String>,
    /// What it says to the next recipients; 250 when there is nothing left to say.
    refusals: VecDeque<&'static str>,
}

impl MailServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://{}", listener.local_addr().expect("an address"));
        let server = Self { url, state: Arc::default() };
        let of_listener = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(of_listener.clone().serve(stream));
            }
        });
        server
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says this to the next recipients, one after the other.
    pub(crate) fn refuse(&self, replies: impl IntoIterator<Item = &'static str>) {
        self.state().refusals.extend(replies);
    }

    /// Every mail that was taken, with its header.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.state().mails.clone()
    }

    async fn serve(self, stream: TcpStream) {
        let (reader, mut writer) = stream.into_split();
        let mut lines = BufReader::new(reader).lines();
        let mut say = async |text: &str| writer.write_all(format!("{text}\r\n").as_bytes()).await.is_ok();
        if !say("220 test").await {
            return;
        }
        while let Ok(Some(line)) = lines.next_line().await {
            let reply = match line.get(..4).unwrap_or_default().to_ascii_uppercase().as_str() {
                "EHLO" => "250 test".to_owned(),
                "RCPT" => self.state().refusals.pop_front().unwrap_or("250 yes").to_owned(),
                "DATA" => {
                    if !say("354 go on").await {
                        return;
                    }
                    let mut mail = String::new();
                    while let Ok(Some(line)) = lines.next_line().await {
                        if line == "." {
                            break;
                        }
                        mail.push_str(line.strip_prefix('.').unwrap_or(&line));
                        mail.push('\n');
                    }
                    self.state().mails.push(mail);
                    "250 taken".to_owned()
                }
                "QUIT" => "221 bye".to_owned(),
                _ => "250 well".to_owned(),
            };
            if !say(&reply).await {
                return;
            }
        }
    }
}

/// A field of a mail's header, unfolded.
pub(crate) fn field(mail: &str, name: &str) -> String {
    let (header, _) = mail.split_once("\n\n").expect("a header and a body");
    let unfolded = header.replace("\n ", " ");
    let found = unfolded.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()));
    found.unwrap_or_default()
}

/// The words of a field, decoded (RFC 2047).
pub(crate) fn words(field: &str) -> String {
    let (mut out, mut rest, mut encoded) = (vec![], field, false);
    while let Some((before, after)) = rest.split_once("=?utf-8?b?") {
        let (word, next) = after.split_once("?=").expect("a word that ends");
        // Space between two encoded words is not part of the text.
        if !(encoded && before.trim().is_empty()) {
            out.extend_from_slice(before.as_bytes());
        }
        out.extend(BASE64.decode(word).expect("base64"));
        (rest, encoded) = (next, true);
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8(out).expect("UTF-8")
}

/// The text of a mail, decoded.
pub(crate) fn body(mail: &str) -> String {
    let (_, body) = mail.split_once("\n\n").expect("a header and a body");
    let bytes = match field(mail, "Content-Transfer-Encoding").as_str() {
        "base64" => BASE64.decode(body.replace('\n', "")).expect("base64"),
        "quoted-printable" => unquoted(&body.replace("=\n", "")),
        _ => body.as_bytes().to_vec(),
    };
    String::from_utf8(bytes).expect("UTF-8").replace("\r\n", "\n")
}

fn unquoted(text: &str) -> Vec<u8> {
    let mut parts = text.split('=');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    out
}
