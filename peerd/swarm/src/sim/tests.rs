//! Goals and invariants, in virtual time.
