//! Where webhooks may go: http(s) URLs without a password, to the public internet.
//!
//! A webhook makes this server send requests where somebody else says, so it must not reach what only this server can
//! reach: its own machine, its network, the metadata service of a cloud. An address that stands in the URL is checked here;
//! what a name means is checked by whoever connects, at the moment of connecting, with the same [`is_public`].

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// How long a URL may be.
const LIMIT: usize = 2_000;

/// Why a URL is not accepted. The URL itself is not repeated: it may hold a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It cannot be read.
    #[error("url: this is no URL: give one such as 'https://partner.example/hooks'")]
    NotAUrl,
    /// It is too long.
    #[error("url: it has more than {LIMIT} characters: give a shorter one")]
    TooLong,
    /// It is neither http nor https.
    #[error("url: webhooks go to http and https only, not to '{0}'")]
    Scheme(String),
    /// It holds a name or a password.
    #[error("url: it holds a user name or password: leave these out, the signature shows who sends")]
    Credentials,
    /// It names an address that is not of the public internet.
    #[error(
        "url: the address is not of the public internet: give a public one, or have the operator allow private ones"
    )]
    Private,
}

/// Checks where a webhook is to go.
///
/// # Errors
/// What is wrong with the URL.
pub fn check(text: &str, private_too: bool) -> Result<Url, EndpointError> {
    if text.len() > LIMIT {
        return Err(EndpointError::TooLong);
    }
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl)?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(EndpointError::Scheme(url.scheme().chars().take(20).collect()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Credentials);
    }
    let private = match url.host() {
        None => return Err(EndpointError::NotAUrl),
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    };
    if private && !private_too { Err(EndpointError::Private) } else { Ok(url) }
}

/// Whether an address is of the public internet, by the special-purpose registries of IANA (RFC 6890 and those after it).
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 169 && b == 254)
        || (a == 172 && (16..32).contains(&b))
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19))
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let part = address.segments();
    let [.., a, b, c, d] = address.octets();
    // NAT64 (RFC 6052) stands for the IPv4 address at its end.
    if part[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // What is given out to the public is 2000::/3; of that, 2001::/23 (protocols), documentation and 6to4 are not.
    (0x2000..0x4000).contains(&part[0])
        && !(part[0] == 0x2001 && part[1] < 0x200)
        && !(part[0] == 0x2001 && part[1] == 0xdb8)
        && !(part[0] == 0x3fff && part[1] < 0x1000)
        && part[0] != 0x2002
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_go_to_http_and_https_on_the_public_internet_only() {
        for right in ["https://partner.example/hooks?x=1", "http://93.184.215.14:8080/", "https://[2606:4700::1111]/"] {
            assert!(check(right, false).is_ok(), "{right}");
        }
        let long = format!("https://partner.example/{}", "x".repeat(LIMIT));
        for (wrong, told) in [
            ("ftp://partner.example/", "not to 'ftp'"),
            ("file:///etc/passwd", "not to 'file'"),
            ("partner.example/hooks", "no URL"),
            ("https://", "no URL"),
            ("https://mina:secret@partner.example/", "password"),
            (long.as_str(), "shorter"),
            ("http://localhost:8080/", "public internet"),
            ("http://db.localhost./", "public internet"),
            ("http://127.0.0.1/", "public internet"),
            ("http://2130706433/", "public internet"),
            ("http://0x7f.1/", "public internet"),
            ("http://169.254.169.254/latest/meta-data", "public internet"),
            ("http://[::1]/", "public internet"),
            ("http://[::ffff:10.0.0.1]/", "public internet"),
        ] {
            let error = check(wrong, false).expect_err(wrong).to_string();
            assert!(error.contains(told) && !error.contains("secret"), "{wrong}: {error}");
        }
        assert!(check("http://127.0.0.1:9/", true).is_ok());
        assert!(check("ftp://127.0.0.1:9/", true).is_err());
    }

    #[test]
    fn addresses_of_special_purpose_are_not_public() {
        for private in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.8.8.8",
            "169.254.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:192.168.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::1",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(private.parse().expect("an address")), "{private}");
        }
        for public in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
        {
            assert!(is_public(public.parse().expect("an address")), "{public}");
        }
    }
}
