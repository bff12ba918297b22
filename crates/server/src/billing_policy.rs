//! What the operator decides about billing: dunning, refunds, the price of credits, the shares of partners.

use baeum_domain::{
    money::Money,
    subscription::{
        dunning::Dunning,
        policy::BillingPolicy,
        refund::RefundPolicy,
        settlement::{Share, Turnover, settle},
    },
};
use clap::Args;

/// What the command line says of billing, as it was written.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct BillingWords {
    /// On which days after an invoice is due its charge is tried again, for subscriptions that start from now on
    #[arg(id = "dunning_days", long = "dunning-days", env = "BAEUM_DUNNING_DAYS", value_name = "DAYS")]
    #[arg(default_value = "1,3,5,7", global = true)]
    dunning_days: String,
    /// For how many days after a payment all of it can be given back
    #[arg(id = "refund_days", long = "refund-days", env = "BAEUM_REFUND_DAYS", value_name = "DAYS")]
    #[arg(default_value = "14", global = true)]
    refund_days: String,
    /// Whether the time of a period that is not used can be given back after those days: true or false
    #[arg(id = "refund_unused_time", long = "refund-unused-time", env = "BAEUM_REFUND_UNUSED_TIME")]
    #[arg(value_name = "TRUE|FALSE", default_value = "false", global = true)]
    refund_unused_time: String,
    /// What one usage credit costs, in minor units a currency, such as KRW:100,USD:10; empty to sell none
    #[arg(id = "credit_prices", long = "credit-prices", env = "BAEUM_CREDIT_PRICES", value_name = "PRICES")]
    #[arg(default_value = "KRW:100,USD:10", global = true)]
    credit_prices: String,
    /// What partners get of what is paid, in basis points, such as studio:7000,teacher:500
    #[arg(id = "partner_shares", long = "partner-shares", env = "BAEUM_PARTNER_SHARES", value_name = "SHARES")]
    #[arg(default_value = "", global = true)]
    partner_shares: String,
}

impl BillingWords {
    /// Checks them; `wrong` is told the names of what is not right, and why.
    pub(crate) fn checked(self, mut wrong: impl FnMut(&str, String)) -> BillingPolicy {
        let dunning = dunning(&self.dunning_days).unwrap_or_else(|why| {
            wrong("BAEUM_DUNNING_DAYS (--dunning-days)", why);
            Dunning::default()
        });
        let whole_days = self.refund_days.parse::<u16>().ok().filter(|it| *it <= 3_650).unwrap_or_else(|| {
            let why = format!("is '{}': give days, 0 to 3650", self.refund_days);
            wrong("BAEUM_REFUND_DAYS (--refund-days)", why);
            0
        });
        let unused_time = self.refund_unused_time.parse().unwrap_or_else(|_| {
            let why = format!("is '{}': give true or false", self.refund_unused_time);
            wrong("BAEUM_REFUND_UNUSED_TIME (--refund-unused-time)", why);
            false
        });
        let credit_prices = prices(&self.credit_prices).unwrap_or_else(|why| {
            wrong("BAEUM_CREDIT_PRICES (--credit-prices)", why);
            vec![]
        });
        let shares = shares(&self.partner_shares).unwrap_or_else(|why| {
            wrong("BAEUM_PARTNER_SHARES (--partner-shares)", why);
            vec![]
        });
        BillingPolicy { dunning, refunds: RefundPolicy { whole_days, unused_time }, credit_prices, shares }
    }
}

fn dunning(text: &str) -> Result<Dunning, String> {
    const RIGHT: &str = "give 1 to 10 ascending days between 1 and 60, such as 1,3,5,7";
    let days: Option<Vec<u8>> = text.split(',').map(|day| day.trim().parse().ok()).collect();
    let schedule = days.and_then(|days| Dunning::new(days).ok());
    schedule.ok_or_else(|| format!("is '{text}': {RIGHT}"))
}

/// The parts of `name:number,name:number`.
fn pairs(text: &str) -> Option<Vec<(&str, &str)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.split_once(':')).collect()
}

fn prices(text: &str) -> Result<Vec<Money>, String> {
    let wrong = |why: &str| format!("is '{text}': {why}: give minor units a currency, such as KRW:100,USD:10");
    let mut prices: Vec<Money> = vec![];
    for (code, minor) in pairs(text).ok_or_else(|| wrong("a price has no ':'"))? {
        let currency = code.parse().map_err(|_| wrong(&format!("'{code}' is no currency")))?;
        let price = minor.parse().ok().and_then(|minor| Money::new(minor, currency).ok());
        let price = price.filter(|it| it.is_positive()).ok_or_else(|| wrong(&format!("'{minor}' is no price")))?;
        if prices.iter().any(|it| it.currency() == currency) {
            return Err(wrong(&format!("{code} has two prices")));
        }
        prices.push(price);
    }
    Ok(prices)
}

fn shares(text: &str) -> Result<Vec<Share>, String> {
    let wrong = |why: &str| format!("is '{text}': {why}: give basis points a partner, such as studio:7000");
    let mut shares = vec![];
    for (partner, points) in pairs(text).ok_or_else(|| wrong("a share has no ':'"))? {
        let partner = partner.parse().map_err(|error| wrong(&format!("{error}")))?;
        let basis_points = points.parse().map_err(|_| wrong(&format!("'{points}' is no share")))?;
        shares.push(Share { partner, basis_points });
    }
    let nothing = Money::zero("KRW".parse().expect("a currency"));
    let turnover = Turnover { paid: nothing, refunded: nothing, carried: nothing };
    settle(turnover, &shares).map_err(|error| wrong(&error.to_string()))?;
    Ok(shares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_and_shares_are_read_and_what_is_wrong_is_named() {
        let read = prices("KRW:100, USD:10").expect("prices");
        assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), ["100 KRW", "0.10 USD"]);
        assert_eq!(prices(""), Ok(vec![]));
        for (text, why) in
            [("KRW", "no ':'"), ("WON:1", "no currency"), ("KRW:0", "no price"), ("KRW:1,KRW:2", "two prices")]
        {
            assert!(prices(text).expect_err("wrong").contains(why), "{text}");
        }
        assert_eq!(shares("studio:7000,teacher:500").expect("shares").len(), 2);
        for (text, why) in [
            ("studio", "no ':'"),
            ("Studio:1", "partner id"),
            ("studio:x", "no share"),
            ("studio:7000,teacher:3001", "10001 basis points"),
            ("studio:1,studio:2", "two shares"),
        ] {
            assert!(shares(text).expect_err("wrong").contains(why), "{text}");
        }
        assert!(dunning("1,3,5,7").is_ok() && dunning("3,1").is_err() && dunning("").is_err());
    }
}
