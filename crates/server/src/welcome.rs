//! What a newcomer is told when the server is ready.

use std::net::SocketAddr;

use crate::{
    admin,
    config::{Command, Config},
};

/// Prints where to go and what to try.
#[allow(clippy::print_stdout, reason = "this is for the person who started the server, not for a log")]
pub(crate) fn print(config: &Config, at: SocketAddr) {
    let url = format!("http://{at}");
    println!("Baeum is ready at {url}");
    println!("  API and its documentation   {url}/docs");
    println!("  health, metrics             {url}/health/ready  {url}/metrics");
    if config.command == Command::Serve && config.database.is_none() {
        let (address, file) = admin::hint(&config.data);
        println!("  data                        {} (kept between runs)", config.data.display());
        println!("  administrator               {address}, password in {file}");
    }
    println!("  learners to look at         baeum demo --learners 12 --url {url}");
    println!("Stop it with Ctrl-C.");
}
