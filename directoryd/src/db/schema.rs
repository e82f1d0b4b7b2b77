//! The tables, as diesel sees them. The truth is in `migrations/`; one description serves both databases.

diesel::table! {
    users (name) {
        name -> Text,
        password_hash -> Text,
        role -> Text,
        disabled -> Bool,
        created_at -> BigInt,
    }
}

diesel::table! {
    sessions (token_hash) {
        token_hash -> Binary,
        user_name -> Text,
        created_at -> BigInt,
        expires_at -> BigInt,
        address -> Nullable<Text>,
    }
}

diesel::table! {
    peers (peer_id) {
        peer_id -> Binary,
        user_name -> Text,
        key -> Binary,
        name -> Text,
        address -> Text,
        instance -> Nullable<Binary>,
        version -> Text,
        up -> Bool,
        files -> BigInt,
        last_seen -> BigInt,
        created_at -> BigInt,
        digest -> Nullable<Binary>,
        counted_to -> Nullable<Binary>,
    }
}

diesel::table! {
    files (file_id) {
        file_id -> Binary,
        size -> BigInt,
        simulated -> Bool,
        url -> Nullable<Text>,
        holders -> BigInt,
        holders_up -> BigInt,
    }
}

diesel::table! {
    holdings (peer_id, file_id) {
        peer_id -> Binary,
        file_id -> Binary,
        complete -> Bool,
    }
}

diesel::table! {
    shares (peer_id, name, file_id) {
        peer_id -> Binary,
        name -> Text,
        file_id -> Binary,
    }
}

diesel::table! {
    names (name, file_id) {
        name -> Text,
        file_id -> Binary,
        folded -> Text,
    }
}

diesel::table! {
    events (seq) {
        seq -> BigInt,
        at -> BigInt,
        kind -> Text,
        peer_id -> Nullable<Binary>,
        file_id -> Nullable<Binary>,
        user_name -> Nullable<Text>,
    }
}

diesel::table! {
    directory (id) {
        id -> Integer,
        audience -> Text,
        lease -> BigInt,
        ticket -> BigInt,
        events_gone -> BigInt,
        events_fed -> Nullable<BigInt>,
    }
}

diesel::table! {
    signing_keys (key_id) {
        key_id -> Text,
        secret -> Binary,
        created_at -> BigInt,
        signs_from -> BigInt,
        ends_at -> Nullable<BigInt>,
    }
}

diesel::joinable!(sessions -> users (user_name));
diesel::joinable!(holdings -> peers (peer_id));
diesel::joinable!(holdings -> files (file_id));
diesel::joinable!(shares -> files (file_id));
diesel::joinable!(shares -> peers (peer_id));
diesel::joinable!(names -> files (file_id));

diesel::allow_tables_to_appear_in_same_query!(users, sessions, peers, files, holdings, shares, names);
