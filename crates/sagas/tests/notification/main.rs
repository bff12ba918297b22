//! Notifications from the event to the receiver: a real database, a mail server that speaks SMTP over TCP, a partner system
//! over HTTP.

mod billing;
mod delivery;
mod smtp;
mod timing;
mod webhooks;
mod world;
