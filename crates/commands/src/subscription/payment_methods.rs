//! What subscribers pay with. What identifies a card is read from the gateway when it is to be shown, and kept nowhere.

use baeum_domain::{
    ids::derive_id,
    subscription::{
        billing_account::{self, BillingAccount, Command},
        gateway::{Gateway, GatewayError, MethodShown, Setup},
    },
    text::TextError,
};
use baeum_eventlog::{ExecuteError, Loaded, LogError, Outcome};

use crate::{
    Commands, Request,
    refusal::{Refusal, RefusalKind, log_code},
};

/// Why something about payment methods is refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A rule of the billing account.
    #[error(transparent)]
    Account(#[from] billing_account::Error),
    /// No gateway.
    #[error("no payment gateway is configured: the operator has to set BAEUM_GATEWAY_URL and its key")]
    NoGateway,
    /// The gateway refuses.
    #[error("the payment gateway refuses ({0}): use another payment method")]
    Refused(String),
    /// The gateway cannot be asked.
    #[error("the payment gateway cannot be asked: {0}")]
    Gateway(GatewayError),
    /// The setup did not come to its end.
    #[error("setup {0} is not done: go on with it in the browser, with its client secret or at its redirect")]
    NotAgreed(String),
    /// The log cannot be read.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<GatewayError> for Error {
    fn from(error: GatewayError) -> Self {
        match error {
            GatewayError::Refused { code } => Self::Refused(code),
            other => Self::Gateway(other),
        }
    }
}

impl Refusal for Error {
    fn kind(&self) -> RefusalKind {
        match self {
            Self::Account(billing_account::Error::UnknownMethod(_)) => RefusalKind::NotFound,
            Self::Account(billing_account::Error::Id(_)) => RefusalKind::Invalid,
            Self::Account(_) | Self::Refused(_) | Self::NotAgreed(_) => RefusalKind::Conflict,
            Self::NoGateway | Self::Gateway(_) | Self::Log(_) => RefusalKind::Unavailable,
        }
    }

    fn code(&self) -> &'static str {
        use billing_account::Error as Account;
        match self {
            Self::Account(Account::NotOpened) => "no-billing-account",
            Self::Account(Account::OtherCustomer) => "other-customer",
            Self::Account(Account::UnknownMethod(_)) => "payment-method-not-found",
            Self::Account(Account::TooManyMethods) => "too-many-payment-methods",
            Self::Account(Account::Id(TextError::Empty)) => "text-empty",
            Self::Account(Account::Id(TextError::TooLong { .. })) => "text-too-long",
            Self::Account(Account::Id(TextError::Control { .. })) => "control-character",
            Self::NoGateway => "no-gateway",
            Self::Refused(_) => "payment-method-refused",
            Self::Gateway(_) => "gateway-unavailable",
            Self::NotAgreed(_) => "payment-method-not-agreed",
            Self::Log(error) => log_code(error),
        }
    }
}

/// What is to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Saving {
    /// What a setup came to.
    Setup(String),
    /// A payment method for which nobody need agree.
    Method(String),
}

/// What is saved for a subscriber.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The payment methods, as the gateway shows them.
    pub methods: Vec<MethodShown>,
    /// The one that is charged.
    pub default: Option<String>,
}

impl Commands {
    /// Begins to save a payment method of the caller's. The first time, the gateway makes them a customer.
    ///
    /// # Errors
    /// No gateway, one that refuses or cannot be asked, or a failing log.
    pub async fn set_up_payment_method(
        &self,
        request: &Request,
        payment_method: Option<&str>,
        return_url: Option<&str>,
    ) -> Result<Setup, ExecuteError<Error>> {
        let customer = self.customer(request).await?;
        let wish = request.context(self.clock()).command_id;
        let key = derive_id(&["setup", &wish.to_string()]).to_string();
        let setup = self.gateway_for_people()?.set_up(&customer, payment_method, return_url, &key).await;
        setup.map_err(|error| ExecuteError::Refused(error.into()))
    }

    /// Saves a payment method of the caller's: it is charged from now on.
    ///
    /// # Errors
    /// No gateway, one that refuses or cannot be asked, a setup that is not done, too many, or a failing log.
    pub async fn save_payment_method(
        &self,
        request: &Request,
        saving: Saving,
    ) -> Result<Outcome<String>, ExecuteError<Error>> {
        let refused = |error: GatewayError| ExecuteError::Refused(error.into());
        let customer = self.customer(request).await?;
        let gateway = self.gateway_for_people()?;
        let payment_method = match saving {
            Saving::Setup(setup) => {
                let found = gateway.find_setup(&customer, &setup).await.map_err(refused)?;
                found.saved.ok_or(ExecuteError::Refused(Error::NotAgreed(setup)))?
            }
            Saving::Method(method) => gateway.attach(&customer, &method).await.map_err(refused)?,
        };
        let subscriber = request.caller.user_id;
        self.change_account(request, Command::Save { subscriber, payment_method }).await
    }

    /// Has a saved payment method of the caller's charged from now on.
    ///
    /// # Errors
    /// One that is not saved, or a failing log.
    pub async fn choose_payment_method(
        &self,
        request: &Request,
        payment_method: String,
    ) -> Result<Outcome<String>, ExecuteError<Error>> {
        let subscriber = request.caller.user_id;
        self.change_account(request, Command::Choose { subscriber, payment_method }).await
    }

    /// Removes a payment method of the caller's: first here, so that it is not charged any more, then at the gateway.
    ///
    /// # Errors
    /// One that is not saved, no gateway, one that refuses or cannot be asked, or a failing log.
    pub async fn remove_payment_method(
        &self,
        request: &Request,
        payment_method: String,
    ) -> Result<Outcome<String>, ExecuteError<Error>> {
        let account = self.account(request).await?;
        let gateway = self.gateway_for_people()?;
        if !account.state.methods.contains(&payment_method) {
            return Err(ExecuteError::Refused(billing_account::Error::UnknownMethod(payment_method).into()));
        }
        let subscriber = request.caller.user_id;
        let remove = Command::Remove { subscriber, payment_method: payment_method.clone() };
        let outcome = self.change_account(request, remove).await?;
        gateway.detach(&payment_method).await.map_err(|error| ExecuteError::Refused(error.into()))?;
        Ok(outcome)
    }

    /// What is saved for the caller, as the gateway shows it.
    ///
    /// # Errors
    /// No gateway, one that cannot be asked, or a failing log.
    pub async fn payment_methods(&self, request: &Request) -> Result<Saved, ExecuteError<Error>> {
        let account = self.account(request).await?;
        let Some(customer) = &account.state.customer else { return Ok(Saved { methods: vec![], default: None }) };
        let shown = self.gateway_for_people()?.methods(customer).await;
        let mut methods = shown.map_err(|error| ExecuteError::Refused(error.into()))?;
        methods.retain(|it| account.state.methods.contains(&it.id));
        Ok(Saved { methods, default: account.state.default_method().map(ToOwned::to_owned) })
    }

    async fn account(&self, request: &Request) -> Result<Loaded<BillingAccount>, ExecuteError<Error>> {
        let (tenant, id) = (&request.caller.tenant, request.caller.user_id.to_string());
        self.log.load::<BillingAccount>(tenant, &id).await.map_err(ExecuteError::Log)
    }

    async fn customer(&self, request: &Request) -> Result<String, ExecuteError<Error>> {
        if let Some(customer) = &self.account(request).await?.state.customer {
            return Ok(customer.clone());
        }
        let subscriber = request.caller.user_id;
        let made = self.gateway_for_people()?.customer(&request.caller.tenant, subscriber).await;
        let customer = made.map_err(|error| ExecuteError::Refused(error.into()))?;
        let open = Command::Open { subscriber, customer };
        // A step of its own beside what the request asks for, and remembered by itself.
        let mut opening = request.clone();
        opening.idempotency = None;
        opening.expected_sequence = None;
        self.change_account(&opening, open).await?;
        let account = self.account(request).await?;
        account.state.customer.clone().ok_or(ExecuteError::Refused(billing_account::Error::NotOpened.into()))
    }

    async fn change_account(
        &self,
        request: &Request,
        command: Command,
    ) -> Result<Outcome<String>, ExecuteError<Error>> {
        let context = request.context(self.clock());
        let id = request.caller.user_id.to_string();
        let prepare = |_: Loaded<BillingAccount>| std::future::ready(Ok::<_, Error>(command.clone()));
        let default = |account: &BillingAccount, _: &[_]| account.default_method().unwrap_or_default().to_owned();
        self.log.execute::<BillingAccount, _, Error, _>(&context, &id, prepare, default).await
    }

    fn gateway_for_people(&self) -> Result<&dyn Gateway, ExecuteError<Error>> {
        self.gateway.as_deref().ok_or(ExecuteError::Refused(Error::NoGateway))
    }
}
