//! How a bill becomes money: what follows from an event of a subscription, an invoice, a payment or a refund.
//!
//! | process | instance | carries |
//! |---|---|---|
//! | [`renewal`] | a subscription | the end of each period, its bill to the invoice and the payment, its allowance |
//! | [`collection`] | a payment | the schedule of attempts, and every outcome to the invoice and to what was billed |
//! | [`charging`] | an attempt | the call of the gateway, so that one that hangs holds up nothing else |
//! | [`evaluation_charging`] | an attempt | each evaluation to the credits that it takes |
//! | [`refunding`] | a refund | reserve, call of the gateway, settlement; and surplus charges back |

pub mod charging;
pub mod collection;
pub mod evaluation_charging;
pub mod refunding;
pub mod renewal;
