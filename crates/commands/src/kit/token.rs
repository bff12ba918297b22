//! What stands in the QR code of a unit: `bk1.` and 33 bytes in base64url: kit, place, and the first half of an
//! HMAC-SHA-256 of both with the tenant, under a key of the key service. The key is in no log and no database, so nobody
//! who has those can make a code.

use baeum_domain::ids::KitId;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use uuid::Uuid;

use super::Error;
use crate::Commands;

const PREFIX: &str = "bk1.";
const MAC: usize = 16;

impl Commands {
    /// The code of the unit at a place of a kit.
    ///
    /// # Errors
    /// When the key service gives no answer.
    pub async fn unit_token(&self, tenant: &str, kit_id: KitId, slot: u8) -> Result<String, Error> {
        let mac = self.unit_mac(tenant, kit_id, slot).await?;
        let bytes = [&kit_id.0.as_bytes()[..], &[slot], &mac].concat();
        Ok(format!("{PREFIX}{}", BASE64URL.encode(bytes)))
    }

    /// Kit and place that a code names, if it was made here for this tenant.
    ///
    /// # Errors
    /// What is no code, a forged one, or a key service that gives no answer.
    pub(super) async fn read_unit_token(&self, tenant: &str, token: &str) -> Result<(KitId, u8), Error> {
        let bytes = token.trim().strip_prefix(PREFIX).and_then(|it| BASE64URL.decode(it).ok());
        let bytes: [u8; 17 + MAC] = bytes.and_then(|it| it.try_into().ok()).ok_or(Error::NotACode)?;
        let kit_id = KitId(Uuid::from_slice(&bytes[..16]).map_err(|_| Error::NotACode)?);
        let (slot, given) = (bytes[16], &bytes[17..]);
        let mac = self.unit_mac(tenant, kit_id, slot).await?;
        // It takes the same time wherever they differ.
        let differing = mac.iter().zip(given).fold(0, |all, (one, other)| all | (one ^ other));
        if differing == 0 { Ok((kit_id, slot)) } else { Err(Error::ForgedCode) }
    }

    async fn unit_mac(&self, tenant: &str, kit_id: KitId, slot: u8) -> Result<[u8; MAC], Error> {
        let text = ["kit unit", tenant, &kit_id.to_string(), &slot.to_string()].join("\u{1f}");
        let digest = self.ports.keys.digest(&text).await?;
        Ok(std::array::from_fn(|at| digest[at]))
    }
}
