//! Test cards: what each does when it is saved or charged. The names and numbers of the first part are Stripe's
//! (<https://docs.stripe.com/testing>); those of the second are this gateway's own. `docs/local-gateway.md` has the
//! table.

use crate::fault::{Fault, Trouble};

/// Why a bank refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decline {
    Generic,
    InsufficientFunds,
    LostCard,
    StolenCard,
    ExpiredCard,
    IncorrectCvc,
    ProcessingError,
    AuthenticationRequired,
}

impl Decline {
    /// The code of the error, the bank's own code, and what the customer reads.
    pub(crate) fn words(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Generic => ("card_declined", "generic_decline", "The bank declined the card."),
            Self::InsufficientFunds => ("card_declined", "insufficient_funds", "The card has insufficient funds."),
            Self::LostCard => ("card_declined", "lost_card", "The bank declined the card."),
            Self::StolenCard => ("card_declined", "stolen_card", "The bank declined the card."),
            Self::ExpiredCard => ("expired_card", "expired_card", "The card has expired."),
            Self::IncorrectCvc => ("incorrect_cvc", "incorrect_cvc", "The card's security code is incorrect."),
            Self::ProcessingError => ("processing_error", "processing_error", "The bank could not process the card."),
            Self::AuthenticationRequired => {
                ("authentication_required", "authentication_required", "The bank wants the customer to agree.")
            }
        }
    }
}

/// What the bank says when a card is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    Approves,
    Declines(Decline),
    /// It wants the customer first; after that the second word holds.
    Asks {
        /// Not when the card was saved with the customer's consent.
        unless_set_up: bool,
        /// Why it refuses all the same.
        then: Option<Decline>,
    },
}

/// A test card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TestCard {
    /// The payment method that is one of these.
    pub(crate) name: &'static str,
    pub(crate) number: &'static str,
    pub(crate) issuer: Issuer,
    /// What goes wrong on the way when it is charged, at the first request with a key.
    pub(crate) fault: Option<Fault>,
    /// What goes wrong with the webhooks of a request that charges it.
    pub(crate) trouble: Option<Trouble>,
}

impl TestCard {
    const fn of(name: &'static str, number: &'static str, issuer: Issuer) -> Self {
        Self { name, number, issuer, fault: None, trouble: None }
    }

    const fn faulty(name: &'static str, number: &'static str, fault: Fault) -> Self {
        Self { name, number, issuer: Issuer::Approves, fault: Some(fault), trouble: None }
    }

    const fn troubled(name: &'static str, number: &'static str, trouble: Trouble) -> Self {
        Self { name, number, issuer: Issuer::Approves, fault: None, trouble: Some(trouble) }
    }

    pub(crate) fn brand(&self) -> &'static str {
        if self.number.starts_with('5') { "mastercard" } else { "visa" }
    }

    pub(crate) fn last4(&self) -> &'static str {
        &self.number[12..]
    }
}

const fn asks(unless_set_up: bool, then: Option<Decline>) -> Issuer {
    Issuer::Asks { unless_set_up, then }
}

/// All of them.
pub(crate) const CARDS: [TestCard; 25] = [
    TestCard::of("pm_card_visa", "4242424242424242", Issuer::Approves),
    TestCard::of("pm_card_mastercard", "5555555555554444", Issuer::Approves),
    TestCard::of("pm_card_visa_chargeDeclined", "4000000000000002", Issuer::Declines(Decline::Generic)),
    TestCard::of(
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "4000000000009995",
        Issuer::Declines(Decline::InsufficientFunds),
    ),
    TestCard::of("pm_card_visa_chargeDeclinedLostCard", "4000000000009987", Issuer::Declines(Decline::LostCard)),
    TestCard::of("pm_card_visa_chargeDeclinedStolenCard", "4000000000009979", Issuer::Declines(Decline::StolenCard)),
    TestCard::of("pm_card_chargeDeclinedExpiredCard", "4000000000000069", Issuer::Declines(Decline::ExpiredCard)),
    TestCard::of("pm_card_chargeDeclinedIncorrectCvc", "4000000000000127", Issuer::Declines(Decline::IncorrectCvc)),
    TestCard::of(
        "pm_card_chargeDeclinedProcessingError",
        "4000000000000119",
        Issuer::Declines(Decline::ProcessingError),
    ),
    TestCard::of("pm_card_chargeCustomerFail", "4000000000000341", Issuer::Declines(Decline::Generic)),
    TestCard::of("pm_card_authenticationRequiredOnSetup", "4000002500003155", asks(true, None)),
    TestCard::of("pm_card_authenticationRequired", "4000002760003184", asks(false, None)),
    TestCard::of(
        "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
        "4000008260003178",
        asks(false, Some(Decline::InsufficientFunds)),
    ),
    TestCard::faulty("pm_local_slow", "4000009900000012", Fault::Slow),
    TestCard::faulty("pm_local_rateLimited", "4000009900000020", Fault::RateLimited),
    TestCard::faulty("pm_local_errorBefore", "4000009900000038", Fault::ErrorBefore),
    TestCard::faulty("pm_local_errorAfter", "4000009900000046", Fault::ErrorAfter),
    TestCard::faulty("pm_local_lostBefore", "4000009900000053", Fault::LostBefore),
    TestCard::faulty("pm_local_lostAfter", "4000009900000061", Fault::LostAfter),
    TestCard::faulty("pm_local_held", "4000009900000079", Fault::Held),
    TestCard::troubled("pm_local_webhookLate", "4000009900000087", Trouble::Late),
    TestCard::troubled("pm_local_webhookDuplicated", "4000009900000095", Trouble::Duplicated),
    TestCard::troubled("pm_local_webhookReordered", "4000009900000103", Trouble::Reordered),
    TestCard::troubled("pm_local_webhookForged", "4000009900000111", Trouble::Forged),
    TestCard::troubled("pm_local_webhookLost", "4000009900000129", Trouble::Lost),
];

/// The card that a payment method of this name is.
pub(crate) fn named(name: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.name == name)
}

/// The card with this number.
pub(crate) fn numbered(number: &str) -> Option<&'static TestCard> {
    CARDS.iter().find(|card| card.number == number)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_is_one_of_a_card_and_every_name_is_used_once() {
        for card in CARDS {
            let digits = card.number.bytes().rev().map(|it| u32::from(it - b'0')).enumerate();
            let sum: u32 = digits.map(|(at, it)| if at % 2 == 0 { it } else { it * 2 / 10 + it * 2 % 10 }).sum();
            assert_eq!((card.number.len(), sum % 10), (16, 0), "{}", card.name);
        }
        let names: BTreeSet<_> = CARDS.iter().flat_map(|card| [card.name, card.number]).collect();
        assert_eq!(names.len(), 2 * CARDS.len());
    }

    #[test]
    fn the_table_for_readers_has_every_card() {
        let table = include_str!("../../../docs/local-gateway.md");
        for card in CARDS {
            assert!(table.contains(card.name) && table.contains(card.number), "{} is missing", card.name);
        }
    }
}
