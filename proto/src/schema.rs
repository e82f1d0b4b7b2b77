//! What the types of [`crate::ids`] and their kin look like on the wire, in the words of JSON Schema: for the description of
//! the REST interface that the directory generates. A pattern says what is taken in; what goes out has the usual form.

use std::borrow::Cow;

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::directory::{ProblemCode, SessionId, SharesDigest};
use crate::ids::{
    ByteCount, Challenge, FileId, FileName, InstanceId, PeerAddress, PeerId, PeerName, PublicKey, Signature, UserName,
};
use crate::secret::Secret;
use crate::ticket::KeyId;

macro_rules! described {
    ($($type:ident: $schema:expr;)+) => {$(
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }
        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                stringify!($type).into()
            }
        }
    )+};
}

described! {
    FileId: hex(64, "Identity of a file: BLAKE3 of its content.");
    PeerId: text("Identity of a peer, derived from its key: 32 base32 digits; dashes between them are ignored.")
        .pattern(Some("^-*([a-zA-Z2-7]-*){32}$"))
        .examples(["mfrggzdfmztwq2lknnwg23tpobyxe43u"]);
    PublicKey: hex(64, "Ed25519 public key (RFC 8032).");
    Signature: hex(128, "Ed25519 signature.");
    Challenge: hex(64, "A nonce that is given out once, for a peer to sign.");
    InstanceId: hex(32, "One start of one peer, drawn at random.");
    SessionId: hex(32, "Names a session without opening it.");
    SharesDigest: hex(64, "Sum, modulo 2^256, of a BLAKE3 hash per share.");
    ProblemCode: text("The kind of a problem, stable.").enum_values(Some(ProblemCode::ALL.iter().map(|code| code.as_str())));
    KeyId: text("Names one of the directory's keys.").pattern(Some("^[0-9a-f]{16}$"));
    FileName: text("1 to 255 bytes of UTF-8 that are one plain path component, without control characters; not `.` or `..`.")
        .pattern(Some(r"^[^/\u0000-\u001f\u007f-\u009f]+$"))
        .max_length(Some(FileName::LONGEST))
        .examples(["dataset.tar"]);
    UserName: label("Name of an account.");
    PeerName: label("Name that a peer goes by; not unique.");
    PeerAddress: text("Where a peer listens: HOST:PORT, an IPv6 host in brackets.")
        .pattern(Some(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):[0-9]+$"))
        .examples(["peer.example:5001"]);
    ByteCount: ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0)).description(Some("A number of bytes."));
    Secret: text("A secret.").format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
}

fn text(what: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(what))
}

fn hex(digits: usize, what: &str) -> ObjectBuilder {
    text(&format!("{what} {digits} hex digits.")).pattern(Some(format!("^[0-9a-fA-F]{{{digits}}}$")))
}

fn label(what: &str) -> ObjectBuilder {
    text(what).pattern(Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")).examples(["ana"])
}
