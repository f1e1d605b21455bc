//! The control socket: one question a client, one answer; who follows gets lines after
//! it. Whoever may write to the socket (its owner and group) may also give orders.

use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener as BlockingListener, UnixStream as BlockingStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::timeout;

use super::follow::Event;
use super::glance::Glance;
use super::protocol::{Answer, LONGEST_QUESTION, Question};
use super::status::Status;
use crate::error::{Exit, Failure};

/// Clients that are answered at a time.
pub const MOST_CLIENTS: usize = 16;
/// How long no client is taken after one could not be: descriptors may be out.
pub const BREATH: Duration = Duration::from_millis(100);
/// How long a client may take over its question and over reading the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client waits for its answer: a configuration may be long to read.
const THOUGHT: Duration = Duration::from_secs(60);

/// Where the daemon of a runtime directory answers.
#[must_use]
pub fn path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join("control.sock")
}

/// Removes the socket of a daemon that has died; whether there was one. The caller
/// holds the runtime directory's lock.
///
/// # Errors
/// When it is there and cannot be removed.
pub fn remove_left(runtime_dir: &Path) -> io::Result<bool> {
    match std::fs::remove_file(path(runtime_dir)) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The daemon's end.
#[derive(Debug)]
pub struct Control {
    listener: BlockingListener,
    path: PathBuf,
}

impl Control {
    /// Opens the socket. The caller holds the runtime directory's lock, so a
    /// socket that lies there is a dead daemon's.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn open(runtime_dir: &Path) -> io::Result<Self> {
        let path = path(runtime_dir);
        remove_left(runtime_dir)?;
        let listener = BlockingListener::bind(&path)?;
        listener.set_nonblocking(true)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o660))?;
        Ok(Self { listener, path })
    }

    /// Has tokio watch it; only within a runtime.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn listen(&self) -> io::Result<UnixListener> {
        UnixListener::from_std(self.listener.try_clone()?)
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// A question, and where its answer goes, ready to be written.
#[derive(Debug)]
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// To the client; one that has gone is no concern.
    pub reply: oneshot::Sender<Reply>,
}

/// What a client is answered.
#[derive(Debug)]
pub struct Reply {
    /// The answer, ready to be written.
    pub answer: Vec<u8>,
    /// What it goes on with, where the client follows.
    pub then: Option<broadcast::Receiver<Arc<Event>>>,
}

impl From<Vec<u8>> for Reply {
    fn from(answer: Vec<u8>) -> Self {
        Self { answer, then: None }
    }
}

/// A client that has had its answer and follows.
#[derive(Debug)]
pub struct Following {
    /// The client.
    pub client: UnixStream,
    /// What it is told.
    pub live: broadcast::Receiver<Arc<Event>>,
}

/// Serves one client: hands its question on and writes the answer. Whoever asks
/// nonsense, or is slow, is let go; who is to be told more is left.
pub async fn serve(stream: UnixStream, asked: mpsc::Sender<Asked>) -> Option<Following> {
    serve_within(PATIENCE, stream, asked).await
}

async fn serve_within(
    patience: Duration,
    stream: UnixStream,
    asked: mpsc::Sender<Asked>,
) -> Option<Following> {
    let mut stream = BufReader::new(stream);
    let question = timeout(patience, read(&mut stream)).await.ok()??;
    let (reply, answer) = oneshot::channel();
    asked.send(Asked { question, reply }).await.ok()?;
    let Reply { answer, then } = answer.await.ok()?;
    let mut client = stream.into_inner();
    let written = async {
        client.write_all(&answer).await?;
        if then.is_none() {
            client.shutdown().await?;
        }
        io::Result::Ok(())
    };
    timeout(patience, written).await.ok()?.ok()?;
    then.map(|live| Following { client, live })
}

async fn read(stream: &mut BufReader<UnixStream>) -> Option<Question> {
    let most = u64::try_from(LONGEST_QUESTION).unwrap_or(u64::MAX);
    let mut line = Vec::new();
    stream.take(most).read_until(b'\n', &mut line).await.ok()?;
    // One that was cut short, or is too long, has no end.
    (line.last() == Some(&b'\n'))
        .then(|| Question::read(&line))
        .flatten()
}

/// Asks the daemon of a runtime directory how it is.
///
/// # Errors
/// Exit code 6 when none answers.
pub fn ask_status(runtime_dir: &Path) -> Result<Status, Failure> {
    let answer = ask(runtime_dir, &Question::Status, PATIENCE)?;
    serde_json::from_slice(&answer).map_err(|error| mute(runtime_dir, &error.into()))
}

/// Asks the daemon of a runtime directory how all stand in short, and some in full.
///
/// # Errors
/// Exit code 6 when none answers, or it is too old for this.
pub fn ask_glance(runtime_dir: &Path, detail: Option<Vec<String>>) -> Result<Glance, Failure> {
    let answer = ask(runtime_dir, &Question::Glance { detail }, PATIENCE)?;
    known(runtime_dir, &answer)?;
    serde_json::from_slice(&answer).map_err(|error| mute(runtime_dir, &error.into()))
}

/// Gives the daemon of a runtime directory an order.
///
/// # Errors
/// Exit code 6 when none answers, or it is of a version that does not know this.
pub fn order(runtime_dir: &Path, question: &Question) -> Result<Answer, Failure> {
    let answer = ask(runtime_dir, question, THOUGHT)?;
    known(runtime_dir, &answer)?;
    serde_json::from_slice(&answer).map_err(|error| mute(runtime_dir, &error.into()))
}

/// Whether a question was understood: the answer begins with `answer`.
///
/// # Errors
/// Exit code 6 when there is none.
pub(super) fn known(runtime_dir: &Path, answer: &[u8]) -> Result<(), Failure> {
    if !answer.is_empty() {
        return Ok(());
    }
    let message = format!(
        "the vip that answers at {} let us go: it has too many clients, ask again; or it is older than this program, restart it",
        path(runtime_dir).display()
    );
    Err(Failure::new(Exit::NoDaemon, message))
}

fn ask(runtime_dir: &Path, question: &Question, patience: Duration) -> Result<Vec<u8>, Failure> {
    let exchange = || -> io::Result<Vec<u8>> {
        let line = question.line()?;
        if line.len() > LONGEST_QUESTION {
            return Err(io::Error::other(
                "the question is too long; name fewer instances, or none for all",
            ));
        }
        let mut stream = BlockingStream::connect(path(runtime_dir))?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(&line)?;
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            // It was let go: the end of the answer all the same.
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            read => {
                read?;
            }
        }
        Ok(answer)
    };
    exchange().map_err(|error| mute(runtime_dir, &error))
}

pub(super) fn mute(runtime_dir: &Path, error: &io::Error) -> Failure {
    let message = format!(
        "no vip answers at {}: {error}; start one with 'vip run', or name its directory with --runtime-dir",
        path(runtime_dir).display()
    );
    Failure::new(Exit::NoDaemon, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread::JoinHandle;

    /// A daemon's end with one client at it: what it is asked, and what the
    /// client, which does `talk`, gets.
    fn exchange(
        patience: Duration,
        talk: impl FnOnce(BlockingStream) -> Vec<u8> + Send + 'static,
    ) -> (Option<Question>, Vec<u8>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, its) = BlockingStream::pair().unwrap();
            ours.set_nonblocking(true).unwrap();
            let ours = UnixStream::from_std(ours).unwrap();
            let (asked_in, mut asked) = mpsc::channel(1);
            let client: JoinHandle<Vec<u8>> = std::thread::spawn(move || talk(its));
            let serving = tokio::spawn(serve_within(patience, ours, asked_in));
            let question = asked.recv().await.map(|asked| {
                asked.reply.send(b"{\"exit\":0}".to_vec().into()).unwrap();
                asked.question
            });
            assert!(serving.await.unwrap().is_none());
            (question, client.join().unwrap())
        })
    }

    fn says(line: &[u8]) -> impl FnOnce(BlockingStream) -> Vec<u8> + use<> {
        let line = line.to_vec();
        move |mut stream| {
            let _ = stream.write_all(&line);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            answer
        }
    }

    #[test]
    fn a_question_is_answered() {
        let (question, answer) =
            exchange(PATIENCE, says(b"{\"ask\":\"reload\",\"dry_run\":true}\n"));
        assert_eq!(question, Some(Question::Reload { dry_run: true }));
        assert_eq!(answer, b"{\"exit\":0}");
    }

    #[test]
    fn whoever_asks_nonsense_is_let_go() {
        for nonsense in [&b"hello\n"[..], b"{\"ask\":\"dance\"}\n", b"\n"] {
            assert_eq!(exchange(PATIENCE, says(nonsense)), (None, Vec::new()));
        }
    }

    #[test]
    fn whoever_never_ends_is_let_go() {
        let long = vec![b' '; LONGEST_QUESTION + 1];
        assert_eq!(exchange(PATIENCE, says(&long)), (None, Vec::new()));
    }

    #[test]
    fn whoever_says_half_of_it_and_leaves_has_asked_nothing() {
        let half = |mut stream: BlockingStream| {
            let _ = stream.write_all(b"{\"ask\":\"untake\",\"instance\":\"VI_1\"}");
            let _ = stream.shutdown(std::net::Shutdown::Write);
            Vec::new()
        };
        assert_eq!(exchange(PATIENCE, half), (None, Vec::new()));
    }

    #[test]
    fn whoever_is_slow_is_let_go() {
        let silent = |mut stream: BlockingStream| {
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            answer
        };
        assert_eq!(
            exchange(Duration::from_millis(20), silent),
            (None, Vec::new())
        );
    }
}
